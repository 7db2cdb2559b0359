#include "prompt_rows.hpp"

#include <stdexcept>

namespace winnow {

PromptRows::PromptRows(const Bundle& bundle, std::vector<std::string> names, at::Device device,
                       TextEncoder::Notice notice)
    : names_(std::move(names)) {
  if (!bundle.prompts.empty()) encoded_.emplace(bundle.prompts.string(), bundle.rows);
  if (bundle.text_encoder) encoder_.emplace(bundle, names_, device, std::move(notice));
}

std::string PromptRows::refusal(const std::string& prompt) try {
  if (is_encoded(prompt)) return "";
  if (!encoder_) return encoded_->unknown(prompt);
  encoder_->encode(prompt);
  return "";
} catch (const std::runtime_error& error) {
  return "the prompt cannot be encoded: " + std::string(error.what());
}

PromptRows::Rows PromptRows::of(const std::string& prompt) {
  if (!is_encoded(prompt)) return encoder_->encode(prompt);
  Rows out;
  for (const std::string& name : names_) out.push_back(encoded_->row(name, prompt));
  return out;
}

PromptRows::Rows PromptRows::any() { return of(encoded_ ? encoded_->first() : ""); }

}  // namespace winnow

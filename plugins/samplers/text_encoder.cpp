#include "text_encoder.hpp"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <stdexcept>

#include "network_messages.hpp"
#include "tokenizer/lower_strip.hpp"

namespace winnow {
namespace {

constexpr size_t kShown = 160;  // bytes of a text in a message

bool begins_a_character(char byte) { return (byte & 0xC0) != 0x80; }

std::string shown(const std::string& text) {
  size_t end = std::min(text.size(), kShown);
  while (end > 0 && end < text.size() && !begins_a_character(text[end])) --end;
  std::string out = "'";
  out.append(text, 0, end).append(end < text.size() ? "…'" : "'");
  return out;
}

std::vector<int64_t> used(const Encoding& encoding) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < encoding.ids.size(); ++i)
    if (encoding.mask[i] == 1) out.push_back(encoding.ids[i]);
  return out;
}

std::string prepared(const BundleTextEncoder& files, const std::string& prompt) {
  return files.lower_strip ? tokenizer::lower_strip(prompt) : prompt;
}

Tokenizer load_tokenizer(const BundleTextEncoder& files, const BundleTokenizer& given) {
  const std::string file = given.file.string();
  const std::string other = ": this is not the tokenizer that the bundle was exported with";
  Tokenizer tokenizer = Tokenizer::load(file);
  if (tokenizer.size() > given.rows)
    throw std::runtime_error(file + ": ids go up to " + std::to_string(tokenizer.size() - 1) +
                             ", but the text encoder has " + std::to_string(given.rows) +
                             " embeddings" + other);
  for (size_t i = 0; i < given.samples.size(); ++i) {
    const Encoding found = tokenizer.encode(prepared(files, given.samples[i]));
    if (used(found) != given.ids[i])
      throw std::runtime_error(file + ": " + shown(given.samples[i]) + " has the ids " +
                               shape_text(used(found)) + ", bundle.toml says " +
                               shape_text(given.ids[i]) + other);
    if (found.ids.size() != static_cast<size_t>(given.length))
      throw std::runtime_error(file + ": a prompt has " + std::to_string(found.ids.size()) +
                               " ids, bundle.toml says " + std::to_string(given.length) + other);
  }
  return tokenizer;
}

// What follows the longest beginning of a text that is not cut.
std::string unseen(const Tokenizer& tokenizer, const std::string& text) {
  size_t fits = 0, cut = text.size();
  while (fits + 1 < cut) {
    size_t middle = fits + (cut - fits) / 2;
    while (middle > fits && !begins_a_character(text[middle])) --middle;
    if (middle == fits) break;  // within the first character that is cut
    (tokenizer.encode(text.substr(0, middle)).cut == 0 ? fits : cut) = middle;
  }
  return text.substr(fits);
}

at::Tensor row_of(const std::vector<int64_t>& numbers) {
  return at::tensor(at::IntArrayRef(numbers), at::kLong).unsqueeze(0);
}

size_t bytes_of(const TextEncoder::Rows& rows) {
  size_t bytes = 0;
  for (const at::Tensor& row : rows) bytes += row.nbytes();
  return bytes;
}

}  // namespace

TextEncoder::TextEncoder(const Bundle& bundle, const std::vector<std::string>& names,
                         at::Device device, Notice notice, size_t kept_bytes)
    : files_(*bundle.text_encoder),
      names_(names),
      device_(device),
      notice_(std::move(notice)),
      program_(files_.program, device),
      most_bytes_(kept_bytes) {
  for (const std::string& name : names_) {
    shapes_.push_back(bundle.rows.at(name));
    shapes_.back().insert(shapes_.back().begin(), 1);
  }
  for (const BundleTokenizer& given : files_.tokenizers)
    tokenizers_.push_back(load_tokenizer(files_, given));
  made("");
}

TextEncoder::Rows TextEncoder::encode(const std::string& prompt) {
  if (prompt.empty() && files_.zero_empty) return zeros();
  if (const auto found = places_.find(prompt); found != places_.end()) {
    kept_.splice(kept_.begin(), kept_, found->second);
    return kept_.front().rows;
  }
  const Rows rows = made(prompt);
  keep(prompt, rows);
  return rows;
}

TextEncoder::Rows TextEncoder::made(const std::string& prompt) {
  const std::string text = prepared(files_, prompt);
  std::vector<at::Tensor> inputs;
  for (size_t i = 0; i < tokenizers_.size(); ++i) {
    const Encoding encoding = tokenizers_[i].encode(text);
    if (encoding.cut > 0) warn(prompt, text, i);
    inputs.push_back(row_of(encoding.ids).to(device_));
    inputs.push_back(row_of(encoding.mask).to(device_));
  }
  warned_.insert(prompt);
  Rows rows = run(std::move(inputs));
  check_shapes(rows);
  for (at::Tensor& row : rows) {
    if (!row.is_floating_point())
      row = row.to(at::kLong);  // a mask: what denoisers are compiled for
    row = row.to(at::kCPU).contiguous();
  }
  return rows;
}

TextEncoder::Rows TextEncoder::zeros() const {
  Rows out;
  for (const std::vector<int64_t>& shape : shapes_) out.push_back(at::zeros(shape));
  return out;
}

TextEncoder::Rows TextEncoder::run(std::vector<at::Tensor> inputs) const {
  const c10::InferenceMode guard;
  std::string given;
  for (const at::Tensor& input : inputs) given.append(" ").append(shape_text(input.sizes()));
  try {
    return program_.all(std::move(inputs));
  } catch (const std::exception& error) {
    throw std::runtime_error(files_.program.string() + ": the text encoder, given ids and masks" +
                             given + ", fails: " + reason_in(error.what()));
  }
}

void TextEncoder::check_shapes(const Rows& rows) const {
  const std::string file = files_.program.string();
  if (rows.size() != names_.size())
    throw std::runtime_error(file + ": the text encoder makes " + std::to_string(rows.size()) +
                             " tensors, but the denoiser is told " + std::to_string(names_.size()) +
                             " of a prompt");
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i].sizes() != at::IntArrayRef(shapes_[i]))
      throw std::runtime_error(file + ": the text encoder makes '" + names_[i] + "' " +
                               shape_text(rows[i].sizes()) + ", expected " +
                               shape_text(shapes_[i]));
}

void TextEncoder::keep(const std::string& prompt, const Rows& rows) {
  kept_.push_front({prompt, rows});
  places_[prompt] = kept_.begin();
  bytes_ += bytes_of(rows);
  while (bytes_ > most_bytes_ && kept_.size() > 1) {
    bytes_ -= bytes_of(kept_.back().rows);
    places_.erase(kept_.back().prompt);
    kept_.pop_back();
  }
}

void TextEncoder::warn(const std::string& prompt, const std::string& prepared, size_t tokenizer) {
  if (!notice_ || warned_.count(prompt)) return;
  const BundleTokenizer& given = files_.tokenizers[tokenizer];
  notice_("the prompt " + shown(prompt) + " is longer than the " + std::to_string(given.length) +
          " tokens of " + given.file.filename().string() +
          ", so this part is not seen: " + shown(unseen(tokenizers_[tokenizer], prepared)));
}

}  // namespace winnow

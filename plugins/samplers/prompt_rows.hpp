// What the denoiser of a bundle is told of a prompt: rows of encoded prompts where there are such,
// else what the bundle's text encoders make of it.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "bundle.hpp"
#include "encoded_prompts.hpp"
#include "text_encoder.hpp"

namespace winnow {

class PromptRows {
 public:
  using Rows = TextEncoder::Rows;

  // As TextEncoder; either of the two may be missing.
  PromptRows(const Bundle& bundle, std::vector<std::string> names, at::Device device,
             TextEncoder::Notice notice);

  // Why there are none for a prompt, in one sentence; empty: there are. Encodes it.
  std::string refusal(const std::string& prompt);
  Rows of(const std::string& prompt);  // of one that is not refused
  Rows any();                          // of some prompt

 private:
  bool is_encoded(const std::string& prompt) const { return encoded_ && encoded_->has(prompt); }

  std::vector<std::string> names_;
  std::optional<EncodedPrompts> encoded_;
  std::optional<TextEncoder> encoder_;
};

}  // namespace winnow

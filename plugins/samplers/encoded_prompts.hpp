// Prompts that text encoders have been through beforehand (examples/export/encode_prompts.py).
//
// A safetensors file whose metadata entry "prompts" is a JSON list; row i of each tensor belongs to
// prompt i. Rows are read when they are asked for: a thousand prompts of a large model take
// gigabytes.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "safetensors.hpp"

namespace winnow {

class EncodedPrompts {
 public:
  // shapes: what one row of each wanted tensor is. Throws std::runtime_error naming the file and
  // the tensor that is missing or of another shape.
  EncodedPrompts(const std::string& path,
                 const std::map<std::string, std::vector<int64_t>>& shapes);

  bool has(const std::string& prompt) const { return rows_.count(prompt) != 0; }
  // The tensor's row of a prompt that there is, as [1, ...], on the CPU.
  at::Tensor row(const std::string& tensor, const std::string& prompt) const;
  const std::string& first() const { return rows_.begin()->first; }  // of those that there are
  // Why has() is false, in one sentence with the nearest prompts.
  std::string unknown(const std::string& prompt) const;

 private:
  SafetensorsFile file_;
  std::map<std::string, int64_t> rows_;
};

}  // namespace winnow

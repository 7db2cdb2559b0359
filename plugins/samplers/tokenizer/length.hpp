// The length of what a tokenizer gives: "truncation" and "padding" of a tokenizer.json.
#pragma once

#include <cstdint>
#include <optional>

#include "json_field.hpp"

namespace winnow::tokenizer {

struct Truncation {
  bool left = false;   // the side that is cut off
  int64_t length = 0;  // with the special tokens
};

struct Padding {
  bool left = false;  // the side that is filled
  int64_t id = 0;
  int64_t length = 0;    // at least so many ids
  int64_t multiple = 1;  // and a multiple of this
};

std::optional<Truncation> read_truncation(const Field& file);
std::optional<Padding> read_padding(const Field& file, int64_t size);

}  // namespace winnow::tokenizer

// The special tokens around the ids of a text: the "post_processor" of a tokenizer.json.
#pragma once

#include <cstdint>
#include <vector>

#include "json_field.hpp"

namespace winnow::tokenizer {

struct Frame {
  std::vector<int64_t> before, after;
  size_t size() const { return before.size() + after.size(); }
};

// For a single text; templates for pairs are not looked at. Refuses ids of `size` or more.
Frame read_post_processor(const Field& field, int64_t size);

}  // namespace winnow::tokenizer

// What cuts a text into the words that the model sees: the "pre_tokenizer" of a tokenizer.json.
#pragma once

#include <functional>
#include <vector>

#include "json_field.hpp"
#include "text.hpp"

namespace winnow::tokenizer {

// Cuts every piece further; none of what it leaves is empty.
using PreTokenizer = std::function<void(std::vector<Text>&)>;

PreTokenizer read_pre_tokenizer(const Field& field);

}  // namespace winnow::tokenizer

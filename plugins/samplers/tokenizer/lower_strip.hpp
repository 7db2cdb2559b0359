// What some pipelines do to a prompt before they tokenize it: Python's text.lower().strip().
#pragma once

#include <string>
#include <string_view>

namespace winnow::tokenizer {

// Throws std::runtime_error for invalid UTF-8, with the place of the first bad byte.
std::string lower_strip(std::string_view utf8);

}  // namespace winnow::tokenizer

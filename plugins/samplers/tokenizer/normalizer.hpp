// What changes a text before it is cut: the "normalizer" of a tokenizer.json.
#pragma once

#include <functional>

#include "json_field.hpp"
#include "text.hpp"

namespace winnow::tokenizer {

using Normalizer = std::function<void(Text&)>;

Normalizer read_normalizer(const Field& field);

}  // namespace winnow::tokenizer

// Finding the places of a pattern in a text, and cutting the text there.
#pragma once

#include <unicode/regex.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "json_field.hpp"
#include "text.hpp"

namespace winnow::tokenizer {

// Ranges of UTF-16 units; together they cover a text in order.
struct Range {
  int32_t begin, end;
  bool match;
};
using Ranges = std::vector<Range>;

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };
Behavior read_behavior(const Field& field);

// {"String": ...} or {"Regex": ...}, the latter in the syntax of Oniguruma. Expressions that the
// library at hand might read in another way are refused at once, with the part that is to blame.
class Pattern {
 public:
  static Pattern read(const Field& field);
  static Pattern regex(const std::string& expression);
  static Pattern literal(const std::string& text);

  // Throws std::runtime_error when an expression takes too long or too much memory.
  Ranges find(const icu::UnicodeString& text) const;

 private:
  Pattern() = default;
  icu::UnicodeString literal_;
  std::shared_ptr<const icu::RegexPattern> regex_;
};

Ranges find_characters(const icu::UnicodeString& text, const std::function<bool(UChar32)>& wanted);

// Pieces without the empty ones.
std::vector<Text> split(const Text& text, const Ranges& ranges, Behavior behavior);

}  // namespace winnow::tokenizer

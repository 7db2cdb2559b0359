#include "lower_strip.hpp"

#include <unicode/locid.h>

#include "text.hpp"

namespace winnow::tokenizer {
namespace {

// Python counts the separators of ASCII among the blanks, Unicode does not.
bool is_blank(UChar32 c) { return is_white(c) || (c >= 0x1C && c <= 0x1F); }

}  // namespace

std::string lower_strip(std::string_view utf8) {
  icu::UnicodeString text = read_text(utf8).units;
  text.toLower(icu::Locale::getRoot());
  int32_t begin = 0, end = text.length();
  while (begin < end && is_blank(text[begin])) ++begin;
  while (end > begin && is_blank(text[end - 1])) --end;
  return to_utf8(text.tempSubStringBetween(begin, end));
}

}  // namespace winnow::tokenizer

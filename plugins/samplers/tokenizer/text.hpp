// The text on its way through a tokenizer, and the classes of characters as the library
// `tokenizers` knows them.
#pragma once

#include <unicode/unistr.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace winnow::tokenizer {

// `head`: how many of the leading UTF-16 units stem from the very first character of the input.
// Only the Metaspace scheme "first" asks: a piece stands at the start when its head is not empty.
struct Text {
  icu::UnicodeString units;
  int32_t head = 0;
};

// Throws std::runtime_error for invalid UTF-8, with the place of the first bad byte.
Text read_text(std::string_view utf8);
std::string to_utf8(const icu::UnicodeString& units);
Text slice(const Text& text, int32_t begin, int32_t end);

// Puts new characters in the place of all of a text. change <= 0: the character replaces one and
// takes -change further ones away; 1: it is inserted. `dropped`: characters dropped at the front.
struct Change {
  UChar32 character;
  int change;
};
void transform(Text& text, const std::vector<Change>& changes, int dropped = 0);
// Drops the characters that `keep` does not want.
template <class Keep>
void filter(Text& text, Keep keep);

bool is_white(UChar32 c);    // White_Space
bool is_numeric(UChar32 c);  // general category N
bool is_word(UChar32 c);     // \w of UTS 18
// By the tables of Unicode 8, as the library has them: later characters are none of these.
bool is_punctuation(UChar32 c);      // P, and all marks of ASCII
bool is_nonspacing_mark(UChar32 c);  // Mn
bool is_other(UChar32 c);            // Cc, Cf, Co
// By those of Unicode 9.
bool is_mark(UChar32 c);  // M
bool assigned_by(UChar32 c, int unicode_major);

template <class Keep>
void filter(Text& text, Keep keep) {
  std::vector<Change> changes;
  int dropped = 0;  // before the first character that is kept
  for (int32_t i = 0; i < text.units.length(); i = text.units.moveIndex32(i, 1)) {
    const UChar32 c = text.units.char32At(i);
    if (keep(c))
      changes.push_back({c, 0});
    else if (changes.empty())
      ++dropped;
    else
      --changes.back().change;
  }
  transform(text, changes, dropped);
}

}  // namespace winnow::tokenizer

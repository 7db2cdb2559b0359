#include "text.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <stdexcept>

namespace winnow::tokenizer {
namespace {

constexpr size_t kMaxText = size_t{16} << 20;

bool has_category(UChar32 c, uint32_t mask) { return (U_GET_GC_MASK(c) & mask) != 0; }

// The next character's end; a text ends there at the latest.
int32_t after(const icu::UnicodeString& units, int32_t place) {
  return std::min(units.moveIndex32(place, 1), units.length());
}

}  // namespace

Text read_text(std::string_view utf8) {
  if (utf8.size() > kMaxText)
    throw std::runtime_error("the text has " + std::to_string(utf8.size()) + " bytes, at most " +
                             std::to_string(kMaxText) + " are tokenized");
  Text text;
  const auto* bytes = reinterpret_cast<const uint8_t*>(utf8.data());
  const auto size = static_cast<int32_t>(utf8.size());
  for (int32_t i = 0; i < size;) {
    const int32_t start = i;
    UChar32 c;
    U8_NEXT(bytes, i, size, c);
    if (c < 0)
      throw std::runtime_error("the text is not UTF-8: byte " + std::to_string(start) +
                               " begins no character");
    text.units.append(c);
  }
  text.head = after(text.units, 0);
  return text;
}

std::string to_utf8(const icu::UnicodeString& units) {
  std::string utf8;
  units.toUTF8String(utf8);
  return utf8;
}

Text slice(const Text& text, int32_t begin, int32_t end) {
  return {icu::UnicodeString(text.units, begin, end - begin),
          std::clamp(text.head - begin, 0, end - begin)};
}

void transform(Text& text, const std::vector<Change>& changes, int dropped) {
  Text out;
  int32_t place = text.units.moveIndex32(0, dropped);  // of the next character to be replaced
  for (const auto& [character, change] : changes) {
    const int32_t origin = change > 0 ? std::max(place - 1, 0) : place;
    if (change <= 0)
      place = std::min(text.units.moveIndex32(place, 1 - change), text.units.length());
    out.units.append(character);
    // Origins never fall, so those in the head are the first ones.
    if (origin < text.head) out.head = out.units.length();
  }
  text = std::move(out);
}

bool is_white(UChar32 c) { return u_isUWhiteSpace(c); }

bool is_numeric(UChar32 c) { return has_category(c, U_GC_N_MASK); }

bool is_word(UChar32 c) {
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) ||
         has_category(c, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK);
}

bool assigned_by(UChar32 c, int unicode_major) {
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] != 0 && (age[0] < unicode_major || (age[0] == unicode_major && age[1] == 0));
}

// Each of the exceptions below has changed its category since; found by comparing all characters.
bool is_punctuation(UChar32 c) {
  if (c < 0x80) return has_category(c, U_GC_P_MASK | U_GC_S_MASK);
  if (c == 0x166D || c == 0x111C9) return true;
  return has_category(c, U_GC_P_MASK) && assigned_by(c, 8);
}

bool is_nonspacing_mark(UChar32 c) {
  if (c == 0x1734) return true;
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;
  return has_category(c, U_GC_MN_MASK) && assigned_by(c, 8);
}

bool is_other(UChar32 c) {
  return has_category(c, U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK) && assigned_by(c, 8);
}

bool is_mark(UChar32 c) {
  if (c == 0x1CF2 || c == 0x1CF3) return true;
  if (c == 0x111C9) return false;
  return has_category(c, U_GC_M_MASK) && assigned_by(c, 9);
}

}  // namespace winnow::tokenizer

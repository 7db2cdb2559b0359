#include "charsmap.hpp"

#include <unicode/brkiter.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace winnow::tokenizer {
namespace {

constexpr size_t kClusterBytes = 6;

[[noreturn]] void refuse(const std::string& why) {
  throw std::runtime_error("the character map " + why);
}

int digit_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

std::string decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) refuse("is not base64: its length is no multiple of 4");
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = digit_of(c);
    if (digit < 0) refuse("is not base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

uint32_t little_endian(std::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

// The units of darts-clone.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

// The changes that put `fresh` in the place of `old` characters. What a replacement takes away is
// booked on the character before it; at the very front there is none, and origins shift, as they
// do in the library.
void replace(std::vector<Change>& changes, int old, std::string_view fresh) {
  const auto units =
      icu::UnicodeString::fromUTF8({fresh.data(), static_cast<int32_t>(fresh.size())});
  int count = 0;
  for (int32_t i = 0; i < units.length(); i = units.moveIndex32(i, 1), ++count)
    changes.push_back({units.char32At(i), 0});
  for (int i = 0; i < count - old; ++i) changes[changes.size() - 1 - i].change = 1;
  if (count < old && !changes.empty()) changes.back().change += count - old;
}

std::unique_ptr<icu::BreakIterator> clusters_of(const icu::UnicodeString& text) {
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> clusters(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  if (U_FAILURE(status))
    throw std::runtime_error(std::string("ICU has no grapheme clusters: ") + u_errorName(status));
  clusters->setText(text);
  return clusters;
}

}  // namespace

Charsmap Charsmap::read(const std::string& base64) {
  const std::string bytes = decode_base64(base64);
  if (bytes.size() < 4)
    refuse("has " + std::to_string(bytes.size()) + " bytes, at least 4 expected");
  const uint32_t size = little_endian(bytes);
  if (size == 0 || size % 4 != 0 || size > bytes.size() - 4)
    refuse("claims a trie of " + std::to_string(size) + " bytes and has " +
           std::to_string(bytes.size() - 4));
  Charsmap map;
  for (size_t i = 4; i < 4 + size_t{size}; i += 4)
    map.trie_.push_back(little_endian(std::string_view(bytes).substr(i, 4)));
  map.replacements_ = bytes.substr(4 + size_t{size});
  read_text(map.replacements_);
  return map;
}

uint32_t Charsmap::unit(uint32_t place) const {
  if (place >= trie_.size()) refuse("has a trie that points outside itself");
  return trie_[place];
}

std::optional<std::string_view> Charsmap::replacement(std::string_view key) const {
  uint32_t place = offset_of(unit(0));
  for (const char c : key) {
    const auto label = static_cast<uint8_t>(c);
    if (label == 0) break;
    place ^= label;
    const uint32_t node = unit(place);
    if (label_of(node) != label) break;
    place ^= offset_of(node);
    if (!has_leaf(node)) continue;
    const uint32_t start = value_of(unit(place));
    const bool inside = start <= replacements_.size();
    if (!inside || (start < replacements_.size() &&
                    (static_cast<uint8_t>(replacements_[start]) & 0xC0) == 0x80))
      refuse("has a replacement that begins nowhere");
    const size_t end = std::min(replacements_.find('\0', start), replacements_.size());
    return std::string_view(replacements_).substr(start, end - start);
  }
  return std::nullopt;
}

void Charsmap::apply(Text& text) const {
  const auto clusters = clusters_of(text.units);
  std::vector<Change> changes;
  int32_t begin = 0;
  for (int32_t end = clusters->next(); end != icu::BreakIterator::DONE; end = clusters->next()) {
    const std::string cluster = to_utf8(text.units.tempSubStringBetween(begin, end));
    const auto whole = cluster.size() < kClusterBytes ? replacement(cluster) : std::nullopt;
    if (whole) replace(changes, text.units.countChar32(begin, end - begin), *whole);
    for (int32_t i = begin; !whole && i < end; i = text.units.moveIndex32(i, 1)) {
      const UChar32 c = text.units.char32At(i);
      const auto one = replacement(to_utf8(icu::UnicodeString(c)));
      if (one)
        replace(changes, 1, *one);
      else
        changes.push_back({c, 0});
    }
    begin = end;
  }
  transform(text, changes);
}

}  // namespace winnow::tokenizer

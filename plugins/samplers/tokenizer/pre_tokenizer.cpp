#include "pre_tokenizer.hpp"

#include <unicode/utf8.h>

#include <array>
#include <iterator>
#include <utility>

#include "pattern.hpp"

namespace winnow::tokenizer {
namespace {

constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A pre-tokenizer from what it does with one piece.
template <class Cut>
PreTokenizer each(Cut cut) {
  return [cut](std::vector<Text>& pieces) {
    std::vector<Text> out;
    for (Text& piece : pieces) {
      std::vector<Text> cuttings = cut(std::move(piece));
      std::move(cuttings.begin(), cuttings.end(), std::back_inserter(out));
    }
    pieces = std::move(out);
  };
}

std::vector<Text> whole(Text text) {
  std::vector<Text> pieces;
  if (!text.units.isEmpty()) pieces.push_back(std::move(text));
  return pieces;
}

PreTokenizer at_characters(bool (*wanted)(UChar32), Behavior behavior) {
  return each(
      [=](const Text& text) { return split(text, find_characters(text.units, wanted), behavior); });
}

void prepend(Text& text, const icu::UnicodeString& front) {
  text.units.insert(0, front);
  if (text.head > 0) text.head += front.length();
}

// GPT-2's printable stand-in for every byte: bytes that are printable in Latin-1 stand for
// themselves, the others for the characters from U+0100 on.
std::array<char16_t, 256> byte_characters() {
  std::array<char16_t, 256> characters{};
  char16_t spare = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = printable ? static_cast<char16_t>(byte) : spare++;
  }
  return characters;
}

Text to_byte_level(const Text& text, const std::array<char16_t, 256>& characters) {
  Text out;
  for (const char byte : to_utf8(text.units))
    out.units.append(characters[static_cast<uint8_t>(byte)]);
  out.head = static_cast<int32_t>(to_utf8(text.units.tempSubString(0, text.head)).size());
  return out;
}

PreTokenizer read_byte_level(const Field& field) {
  field.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  const bool prefix = field.at("add_prefix_space").flag();
  const auto use_regex = field.find("use_regex");
  const bool cuts = !use_regex || use_regex->flag();
  return each([=, pattern = Pattern::regex(kGpt2), characters = byte_characters()](Text text) {
    if (prefix && !text.units.startsWith(u" ")) prepend(text, u" ");
    std::vector<Text> pieces =
        cuts ? split(text, pattern.find(text.units), Behavior::kIsolated) : whole(std::move(text));
    for (Text& piece : pieces) piece = to_byte_level(piece, characters);
    return pieces;
  });
}

// In place: a blank and its replacement are both one character.
void replace_blanks(Text& text, UChar32 replacement) {
  Text out;
  for (int32_t i = 0; i < text.units.length(); i = text.units.moveIndex32(i, 1)) {
    const UChar32 c = text.units.char32At(i);
    out.units.append(c == ' ' ? replacement : c);
    if (i < text.head) out.head = out.units.length();
  }
  text = std::move(out);
}

PreTokenizer read_metaspace(const Field& field) {
  field.allow_only(
      {"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  const auto replacement = icu::UnicodeString::fromUTF8(field.at("replacement").text());
  if (replacement.countChar32() != 1) field.at("replacement").refuse("is not one character");
  enum Scheme { kAlways, kFirst, kNever };
  const auto named = field.find("prepend_scheme");
  auto scheme = named ? static_cast<Scheme>(named->choice({"always", "first", "never"})) : kAlways;
  const auto prefix = field.find("add_prefix_space");
  if (prefix && !prefix->flag() && scheme != kNever)
    prefix->refuse("is false, which does not agree with the prepend_scheme");
  const auto split_flag = field.find("split");
  const bool cuts = !split_flag || split_flag->flag();
  return each([=, mark = replacement.char32At(0)](Text text) {
    replace_blanks(text, mark);
    const bool first = scheme == kFirst && text.head > 0;
    if ((scheme == kAlways || first) && !text.units.startsWith(replacement))
      prepend(text, replacement);
    if (!cuts) return whole(std::move(text));
    const auto is_mark = [mark](UChar32 c) { return c == mark; };
    return split(text, find_characters(text.units, is_mark), Behavior::kMergedWithNext);
  });
}

PreTokenizer read_split(const Field& field) {
  field.allow_only({"type", "pattern", "behavior", "invert"});
  const Behavior behavior = read_behavior(field.at("behavior"));
  const bool invert = field.at("invert").flag();
  return each([=, pattern = Pattern::read(field.at("pattern"))](const Text& text) {
    Ranges ranges = pattern.find(text.units);
    for (Range& range : ranges) range.match ^= invert;
    return split(text, ranges, behavior);
  });
}

// The runs of \w+|[^\w\s]+.
std::vector<Text> cut_words(const Text& text) {
  const auto kind_of = [](UChar32 c) { return is_word(c) ? 2 : is_white(c) ? 0 : 1; };
  std::vector<Text> pieces;
  for (int32_t i = 0; i < text.units.length();) {
    const int32_t begin = i;
    const int kind = kind_of(text.units.char32At(begin));
    while (i < text.units.length() && kind_of(text.units.char32At(i)) == kind)
      i = text.units.moveIndex32(i, 1);
    if (kind != 0) pieces.push_back(slice(text, begin, i));
  }
  return pieces;
}

PreTokenizer in_turn(std::vector<PreTokenizer> parts) {
  return [parts = std::move(parts)](std::vector<Text>& pieces) {
    for (const PreTokenizer& part : parts) part(pieces);
  };
}

PreTokenizer read_sequence(const Field& field) {
  field.allow_only({"type", "pretokenizers"});
  std::vector<PreTokenizer> parts;
  for (const Field& item : field.at("pretokenizers").items())
    parts.push_back(read_pre_tokenizer(item));
  return in_turn(std::move(parts));
}

PreTokenizer read_digits(const Field& field) {
  field.allow_only({"type", "individual_digits"});
  const bool single = field.at("individual_digits").flag();
  return at_characters(is_numeric, single ? Behavior::kIsolated : Behavior::kContiguous);
}

PreTokenizer read_punctuation(const Field& field) {
  field.allow_only({"type", "behavior"});
  const auto behavior = field.find("behavior");
  return at_characters(is_punctuation, behavior ? read_behavior(*behavior) : Behavior::kIsolated);
}

PreTokenizer read_plain(const Field& field, PreTokenizer pre_tokenizer) {
  field.allow_only({"type"});
  return pre_tokenizer;
}

}  // namespace

PreTokenizer read_pre_tokenizer(const Field& field) {
  const auto at_blanks = [] { return at_characters(is_white, Behavior::kRemoved); };
  switch (field.at("type").choice({"BertPreTokenizer", "ByteLevel", "Digits", "Metaspace",
                                   "Punctuation", "Sequence", "Split", "Whitespace",
                                   "WhitespaceSplit"})) {
    case 0:
      return read_plain(field,
                        in_turn({at_blanks(), at_characters(is_punctuation, Behavior::kIsolated)}));
    case 1:
      return read_byte_level(field);
    case 2:
      return read_digits(field);
    case 3:
      return read_metaspace(field);
    case 4:
      return read_punctuation(field);
    case 5:
      return read_sequence(field);
    case 6:
      return read_split(field);
    case 7:
      return read_plain(field, each(cut_words));
    default:
      return read_plain(field, at_blanks());
  }
}

}  // namespace winnow::tokenizer

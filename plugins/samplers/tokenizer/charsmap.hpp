// SentencePiece's compiled character map ("precompiled_charsmap"): a double-array trie
// (darts-clone) from strings of UTF-8 to offsets of their replacements, which end with a zero byte.
// Layout: uint32 size of the trie in bytes, its units (uint32 each), the replacements.
// https://github.com/google/sentencepiece/blob/master/doc/normalization.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text.hpp"

namespace winnow::tokenizer {

class Charsmap {
 public:
  // Throws std::runtime_error when sizes do not agree or the replacements are not UTF-8.
  static Charsmap read(const std::string& base64);

  // As the library applies it, which is not quite as SentencePiece does: a grapheme cluster of less
  // than six bytes becomes the replacement of its *shortest* prefix that has one; other clusters
  // are replaced character by character. Throws for a trie that points outside itself.
  void apply(Text& text) const;

 private:
  std::optional<std::string_view> replacement(std::string_view key) const;
  uint32_t unit(uint32_t place) const;

  std::vector<uint32_t> trie_;
  std::string replacements_;
};

}  // namespace winnow::tokenizer

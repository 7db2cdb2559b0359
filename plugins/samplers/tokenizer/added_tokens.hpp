// Tokens that are found in the text itself, before the model sees it: "added_tokens".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "json_field.hpp"
#include "normalizer.hpp"
#include "text.hpp"
#include "token_table.hpp"

namespace winnow::tokenizer {

// A piece of a text, or a token where `id` is set.
struct Span {
  Text text;
  std::optional<int64_t> id;
};

class AddedTokens {
 public:
  // `normalizer` may be empty. Refuses ids other than those the library would give: that of the
  // same token in the vocabulary, else the next free ones in the order of the file.
  static AddedTokens read(const Field& field, const TokenTable& vocabulary,
                          const Normalizer& normalizer);

  // Cuts a text at the tokens that match as they stand, or that match normalized texts. Of the
  // tokens that match at the leftmost place the longest is taken.
  std::vector<Span> cut(const Text& text, bool normalized) const;

  std::optional<int64_t> find(const std::string& content) const;
  int64_t size() const { return size_; }  // one more than the greatest id, 0 without tokens

 private:
  struct Token {
    icu::UnicodeString pattern;
    int64_t id;
    bool single_word, lstrip, rstrip;
  };
  // By the first unit of their patterns, the longest first.
  using Index = std::unordered_map<char16_t, std::vector<Token>>;

  void add(const Field& field, const Normalizer& normalizer);
  static const Token* match(const Index& index, const icu::UnicodeString& text, int32_t place);

  Index plain_, normalized_;
  std::unordered_map<std::string, int64_t> ids_;
  int64_t size_ = 0;
};

}  // namespace winnow::tokenizer

// WordPiece: the longest token that a word begins with, then the longest that continues it, and so
// on; a word that does not come out even is unknown (Devlin et al., 2019, arXiv:1810.04805).
#include <algorithm>
#include <limits>

#include "model.hpp"

namespace winnow::tokenizer {
namespace {

class WordPiece final : public Model {
 public:
  explicit WordPiece(const Field& field) {
    field.allow_only(
        {"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word", "vocab"});
    vocabulary_ = TokenTable::read(field.at("vocab"));
    unknown_ = vocabulary_.at(field.at("unk_token"), field.at("unk_token").text());
    prefix_ = field.at("continuing_subword_prefix").text();
    max_characters_ =
        field.at("max_input_chars_per_word").integer(0, std::numeric_limits<int32_t>::max());
  }

  void encode(const std::string& word, std::vector<int64_t>& ids) const override {
    const size_t before = ids.size();
    size_t begin = too_long(word) ? word.size() + 1 : 0;
    while (begin < word.size()) begin = take_piece(word, begin, ids);
    if (begin == word.size()) return;
    ids.resize(before);
    ids.push_back(unknown_);
  }

  const TokenTable& vocabulary() const override { return vocabulary_; }

 private:
  bool too_long(const std::string& word) const {
    const auto starts = [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; };
    return std::count_if(word.begin(), word.end(), starts) > max_characters_;
  }

  // The end of the longest piece; beyond the end of the word when there is none.
  size_t take_piece(const std::string& word, size_t begin, std::vector<int64_t>& ids) const {
    std::string piece = (begin > 0 ? prefix_ : "") +
                        word.substr(begin, std::min(vocabulary_.longest(), word.size() - begin));
    const size_t front = begin > 0 ? prefix_.size() : 0;
    for (; piece.size() > front; piece.pop_back()) {
      // Tokens are whole characters, so half a character is never found.
      if (const auto id = vocabulary_.find(piece)) {
        ids.push_back(*id);
        return begin + piece.size() - front;
      }
    }
    return word.size() + 1;
  }

  TokenTable vocabulary_;
  int64_t unknown_ = 0;
  std::string prefix_;
  int64_t max_characters_ = 0;
};

}  // namespace

std::unique_ptr<const Model> read_word_piece(const Field& field) {
  return std::make_unique<WordPiece>(field);
}

}  // namespace winnow::tokenizer

// A closed vocabulary: the words that a text encoder was trained on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace winnow {

class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(std::vector<std::string> words);  // lower case, each once

  const std::vector<std::string>& words() const { return words_; }
  // The place of every word of a text in words(). Letters are lowered; blanks and the marks
  // . , ; : ! ? separate words, hyphens do not. Throws std::runtime_error for a text without words,
  // and for an unknown word: it names the word and the nearest known ones.
  std::vector<int64_t> encode(std::string_view text) const;
  // The known words at the smallest edit distance from `word`, at most `count`.
  std::vector<std::string> nearest(const std::string& word, size_t count) const;

 private:
  std::vector<std::string> words_;
  std::map<std::string, int64_t> places_;
};

}  // namespace winnow

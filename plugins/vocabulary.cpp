#include "vocabulary.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "in_quotes.hpp"

namespace winnow {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) || std::string_view(".,;:!?").find(c) != std::string_view::npos) {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(byte));
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// Levenshtein, one row at a time.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, replaced}));
    }
  }
  return row.back();
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
  for (size_t i = 0; i < words_.size(); ++i) places_[words_[i]] = static_cast<int64_t>(i);
  if (places_.size() != words_.size()) throw std::runtime_error("the vocabulary has a word twice");
}

std::vector<int64_t> Vocabulary::encode(std::string_view text) const {
  std::vector<int64_t> out;
  for (const std::string& word : split(text)) {
    const auto found = places_.find(word);
    if (found == places_.end()) {
      std::string known;
      for (const std::string& near : nearest(word, 3)) known += (known.empty() ? "" : ", ") + near;
      throw std::runtime_error("the word " + in_quotes(word) + " in " + in_quotes(text) +
                               " is not in the vocabulary; the nearest known words are " + known);
    }
    out.push_back(found->second);
  }
  if (out.empty()) throw std::runtime_error("the text " + in_quotes(text) + " has no words");
  return out;
}

std::vector<std::string> Vocabulary::nearest(const std::string& word, size_t count) const {
  std::vector<std::pair<size_t, std::string>> ranked;
  for (const std::string& known : words_) ranked.emplace_back(edit_distance(word, known), known);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(count, ranked.size()); ++i) out.push_back(ranked[i].second);
  return out;
}

}  // namespace winnow

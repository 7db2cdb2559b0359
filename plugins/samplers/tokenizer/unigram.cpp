// Unigram language model: the pieces of greatest total score (Viterbi), where a character that is
// no piece costs the least score less 10; neighbouring unknown characters are one token (Kudo,
// 2018, arXiv:1804.10959).
#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "model.hpp"

namespace winnow::tokenizer {
namespace {

constexpr double kUnknownPenalty = 10;

// A piece of the vocabulary; sorted by their bytes they serve as a trie.
struct Piece {
  std::string text;
  int64_t id;
  double score;
};

// The best way to get to a place of the word.
struct Step {
  double score = 0;
  size_t from = 0;
  int64_t id = 0;
  bool reached = false;

  void improve(double new_score, size_t new_from, int64_t new_id) {
    if (!reached || new_score > score) *this = {new_score, new_from, new_id, true};
  }
};

class Unigram final : public Model {
 public:
  explicit Unigram(const Field& field);
  void encode(const std::string& word, std::vector<int64_t>& ids) const override;
  const TokenTable& vocabulary() const override { return vocabulary_; }

 private:
  int64_t need_unknown() const;
  // Calls use(piece) for every piece that `text` begins with, the shortest first.
  template <class Use>
  void each_prefix(std::string_view text, Use use) const;
  std::vector<Step> best_steps(const std::string& word) const;
  void append(std::string_view piece, std::vector<int64_t>& ids) const;

  TokenTable vocabulary_;
  std::vector<Piece> pieces_;
  std::optional<int64_t> unknown_;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
};

Unigram::Unigram(const Field& field) {
  field.allow_only({"type", "unk_id", "vocab", "byte_fallback"});
  const Field vocab = field.at("vocab");
  double least = std::numeric_limits<double>::infinity();
  for (const Field& item : vocab.items()) {
    const std::vector<Field> pair = item.items();
    if (pair.size() != 2) item.refuse("is not [token, score]");
    const auto id = static_cast<int64_t>(vocabulary_.count());
    vocabulary_.add(item, pair[0].text(), id);
    pieces_.push_back({pair[0].text(), id, pair[1].number()});
    least = std::min(least, pieces_.back().score);
  }
  if (pieces_.empty()) vocab.refuse("is empty");
  unknown_score_ = least - kUnknownPenalty;
  if (const auto unknown = field.find("unk_id"))
    unknown_ = unknown->integer(0, vocabulary_.size() - 1);
  if (const auto fallback = field.find("byte_fallback")) byte_fallback_ = fallback->flag();
  std::sort(pieces_.begin(), pieces_.end(),
            [](const Piece& a, const Piece& b) { return a.text < b.text; });
}

int64_t Unigram::need_unknown() const {
  if (!unknown_)
    throw std::runtime_error(
        "the text has a character that the vocabulary does not have, and the "
        "model names no unk_id");
  return *unknown_;
}

template <class Use>
void Unigram::each_prefix(std::string_view text, Use use) const {
  auto first = pieces_.begin();
  auto last = pieces_.end();
  for (size_t size = 1; size <= text.size(); ++size) {
    const auto byte = static_cast<uint8_t>(text[size - 1]);
    const auto label = [size](const Piece& piece) {
      return piece.text.size() < size ? -1 : int{static_cast<uint8_t>(piece.text[size - 1])};
    };
    first = std::partition_point(first, last, [&](const Piece& p) { return label(p) < byte; });
    last = std::partition_point(first, last, [&](const Piece& p) { return label(p) == byte; });
    if (first == last) return;
    if (first->text.size() == size) use(*first);
  }
}

std::vector<Step> Unigram::best_steps(const std::string& word) const {
  std::vector<Step> steps(word.size() + 1);
  for (size_t begin = 0; begin < word.size();) {
    const size_t character = character_size(word, begin);
    const double so_far = steps[begin].score;
    bool known = false;
    each_prefix(std::string_view(word).substr(begin), [&](const Piece& piece) {
      steps[begin + piece.text.size()].improve(piece.score + so_far, begin, piece.id);
      known |= piece.text.size() == character;
    });
    if (!known) steps[begin + character].improve(unknown_score_ + so_far, begin, need_unknown());
    begin += character;
  }
  return steps;
}

void Unigram::append(std::string_view piece, std::vector<int64_t>& ids) const {
  if (const auto id = vocabulary_.find(piece)) {
    ids.push_back(*id);
  } else if (const auto bytes = byte_fallback_ ? vocabulary_.find_bytes(piece) : std::nullopt) {
    ids.insert(ids.end(), bytes->begin(), bytes->end());
  } else {
    ids.push_back(need_unknown());
  }
}

void Unigram::encode(const std::string& word, std::vector<int64_t>& ids) const {
  const std::vector<Step> steps = best_steps(word);
  std::vector<std::pair<size_t, size_t>> ranges;  // from the end
  bool fusing = false;
  for (size_t end = word.size(); end > 0; end = steps[end].from) {
    const bool unknown = steps[end].id == unknown_;
    if (unknown && fusing)
      ranges.back().first = steps[end].from;
    else
      ranges.emplace_back(steps[end].from, end);
    fusing = unknown;
  }
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range)
    append(std::string_view(word).substr(range->first, range->second - range->first), ids);
}

}  // namespace

std::unique_ptr<const Model> read_unigram(const Field& field) {
  return std::make_unique<Unigram>(field);
}

}  // namespace winnow::tokenizer

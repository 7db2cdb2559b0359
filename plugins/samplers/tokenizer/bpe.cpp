// Byte-pair encoding: of all neighbours in a word, the pair whose merge stands first in the list is
// joined, the leftmost first, until no pair is left (Sennrich et al., 2016, arXiv:1508.07909). A
// heap of candidates over a linked list makes that n log n.
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <utility>

#include "model.hpp"

namespace winnow::tokenizer {
namespace {

struct Merge {
  int64_t rank, id;  // its place in the list, and the token that it makes
};

class Bpe final : public Model {
 public:
  explicit Bpe(const Field& field);
  void encode(const std::string& word, std::vector<int64_t>& ids) const override;
  const TokenTable& vocabulary() const override { return vocabulary_; }

 private:
  void read_merges(const Field& field);
  void add_merge(const Field& place, const std::string& left, const std::string& right);
  std::vector<int64_t> characters(const std::string& word) const;
  const Merge* find_merge(int64_t left, int64_t right) const {
    const auto found = merges_.find(key(left, right));
    return found == merges_.end() ? nullptr : &found->second;
  }
  static uint64_t key(int64_t left, int64_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
  }

  TokenTable vocabulary_;
  std::unordered_map<uint64_t, Merge> merges_;
  std::optional<int64_t> unknown_;
  std::string prefix_;  // of characters within a word
  std::string suffix_;  // of the last character of a word
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;  // a word of the vocabulary is not taken apart
};

bool flag_or_false(const Field& field, const char* key) {
  const auto found = field.find(key);
  return found && found->flag();
}

std::string text_or_none(const Field& field, const char* key) {
  const auto found = field.find(key);
  return found ? found->text() : "";
}

Bpe::Bpe(const Field& field) {
  field.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                    "merges"});
  if (const auto dropout = field.find("dropout"); dropout && dropout->number() != 0)
    dropout->refuse("is not 0: random merges are not supported");
  vocabulary_ = TokenTable::read(field.at("vocab"));
  if (const auto unknown = field.find("unk_token"))
    unknown_ = vocabulary_.at(*unknown, unknown->text());
  prefix_ = text_or_none(field, "continuing_subword_prefix");
  suffix_ = text_or_none(field, "end_of_word_suffix");
  fuse_unknown_ = flag_or_false(field, "fuse_unk");
  byte_fallback_ = flag_or_false(field, "byte_fallback");
  ignore_merges_ = flag_or_false(field, "ignore_merges");
  read_merges(field.at("merges"));
}

// ["a", "b"] each, or "a b" as older files have it.
void Bpe::read_merges(const Field& field) {
  for (const Field& item : field.items()) {
    if (item.value().is_string()) {
      const std::string line = item.text();
      if (line.starts_with("#version")) continue;
      const size_t blank = line.find(' ');
      if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos)
        item.refuse("is " + shown(line) + ", expected two tokens with a blank between them");
      add_merge(item, line.substr(0, blank), line.substr(blank + 1));
    } else {
      const std::vector<Field> pair = item.items();
      if (pair.size() != 2)
        item.refuse("has " + std::to_string(pair.size()) + " tokens, expected 2");
      add_merge(item, pair[0].text(), pair[1].text());
    }
  }
}

void Bpe::add_merge(const Field& place, const std::string& left, const std::string& right) {
  const int64_t left_id = vocabulary_.at(place, left);
  const int64_t right_id = vocabulary_.at(place, right);
  if (!right.starts_with(prefix_))
    place.refuse("names " + shown(right) + ", which does not begin with the prefix " +
                 shown(prefix_));
  const auto rank = static_cast<int64_t>(merges_.size());
  const int64_t id = vocabulary_.at(place, left + right.substr(prefix_.size()));
  if (!merges_.emplace(key(left_id, right_id), Merge{rank, id}).second)
    place.refuse("merges " + shown(left) + " and " + shown(right) + " a second time");
}

// What the merges begin with. A character that is not in the vocabulary is bytes, or unknown, or
// left out, in this order.
std::vector<int64_t> Bpe::characters(const std::string& word) const {
  std::vector<int64_t> ids;
  bool pending = false;  // an unknown token that further ones may be fused with
  for (size_t i = 0; i < word.size();) {
    const size_t begin = i;
    i += character_size(word, i);
    const std::string token = (begin > 0 ? prefix_ : "") + word.substr(begin, i - begin) +
                              (i == word.size() ? suffix_ : "");
    if (const auto id = vocabulary_.find(token)) {
      if (std::exchange(pending, false)) ids.push_back(*unknown_);
      ids.push_back(*id);
      continue;
    }
    const auto bytes = byte_fallback_ ? vocabulary_.find_bytes(token) : std::nullopt;
    if (bytes) {  // before an unknown token that is pending, as in the library
      ids.insert(ids.end(), bytes->begin(), bytes->end());
    } else if (unknown_) {
      if (pending && !fuse_unknown_) ids.push_back(*unknown_);
      pending = true;
    }
  }
  if (pending) ids.push_back(*unknown_);
  return ids;
}

// A word while it is merged: a list of symbols, linked by their places.
class Word {
 public:
  explicit Word(const std::vector<int64_t>& ids) {
    for (const int64_t id : ids) {
      const auto place = static_cast<int64_t>(symbols_.size());
      symbols_.push_back({id, place - 1, place + 1});
    }
  }

  template <class Find>
  void merge(Find find) {
    Queue queue;
    for (int64_t i = 0; i + 1 < size(); ++i) push(queue, find, i);
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      Symbol& left = symbols_[best.place];
      if (left.id == kGone || left.next == size()) continue;
      Symbol& right = symbols_[left.next];
      const Merge* merge = find(left.id, right.id);
      if (merge == nullptr || merge->id != best.id) continue;  // one of them has changed since
      left.id = merge->id;
      left.next = right.next;
      right.id = kGone;
      if (left.next < size()) symbols_[left.next].previous = best.place;
      if (left.previous >= 0) push(queue, find, left.previous);
      push(queue, find, best.place);
    }
  }

  void append_to(std::vector<int64_t>& ids) const {
    for (const Symbol& symbol : symbols_)
      if (symbol.id != kGone) ids.push_back(symbol.id);
  }

 private:
  static constexpr int64_t kGone = -1;
  struct Symbol {
    int64_t id, previous, next;
  };
  struct Candidate {
    int64_t rank, place, id;
    bool operator<(const Candidate& other) const {  // the greatest is taken first
      return std::pair(rank, place) > std::pair(other.rank, other.place);
    }
  };
  using Queue = std::priority_queue<Candidate>;

  int64_t size() const { return static_cast<int64_t>(symbols_.size()); }

  template <class Find>
  void push(Queue& queue, Find find, int64_t place) const {
    const Symbol& left = symbols_[place];
    if (left.next == size()) return;
    if (const Merge* merge = find(left.id, symbols_[left.next].id))
      queue.push({merge->rank, place, merge->id});
  }

  std::vector<Symbol> symbols_;
};

void Bpe::encode(const std::string& word, std::vector<int64_t>& ids) const {
  if (const auto whole = ignore_merges_ ? vocabulary_.find(word) : std::nullopt) {
    ids.push_back(*whole);
    return;
  }
  Word symbols(characters(word));
  symbols.merge([this](int64_t left, int64_t right) { return find_merge(left, right); });
  symbols.append_to(ids);
}

}  // namespace

std::unique_ptr<const Model> read_bpe(const Field& field) { return std::make_unique<Bpe>(field); }

}  // namespace winnow::tokenizer

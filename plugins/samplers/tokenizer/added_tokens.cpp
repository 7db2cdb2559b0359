#include "added_tokens.hpp"

#include <algorithm>
#include <utility>

namespace winnow::tokenizer {
namespace {

bool stands_alone(const icu::UnicodeString& text, int32_t begin, int32_t end) {
  const bool left = begin == 0 || !is_word(text.char32At(begin - 1));
  return left && (end == text.length() || !is_word(text.char32At(end)));
}

}  // namespace

AddedTokens AddedTokens::read(const Field& field, const TokenTable& vocabulary,
                              const Normalizer& normalizer) {
  AddedTokens tokens;
  auto next = static_cast<int64_t>(vocabulary.count());
  for (const Field& item : field.items()) {
    const std::string content = item.at("content").text();
    const auto known = vocabulary.find(content);
    const int64_t expected = known ? *known : next++;
    if (item.at("id").id() != expected)
      item.refuse("gives the token " + shown(content) + " the id " +
                  std::to_string(item.at("id").id()) + ", but " +
                  (known ? "model.vocab gives it " : "the tokens before it make it ") +
                  std::to_string(expected));
    tokens.add(item, normalizer);
  }
  return tokens;
}

void AddedTokens::add(const Field& field, const Normalizer& normalizer) {
  field.allow_only({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  const std::string content = field.at("content").text();
  const int64_t id = field.at("id").id();
  const bool normalized = field.at("normalized").flag();
  field.at("special").flag();
  if (!ids_.emplace(content, id).second)
    field.refuse("has the token " + shown(content) + " a second time");
  Text pattern = read_text(content);
  if (normalized && normalizer) normalizer(pattern);
  if (pattern.units.isEmpty())
    field.refuse("has the token " + shown(content) + ", of which nothing is left to be found");
  auto& tokens = (normalized ? normalized_ : plain_)[pattern.units.charAt(0)];
  const auto same = std::find_if(tokens.begin(), tokens.end(), [&](const Token& token) {
    return token.pattern == pattern.units;
  });
  if (same != tokens.end())
    field.refuse("has the token " + shown(content) + ", which matches the same text as token " +
                 std::to_string(same->id));
  tokens.push_back({pattern.units, id, field.at("single_word").flag(), field.at("lstrip").flag(),
                    field.at("rstrip").flag()});
  std::stable_sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) {
    return a.pattern.length() > b.pattern.length();
  });
  size_ = std::max(size_, id + 1);
}

std::optional<int64_t> AddedTokens::find(const std::string& content) const {
  const auto found = ids_.find(content);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

const AddedTokens::Token* AddedTokens::match(const Index& index, const icu::UnicodeString& text,
                                             int32_t place) {
  const auto found = index.find(text.charAt(place));
  if (found == index.end()) return nullptr;
  for (const Token& token : found->second)
    if (text.compare(place, token.pattern.length(), token.pattern) == 0) return &token;
  return nullptr;
}

std::vector<Span> AddedTokens::cut(const Text& text, bool normalized) const {
  const icu::UnicodeString& units = text.units;
  const Index& index = normalized ? normalized_ : plain_;
  std::vector<Span> spans;
  int32_t done = 0;
  for (int32_t place = 0; place < units.length();) {
    const Token* token = match(index, units, place);
    if (token == nullptr) {
      ++place;
      continue;
    }
    int32_t begin = place;
    int32_t end = place += token->pattern.length();
    if (token->single_word && !stands_alone(units, begin, end)) continue;
    while (token->lstrip && begin > done && is_white(units.char32At(begin - 1)))
      begin = units.moveIndex32(begin, -1);
    while (token->rstrip && end < units.length() && is_white(units.char32At(end)))
      end = units.moveIndex32(end, 1);
    if (done < begin) spans.push_back({slice(text, done, begin), std::nullopt});
    spans.push_back({{}, token->id});
    done = end;
  }
  if (done < units.length()) spans.push_back({slice(text, done, units.length()), std::nullopt});
  return spans;
}

}  // namespace winnow::tokenizer

#include "token_table.hpp"

#include <algorithm>

namespace winnow::tokenizer {

TokenTable TokenTable::read(const Field& field) {
  TokenTable table;
  for (const auto& item : field.object().items())
    table.add(field, item.key(),
              Field(item.value(), field.place() + '[' + shown(item.key()) + ']').id());
  if (table.ids_.empty()) field.refuse("is empty");
  return table;
}

void TokenTable::add(const Field& place, const std::string& token, int64_t id) {
  const auto [other, fresh] = tokens_.emplace(id, token);
  if (!fresh)
    place.refuse("gives the id " + std::to_string(id) + " to " + shown(other->second) + " and to " +
                 shown(token));
  if (!ids_.emplace(token, id).second) place.refuse("has the token " + shown(token) + " twice");
  size_ = std::max(size_, id + 1);
  longest_ = std::max(longest_, token.size());
}

std::optional<int64_t> TokenTable::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

int64_t TokenTable::at(const Field& place, const std::string& token) const {
  const auto id = find(token);
  if (!id) place.refuse("names the token " + shown(token) + ", which is not in the vocabulary");
  return *id;
}

std::optional<std::vector<int64_t>> TokenTable::find_bytes(std::string_view bytes) const {
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::vector<int64_t> ids;
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    const auto id = find(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + '>');
    if (!id) return std::nullopt;
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace winnow::tokenizer

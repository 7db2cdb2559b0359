// A vocabulary as tokens and their ids, both unique.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "json_field.hpp"

namespace winnow::tokenizer {

class TokenTable {
 public:
  static TokenTable read(const Field& field);  // {"token": id, ...}
  void add(const Field& place, const std::string& token, int64_t id);

  std::optional<int64_t> find(std::string_view token) const;
  int64_t at(const Field& place, const std::string& token) const;  // refuses an unknown token
  // The tokens <0x00> to <0xFF> of these bytes; none when one of them is missing.
  std::optional<std::vector<int64_t>> find_bytes(std::string_view bytes) const;
  size_t count() const { return ids_.size(); }
  int64_t size() const { return size_; }       // one more than the greatest id
  size_t longest() const { return longest_; }  // bytes

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> ids_;
  std::unordered_map<int64_t, std::string> tokens_;
  int64_t size_ = 0;
  size_t longest_ = 0;
};

}  // namespace winnow::tokenizer

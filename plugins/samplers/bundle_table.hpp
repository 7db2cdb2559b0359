// A table of a bundle.toml whose every refusal says file, key, what was found and what was
// expected.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace winnow {

inline constexpr int64_t kLargest = int64_t{1} << 20;  // of sizes and counts

template <class Value>
using Choices = std::vector<std::pair<const char*, Value>>;

// Borrows the table. Each key is asked for once; finish() refuses those that nobody asked for.
// Everything throws std::runtime_error.
class Table {
 public:
  Table(std::string file, std::string name, const toml::table* table)
      : file_(std::move(file)), name_(std::move(name)), table_(table) {}

  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
  bool has(const std::string& key) const { return table_->contains(key); }

  std::string text(const std::string& key);
  double number(const std::string& key, double low, double high);
  double number(const std::string& key, double low, double high, double otherwise) {
    return has(key) ? number(key, low, high) : otherwise;
  }
  int64_t integer(const std::string& key, int64_t low, int64_t high);
  bool boolean(const std::string& key);
  std::vector<int64_t> shape(const std::string& key, size_t least, size_t most);
  std::vector<std::string> texts(const std::string& key);
  std::vector<std::vector<int64_t>> lists(const std::string& key);  // of integers
  Table table(const std::string& key);
  std::vector<Table> tables(const std::string& key);  // [[key]]
  void finish() const;

  template <class Value>
  Value choice(const std::string& key, const Choices<Value>& choices) {
    const std::string found = text(key);
    std::string known;
    for (const auto& [name, value] : choices) {
      if (found == name) return value;
      known += (known.empty() ? "" : ", ") + std::string(name);
    }
    fail(key, "is \"" + found + "\", expected one of " + known);
  }

 private:
  const toml::node& node(const std::string& key, const char* expected);
  const toml::array& list(const std::string& key);

  std::string file_, name_;
  const toml::table* table_;
  std::set<std::string> asked_;
};

}  // namespace winnow

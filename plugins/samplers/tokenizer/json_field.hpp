// A value of a tokenizer.json that knows where it stands, so that every refusal can say so.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace winnow::tokenizer {

using Json = nlohmann::json;

// Parses a whole file. Refuses duplicate keys, deep nesting and files of more than 256 MiB.
Json read_json(const std::string& path);

// "…" around a text of a file, shortened and with control characters made visible.
std::string shown(const std::string& text);
// With ? for everything but plain ASCII: for parts of a text that may end within a character.
std::string ascii(std::string text);

// Borrows the value. Everything throws std::runtime_error("<place>: <what is wrong>").
class Field {
 public:
  Field(const Json& value, std::string place) : value_(&value), place_(std::move(place)) {}

  [[noreturn]] void refuse(const std::string& why) const;

  Field at(const char* key) const;                   // refuses an object without the key
  std::optional<Field> find(const char* key) const;  // none when missing or null
  // Refuses keys other than these: what they ask for would be left undone.
  void allow_only(std::initializer_list<const char*> keys) const;

  const Json& object() const;
  const Json& array() const;
  std::vector<Field> items() const;  // of an array
  std::string text() const;
  bool flag() const;
  double number() const;
  int64_t integer(int64_t low, int64_t high) const;
  int64_t id() const;  // an integer in [0, 2^31)

  // The place in `names` of a text; refuses any other text.
  size_t choice(std::initializer_list<const char*> names) const;

  const Json& value() const { return *value_; }
  const std::string& place() const { return place_; }

 private:
  const Json* value_;
  std::string place_;
};

}  // namespace winnow::tokenizer

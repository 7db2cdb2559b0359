#include "json_field.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>

namespace winnow::tokenizer {
namespace {

constexpr uintmax_t kMaxFile = uintmax_t{256} << 20;
constexpr int kMaxDepth = 32;
constexpr size_t kShown = 40;  // bytes of a text in a message

[[noreturn]] void refuse_file(const std::string& why) { throw std::runtime_error(why); }

std::string read_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) refuse_file("there is no such file");
  if (!std::filesystem::is_regular_file(status)) refuse_file("is not a regular file");
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) refuse_file("cannot be examined: " + error.message());
  if (size > kMaxFile)
    refuse_file("has " + std::to_string(size) + " bytes, a tokenizer.json at most " +
                std::to_string(kMaxFile));
  std::ifstream file(path, std::ios::binary);
  if (!file) refuse_file("cannot be opened");
  return {std::istreambuf_iterator<char>(file), {}};
}

void refuse_duplicates(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) refuse_file("the key " + shown(*twice) + " stands twice in one object");
}

const char* kind_of(const Json& value) {
  if (value.is_number()) return value.is_number_float() ? "a fraction" : "an integer";
  if (value.is_boolean()) return "a boolean";
  if (value.is_string()) return "a string";
  if (value.is_array()) return "an array";
  return value.is_object() ? "an object" : "null";
}

}  // namespace

std::string shown(const std::string& text) {
  size_t end = std::min(text.size(), kShown);
  while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  // Control characters would spoil a line of a log; JSON's own spelling makes them visible.
  return Json(text.substr(0, end) + (end < text.size() ? "..." : ""))
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string ascii(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

Json read_json(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<std::vector<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth)
      refuse_file("is nested more than " + std::to_string(kMaxDepth) + " deep");
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::key) keys.back().push_back(value.get<std::string>());
    if (event == Json::parse_event_t::object_end) {
      refuse_duplicates(keys.back());
      keys.pop_back();
    }
    return true;
  };
  try {
    Json json = Json::parse(text, check);
    if (!json.is_object())
      refuse_file(std::string("holds ") + kind_of(json) + ", a tokenizer.json is an object");
    return json;
  } catch (const Json::exception& error) {
    // Its text is "[json.exception.parse_error.101] parse error at line 1, column 9: ...".
    const std::string what = error.what();
    const size_t start = what.find("] ");
    refuse_file("is not JSON: " +
                ascii(start == std::string::npos ? what : what.substr(start + 2)));
  }
}

void Field::refuse(const std::string& why) const { throw std::runtime_error(place_ + ": " + why); }

Field Field::at(const char* key) const {
  const auto found = object().find(key);
  if (found == value_->end()) refuse(std::string("has no \"") + key + '"');
  return {*found, place_.empty() ? key : place_ + '.' + key};
}

std::optional<Field> Field::find(const char* key) const {
  const auto found = object().find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return Field(*found, place_.empty() ? key : place_ + '.' + key);
}

void Field::allow_only(std::initializer_list<const char*> keys) const {
  for (const auto& item : object().items()) {
    if (std::find(keys.begin(), keys.end(), item.key()) == keys.end())
      refuse("has a key " + shown(item.key()) + ", which is not supported");
  }
}

const Json& Field::object() const {
  if (!value_->is_object()) refuse(std::string("is ") + kind_of(*value_) + ", expected an object");
  return *value_;
}

const Json& Field::array() const {
  if (!value_->is_array()) refuse(std::string("is ") + kind_of(*value_) + ", expected an array");
  return *value_;
}

std::vector<Field> Field::items() const {
  std::vector<Field> fields;
  for (const Json& item : array())
    fields.emplace_back(item, place_ + '[' + std::to_string(fields.size()) + ']');
  return fields;
}

std::string Field::text() const {
  if (!value_->is_string()) refuse(std::string("is ") + kind_of(*value_) + ", expected a string");
  return value_->get<std::string>();
}

bool Field::flag() const {
  if (!value_->is_boolean())
    refuse(std::string("is ") + kind_of(*value_) + ", expected true or false");
  return value_->get<bool>();
}

double Field::number() const {
  if (!value_->is_number()) refuse(std::string("is ") + kind_of(*value_) + ", expected a number");
  return value_->get<double>();
}

int64_t Field::integer(int64_t low, int64_t high) const {
  const bool integer = value_->is_number_integer() || value_->is_number_unsigned();
  // Beyond int64_t, unsigned numbers would wrap around.
  const bool huge = value_->is_number_unsigned() &&
                    value_->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
  if (!integer || huge || value_->get<int64_t>() < low || value_->get<int64_t>() > high)
    refuse("is " + (value_->is_number() ? value_->dump() : kind_of(*value_)) +
           ", expected an integer from " + std::to_string(low) + " to " + std::to_string(high));
  return value_->get<int64_t>();
}

int64_t Field::id() const { return integer(0, std::numeric_limits<int32_t>::max()); }

size_t Field::choice(std::initializer_list<const char*> names) const {
  const std::string name = text();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  std::string all;
  for (const char* known : names) all += (all.empty() ? "" : ", ") + std::string(known);
  refuse("is " + shown(name) + ", which is not supported; known are " + all);
}

}  // namespace winnow::tokenizer

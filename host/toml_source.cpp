// toml_source.cpp: capped reading of TOML, and places better than the parser's own.
#include "host/toml_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <vector>

#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

Where where_of(const toml::source_region& region) {
  Where where;
  if (region.path) where.file = *region.path;
  where.line = region.begin.line;
  where.column = region.begin.column;
  const bool one_line = region.begin.line == region.end.line;
  if (one_line && region.end.column > region.begin.column) {
    where.length = region.end.column - region.begin.column;
  }
  return where;
}

// The nearest file name beside `file`, for a path with a typing error.
std::string near_file(const fs::path& file) {
  constexpr std::size_t kMostLookedAt = 1000;
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator() && names.size() < kMostLookedAt;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return did_you_mean(file.filename().string(), names);
}

std::string too_deep() { return fmt::format("nested more than {} deep", kDeepestToml); }

// Walks text outside strings and comments, to find nesting before the recursive parser (and the
// recursive destructor of what it makes) meets it.
class NestingScan {
 public:
  explicit NestingScan(std::string_view text) : text_(text) {}

  // The place at which the cap is passed; line 0: nowhere.
  Where first_too_deep() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      count(c);
      if (brackets_ > kDeepestToml || dots_ > kDeepestToml) return here();
      ++at_;
    }
    return {};
  }

 private:
  void count(char c) {
    if (c == '[' || c == '{') ++brackets_;
    if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
    if (c == '.') ++dots_;
    if (c == '\n' || c == '=' || c == ',') dots_ = 0;
  }

  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool many_lines = text_.substr(at_, 3) == triple;
    at_ += many_lines ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (many_lines ? text_.substr(at_, 3) == triple : text_[at_] == quote) {
        at_ += many_lines ? 3 : 1;
        return;
      } else if (!many_lines && text_[at_] == '\n') {
        return;  // not closed: the parser says so
      } else {
        ++at_;
      }
    }
  }

  Where here() const {
    const std::string_view before = text_.substr(0, at_);
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 == 0
    Where where;
    where.line = 1 + static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
    where.column = 1 + static_cast<std::uint32_t>(characters_of(before.substr(start)).size());
    return where;
  }

  std::string_view text_;
  std::size_t at_ = 0, brackets_ = 0, dots_ = 0;
};

struct Extent {
  std::size_t keys = 0;
  const toml::key* too_deep = nullptr;
};

void measure(const toml::node& node, std::size_t depth, const toml::key* key, Extent& extent) {
  if (depth > kDeepestToml && !extent.too_deep) extent.too_deep = key;
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, value] : *table) {
      ++extent.keys;
      measure(value, depth + 1, &name, extent);
    }
  } else if (const toml::array* array = node.as_array()) {
    for (const toml::node& element : *array) measure(element, depth + 1, key, extent);
  }
}

bool is_word(std::string_view character) {
  const char c = character[0];
  return character.size() > 1 || std::isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '-' || c == '+' || c == '.' || c == ':';
}

// The parser reports the position it had reached; a reader wants the word that is wrong. All
// indexes count characters of one line, from 0.
class SyntaxPlace {
 public:
  SyntaxPlace(std::string_view line, const Where& reached) : where_(reached), line_(line) {
    characters_ = characters_of(line_);
    at_ = std::min<std::size_t>(where_.column > 0 ? where_.column - 1 : 0, characters_.size());
  }

  Where word() {  // the word that ends or lies at the position
    std::size_t begin = at_;
    while (begin > 0 && is_word(characters_[begin - 1])) --begin;
    std::size_t end = at_;
    while (end < characters_.size() && is_word(characters_[end])) ++end;
    return place(begin, end);
  }

  Where opening_quote() {
    std::size_t begin = at_;
    bool found = false;
    for (std::size_t i = 0; i < at_; ++i) {
      if (!found && (characters_[i] == "\"" || characters_[i] == "'")) begin = i, found = true;
    }
    return place(begin, at_);
  }

  bool at_end() const { return at_ == characters_.size() || characters_[at_] == "\r"; }

  Where escape() { return place(at_ > 0 ? at_ - 1 : 0, at_ + 1); }

  Where repeated_key() {
    if (at_ < characters_.size() && characters_[at_] == "[") {  // a header
      std::size_t begin = at_;
      while (begin < characters_.size() && (characters_[begin] == "[" || blank(begin))) ++begin;
      std::size_t end = begin;
      while (end < characters_.size() && characters_[end] != "]") ++end;
      while (end > begin && blank(end - 1)) --end;
      return place(begin, end);
    }
    std::size_t end = at_;  // at the value: back over "= "
    while (end > 0 && (blank(end - 1) || characters_[end - 1] == "=")) --end;
    std::size_t begin = end;
    while (begin > 0 && !blank(begin - 1) && characters_[begin - 1] != "{" &&
           characters_[begin - 1] != ",") {
      --begin;
    }
    return place(begin, end);
  }

 private:
  bool blank(std::size_t i) const { return characters_[i] == " " || characters_[i] == "\t"; }

  Where place(std::size_t begin, std::size_t end) const {
    Where where = where_;
    where.column = static_cast<std::uint32_t>(begin + 1);
    where.length = static_cast<std::uint32_t>(std::max<std::size_t>(end, begin + 1) - begin);
    return where;
  }

  Where where_;
  std::string_view line_;
  std::vector<std::string_view> characters_;
  std::size_t at_ = 0;
};

std::string_view line_at(std::string_view text, std::uint32_t line) {
  for (std::uint32_t i = 1; i < line; ++i) {
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    if (text.empty()) return text;
  }
  return text.substr(0, text.find('\n'));
}

void add_syntax_mistake(const toml::parse_error& error, std::string_view text,
                        const std::string& name, Diagnostics& diagnostics) {
  Where where = where_of(error.source());
  where.file = name;
  std::string said(error.description());
  said = said.substr(0, said.find('\n'));
  if (said.starts_with("Error while ")) said = said.substr(said.find(' ', 6) + 1);
  const auto has = [&](std::string_view part) { return said.find(part) != std::string::npos; };
  SyntaxPlace place(line_at(text, where.line), where);
  if (has("cannot redefine existing")) {
    diagnostics.add(place.repeated_key(),
                    "duplicate key: " + said.substr(said.find("cannot redefine")));
  } else if (has("could not determine value type") || has("parsing boolean")) {
    diagnostics.add(place.word(), "this is not a TOML value", "text needs double quotes");
  } else if (has("parsing string") || has("parsing literal string")) {
    const bool escape = has("escape sequence");
    const bool open = has("control characters") && place.at_end();
    diagnostics.add(escape ? place.escape()
                    : open ? place.opening_quote()
                           : where,
                    open ? "the string is not closed on its line" : "not valid TOML: " + said,
                    escape ? "'single quotes' take backslashes as they are" : "");
  } else if (has("decimal") || has("integer") || has("float") || has("date") || has("time")) {
    diagnostics.add(place.word(), "not valid TOML: " + said);
  } else {
    diagnostics.add(where, "not valid TOML: " + said);
  }
}

}  // namespace

Where where_of(const toml::node& node) { return where_of(node.source()); }
Where where_of(const toml::key& key) { return where_of(key.source()); }

const toml::key* key_of(const toml::table& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : &found->first;
}

std::optional<std::string> read_text_file(const fs::path& file, std::size_t limit,
                                          const Where& from, Diagnostics& diagnostics) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status)) {
    diagnostics.add(from, fmt::format("no file '{}'", file.string()), near_file(file));
    return std::nullopt;
  }
  if (!fs::is_regular_file(status)) {
    diagnostics.add(from, fmt::format("'{}' is not a file", file.string()));
    return std::nullopt;
  }
  const std::uintmax_t size = fs::file_size(file, error);
  if (!error && size > limit) {
    diagnostics.add(from, fmt::format("'{}' is larger than {} bytes", file.string(), limit));
    return std::nullopt;
  }
  std::ifstream in(file, std::ios::binary);
  std::string text(error ? 0 : static_cast<std::size_t>(size), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  if (error || in.bad() || (text.empty() && !in.is_open())) {
    diagnostics.add(from, fmt::format("cannot read '{}'", file.string()));
    return std::nullopt;
  }
  return text;
}

std::optional<toml::table> parse_toml(std::string text, const std::string& name,
                                      Diagnostics& diagnostics) {
  diagnostics.add_source(name, text);
  if (Where deep = NestingScan(text).first_too_deep(); deep.line > 0) {
    deep.file = name;
    diagnostics.add(deep, too_deep());
    return std::nullopt;
  }
  try {
    toml::table table = toml::parse(std::string_view(text), std::string(name));
    Extent extent;
    measure(table, 0, nullptr, extent);
    if (extent.too_deep) {
      diagnostics.add(where_of(*extent.too_deep), too_deep());
      return std::nullopt;
    }
    if (extent.keys > kMostTomlKeys) {
      diagnostics.add({name},
                      fmt::format("{} keys, at most {} are read", extent.keys, kMostTomlKeys));
      return std::nullopt;
    }
    return table;
  } catch (const toml::parse_error& error) {
    add_syntax_mistake(error, text, name, diagnostics);
    return std::nullopt;
  }
}

void refuse_unknown_keys(const toml::table& table, std::span<const std::string> known,
                         const std::string& place, Diagnostics& diagnostics) {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = did_you_mean(name, known);
    diagnostics.add(where_of(key), fmt::format("unknown key '{}' {}", name, place),
                    near.empty() ? "there are " + list_of(known) : near);
  }
}

void refuse_control_characters(const toml::node& node, Diagnostics& diagnostics) {
  const auto check = [&](std::string text, const auto& place) {
    std::erase_if(text, [](char c) { return c == '\n' || c == '\t'; });
    if (printable(text) != text)
      diagnostics.add(where_of(place), "this text holds control characters");
  };
  if (const auto* text = node.as_string()) check(text->get(), *text);
  if (const auto* array = node.as_array())
    for (const toml::node& element : *array) refuse_control_characters(element, diagnostics);
  if (const auto* table = node.as_table()) {
    for (const auto& [key, value] : *table) {
      check(std::string(key.str()), key);
      refuse_control_characters(value, diagnostics);
    }
  }
}

std::string describe(const toml::node& node) {
  constexpr std::size_t kLongest = 40;
  const auto shortened = [](std::string text) {
    return text.size() > kLongest ? text.substr(0, kLongest) + "..." : text;
  };
  if (const auto* text = node.as_string()) {
    return "text " + toml_string(shortened(text->get()));
  }
  if (const auto* integer = node.as_integer()) return fmt::format("the integer {}", **integer);
  if (const auto* number = node.as_floating_point()) return fmt::format("the number {}", **number);
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "a list";
  return "a date or time";
}

std::string toml_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (c == '\n') {
      result += "\\n";
    } else if (c == '\t') {
      result += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\u{:04X}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

}  // namespace winnow

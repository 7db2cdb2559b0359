// toml_source.hpp: reads TOML from people we do not know (capped in size, depth and number of
// keys), and says where its keys and values stand.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "host/diagnostic.hpp"

namespace winnow {

inline constexpr std::size_t kLargestTomlFile = std::size_t{1} << 20;  // bytes
inline constexpr std::size_t kDeepestToml = 64;       // tables and arrays within each other
inline constexpr std::size_t kMostTomlKeys = 10'000;  // in one file

// Where a key or a value stands. A value of several lines gets a caret under its first character.
Where where_of(const toml::node& node);
Where where_of(const toml::key& key);

// The key itself as written in `table`, for its place; null: not there.
const toml::key* key_of(const toml::table& table, std::string_view name);

// The text of a regular file of at most `limit` bytes. Otherwise one mistake at `from` (the place
// that names the file), with the nearest file name beside it, and nothing is returned.
std::optional<std::string> read_text_file(const std::filesystem::path& file, std::size_t limit,
                                          const Where& from, Diagnostics& diagnostics);

// Parses `text` and adds it to the sources as `name`; every node's source().path is `name`. A
// mistake of syntax (there is only ever one: the parser stops at it), or a cap that is passed, goes
// to `diagnostics` and nothing is returned.
std::optional<toml::table> parse_toml(std::string text, const std::string& name,
                                      Diagnostics& diagnostics);

// One mistake for each key of `table` that is not among `known`; `place` says where that is:
// "in [run]".
void refuse_unknown_keys(const toml::table& table, std::span<const std::string> known,
                         const std::string& place, Diagnostics& diagnostics);

// One mistake for each text or key below `node` that holds control characters other than line
// breaks and tabs, or is no UTF-8: what strangers write is shown on terminals.
void refuse_control_characters(const toml::node& node, Diagnostics& diagnostics);

// What a value is, for messages: `text "abc"`, `the integer 3`, "a table", "a list".
std::string describe(const toml::node& node);

// `text` as a TOML string in double quotes.
std::string toml_string(std::string_view text);

}  // namespace winnow

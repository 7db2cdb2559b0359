// text.hpp: small text helpers: the nearest name, lists for messages, UTF-8.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace winnow {

// Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours; no stretch edited
// twice), in bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name nearest to `word` within a distance that grows with its length (at most 2, 1 for words
// of 3 or fewer), or of which `word` is a prefix of at least three letters; empty: none is near.
// Upper and lower case count as equal.
std::string nearest_name(std::string_view word, std::span<const std::string> names);

// "did you mean 'x'?", or "" when nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> names);

// "'a', 'b' or 'c'"; "nothing" for an empty list.
std::string list_of(std::span<const std::string> names);

// The characters of UTF-8 text, one string each; a byte that is part of none stands alone.
std::vector<std::string_view> characters_of(std::string_view text);

// The byte at which `text` stops being UTF-8; npos: it is UTF-8 throughout.
std::size_t first_bad_utf8(std::string_view text);

// One line that is safe on a terminal: control characters and bad UTF-8 become '?'.
std::string printable(std::string_view text);
// The same, but lines are kept.
std::string printable_lines(std::string_view text);

}  // namespace winnow

// text.hpp: small text helpers: the nearest name, and lists for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace winnow {

// Damerau-Levenshtein distance (insert, delete, replace, swap of neighbours), in bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The name nearest to `word` within a distance that grows with its length (at most 2, 1 for words
// of 3 or fewer), or of which `word` is a prefix of at least three letters; empty: none is near.
std::string nearest_name(std::string_view word, std::span<const std::string> names);

// "did you mean 'x'?", or "" when nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string> names);

}  // namespace winnow

// figures.hpp: numbers as people read them: 31,000, 2m47s, 1.5 MiB, and small aligned tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace winnow {

// "31,000"; rounded to a whole number. Not finite: "unlimited" for infinity, "?" for NaN.
std::string grouped(double value);

// A score: three decimals, more digits for small ones: "0.812", "-12.500", "0.0042", "1.2e-07".
std::string score_text(double value);
// The same with a sign, for gains: "+0.143".
std::string gain_text(double value);

// "0.4s", "47s", "2m47s", "3h05m", "2d04h". Negative or not finite: "?".
std::string duration_text(double seconds);

// "512 B", "1.5 KiB", "256.0 MiB".
std::string bytes_text(std::uint64_t bytes);

// Rows of cells in aligned columns, two spaces between, each row ending in a line end; no spaces at
// the ends of lines. The first column stands left, the others too unless `right`.
std::string table_text(const std::vector<std::vector<std::string>>& rows, bool right = false);

}  // namespace winnow

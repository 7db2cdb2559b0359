// figures.cpp: see figures.hpp.
#include "host/figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/text.hpp"

namespace winnow {
namespace {

// `big` and `small` in seconds, with their letters.
std::string two_units(std::uint64_t seconds, std::uint64_t big, char big_letter,
                      std::uint64_t small, char small_letter) {
  return fmt::format("{}{}{:02}{}", seconds / big, big_letter, seconds % big / small, small_letter);
}

// Small scores would all read 0.000, so they keep their leading digits instead.
std::string digits(double value, bool sign) {
  if (!std::isfinite(value)) return "?";
  const double size = std::abs(value);
  if (size != 0 && size < 1e-3)
    return sign ? fmt::format("{:+.1e}", value) : fmt::format("{:.1e}", value);
  const int decimals = size != 0 && size < 0.1 ? 4 : 3;
  return sign ? fmt::format("{:+.{}f}", value, decimals) : fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

std::string grouped(double value) {
  if (std::isnan(value)) return "?";
  if (std::isinf(value)) return "unlimited";
  std::string text = fmt::format("{:.0f}", std::abs(value));
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return (value < 0 && text != "0" ? "-" : "") + text;
}

std::string score_text(double value) { return digits(value, /*sign=*/false); }
std::string gain_text(double value) { return digits(value, /*sign=*/true); }

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0 || seconds > 1e15) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::uint64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return two_units(whole, 60, 'm', 1, 's');
  if (whole < 86400) return two_units(whole, 3600, 'h', 60, 'm');
  return two_units(whole, 86400, 'd', 3600, 'h');
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string table_text(const std::vector<std::vector<std::string>>& rows, bool right) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], characters_of(row[i]).size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - characters_of(row[i]).size(), ' ');
      if (i > 0) line += "  ";
      line += i > 0 && right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

}  // namespace winnow

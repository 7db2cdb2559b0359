// study_markdown.cpp: see study_markdown.hpp.
#include "host/study_markdown.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace winnow {
namespace {

std::optional<std::size_t> find_column(const Table& table, const std::string& name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found == table.columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table.columns.begin());
}

std::string number(double value) {
  return value == std::round(value) && std::abs(value) < 1e9 ? fmt::format("{:.0f}", value)
                                                             : fmt::format("{:.4g}", value);
}

// Text of a cell that cannot end the column.
std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

struct Column {
  std::size_t value;
  std::optional<std::size_t> low, high;
};

std::string cell_of(const std::vector<Cell>& row, const Column& column) {
  const double value = cell_number(row[column.value]);
  if (!std::isfinite(value)) return escaped(cell_text(row[column.value]));
  if (!column.low || !column.high) return number(value);
  const double low = cell_number(row[*column.low]), high = cell_number(row[*column.high]);
  if (!std::isfinite(low) || !std::isfinite(high)) return number(value);
  return fmt::format("{} ({} to {})", number(value), number(low), number(high));
}

bool is_measured(const std::string& name) {
  constexpr std::array kNames = {"seeds",     "total_nfe", "inception_score", "frechet",
                                 "precision", "recall",    "seconds"};
  return name.ends_with("_mean") || std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

std::string summary_page(const std::string& title, const Table& summary, std::size_t labels) {
  std::vector<Column> columns;
  for (std::size_t c = 1; c < summary.columns.size(); ++c) {
    const std::string& name = summary.columns[c];
    if (c >= labels && !is_measured(name)) continue;
    const bool empty = std::all_of(summary.rows.begin(), summary.rows.end(),
                                   [&](const auto& row) { return cell_text(row[c]).empty(); });
    if (empty) continue;
    if (c < labels)
      columns.push_back({c, {}, {}});
    else
      columns.push_back(
          {c, find_column(summary, name + "_low"), find_column(summary, name + "_high")});
  }
  std::string page = fmt::format(
      "# {}\n\nMeans over the seeds with their 95 % intervals (Student's t; of a single seed the "
      "bootstrap's).\n\n",
      title);
  std::string rule = "|";
  page += "|";
  for (const Column& column : columns) {
    page += fmt::format(" {} |", escaped(summary.columns[column.value]));
    rule += "---|";
  }
  page += "\n" + rule + "\n";
  for (const auto& row : summary.rows) {
    page += "|";
    for (const Column& column : columns) page += fmt::format(" {} |", cell_of(row, column));
    page += "\n";
  }
  return page;
}

}  // namespace winnow

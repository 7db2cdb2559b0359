// table.cpp: cells and CSV.
#include "host/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace winnow {
namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace

std::optional<std::size_t> find_column(const Table& table, const std::string& name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found == table.columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table.columns.begin());
}

bool row_matches(const Table& table, std::size_t row, const RowFilter& filter) {
  return std::all_of(filter.begin(), filter.end(), [&](const auto& condition) {
    const auto column = find_column(table, condition.first);
    const std::string text = column ? cell_text(table.rows[row][*column]) : "";
    return std::find(condition.second.begin(), condition.second.end(), text) !=
           condition.second.end();
  });
}

Cell number_cell(double value) {
  if (!std::isfinite(value)) return {};
  return value;
}

double cell_number(const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return *real;
  return std::nan("");
}

std::string cell_text(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&cell)) return fmt::format("{}", *real);
  return "";
}

std::string csv_text(const Table& table) {
  std::string text;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    text += (i ? "," : "") + csv_field(table.columns[i]);
  text += '\n';
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      text += (i ? "," : "") + csv_field(cell_text(row[i]));
    text += '\n';
  }
  return text;
}

}  // namespace winnow

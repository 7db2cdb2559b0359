// table.hpp: a small table of mixed cells, as CSV and as SQLite.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace winnow {

// Empty, text, or a number. NaN and infinities are no cells: number_cell makes them empty.
using Cell = std::variant<std::monostate, std::string, std::int64_t, double>;

struct Table {
  std::vector<std::string> columns;     // unique
  std::vector<std::vector<Cell>> rows;  // as long as columns
};

// Columns and the texts that a row may have there.
using RowFilter = std::vector<std::pair<std::string, std::vector<std::string>>>;

std::optional<std::size_t> find_column(const Table& table, const std::string& name);
// A column that is not there counts as empty.
bool row_matches(const Table& table, std::size_t row, const RowFilter& filter);

Cell number_cell(double value);
double cell_number(const Cell& cell);     // NaN for text and empty cells
std::string cell_text(const Cell& cell);  // "" for empty ones; numbers read back to equal bits

// RFC 4180 with '\n' line ends: the columns, then a line per row.
std::string csv_text(const Table& table);

// A new database with a table for each name, replacing the file. Columns have the type of their
// cells: INTEGER, REAL or TEXT. Throws Error(Exit::kResources) when it cannot be written.
void write_sqlite(const std::filesystem::path& file, const std::map<std::string, Table>& tables);

}  // namespace winnow

// study_summary.cpp: means and intervals over seeds.
#include "host/study_summary.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <optional>

#include "host/study_table.hpp"

namespace winnow {
namespace {

bool is_interval_end(const std::string& column) {
  return column.ends_with("_low") || column.ends_with("_high");
}

bool is_text(const Table& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
    return std::holds_alternative<std::string>(row[column]);
  });
}

// Columns of numbers behind the keys, without seeds and interval ends.
std::vector<std::size_t> measured_columns(const Table& table) {
  std::vector<std::size_t> columns;
  for (std::size_t i = key_columns(table) + 1; i < table.columns.size(); ++i)
    if (!is_interval_end(table.columns[i]) && !is_text(table, i)) columns.push_back(i);
  return columns;
}

MeanInterval over_rows(const Table& table, std::size_t first, std::size_t last,
                       std::size_t column) {
  std::vector<double> values;
  for (std::size_t row = first; row < last; ++row) {
    const double value = cell_number(table.rows[row][column]);
    if (std::isfinite(value)) values.push_back(value);
  }
  if (values.empty()) return {std::nan(""), std::nan(""), std::nan("")};
  MeanInterval interval = t_interval(values);
  const auto low = find_column(table, table.columns[column] + "_low");
  const auto high = find_column(table, table.columns[column] + "_high");
  if (last - first == 1 && low && high) {
    interval.low = cell_number(table.rows[first][*low]);
    interval.high = cell_number(table.rows[first][*high]);
  }
  return interval;
}

}  // namespace

MeanInterval t_interval(const std::vector<double>& values, double level) {
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double value : values) mean += value / n;
  if (values.size() < 2) return {mean, std::nan(""), std::nan("")};
  double variance = 0;
  for (const double value : values) variance += (value - mean) * (value - mean) / (n - 1);
  const boost::math::students_t distribution(n - 1);
  const double half =
      boost::math::quantile(distribution, (1 + level) / 2) * std::sqrt(variance / n);
  return {mean, mean - half, mean + half};
}

Table summarise(const Table& table) {
  const std::size_t keys = key_columns(table);
  const std::vector<std::size_t> measured = measured_columns(table);
  Table summary;
  summary.columns.assign(table.columns.begin(),
                         table.columns.begin() + static_cast<std::ptrdiff_t>(keys));
  summary.columns.emplace_back("seeds");
  for (const std::size_t column : measured)
    for (const char* end : {"", "_low", "_high"})
      summary.columns.push_back(table.columns[column] + end);
  for (std::size_t first = 0; first < table.rows.size();) {
    const std::size_t last = end_of_point(table, first);
    auto& row = summary.rows.emplace_back(
        table.rows[first].begin(), table.rows[first].begin() + static_cast<std::ptrdiff_t>(keys));
    row.emplace_back(static_cast<std::int64_t>(last - first));
    for (const std::size_t column : measured) {
      const MeanInterval one = over_rows(table, first, last, column);
      for (const double value : {one.mean, one.low, one.high}) row.push_back(number_cell(value));
    }
    first = last;
  }
  return summary;
}

}  // namespace winnow

// study_markdown.cpp: see study_markdown.hpp.
#include "host/study_markdown.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

namespace winnow {
namespace {

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

std::string difference_of(const Table& table, const std::vector<Cell>& row) {
  const auto at = [&](const char* column) { return cell_number(row[*find_column(table, column)]); };
  const double low = at("difference_low"), high = at("difference_high");
  const std::string mean = fmt::format("{:+.3g}", at("difference"));
  if (!std::isfinite(low) || !std::isfinite(high)) return mean;
  const std::string text = fmt::format("{} ({:+.3g} to {:+.3g})", mean, low, high);
  return low > 0 || high < 0 ? "**" + text + "**" : text;
}

std::string line_of(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::string rule_of(std::size_t columns) {
  std::string rule = "|";
  for (std::size_t c = 0; c < columns; ++c) rule += "---|";
  return rule + "\n";
}

std::string rank_of(const Table& table, const std::vector<Cell>& row) {
  const auto at = [&](const char* column) { return cell_text(row[*find_column(table, column)]); };
  if (at("rank_low").empty()) return at("rank");
  return fmt::format("{} ({} to {})", at("rank"), at("rank_low"), at("rank_high"));
}

// A line for rows that are alike in front of "metric", and a column for each metric.
std::string by_metric(const Table& table,
                      std::string (*value_of)(const Table&, const std::vector<Cell>&)) {
  const std::size_t metric = *find_column(table, "metric");
  std::vector<std::string> metrics;
  std::map<std::vector<std::string>, std::map<std::string, std::string>> values;
  std::vector<std::vector<std::string>> order;
  for (const auto& row : table.rows) {
    std::vector<std::string> key;
    for (std::size_t c = 0; c < metric; ++c) key.push_back(escaped(cell_text(row[c])));
    const std::string name = cell_text(row[metric]);
    if (std::find(metrics.begin(), metrics.end(), name) == metrics.end()) metrics.push_back(name);
    if (!values.contains(key)) order.push_back(key);
    values[key][name] = value_of(table, row);
  }
  std::vector<std::string> header;
  for (std::size_t c = 0; c < metric; ++c) header.push_back(escaped(table.columns[c]));
  for (const std::string& name : metrics) header.push_back(escaped(name));
  std::string page = line_of(header) + rule_of(header.size());
  for (const auto& key : order) {
    std::vector<std::string> cells = key;
    for (const std::string& name : metrics) cells.push_back(values[key][name]);
    page += line_of(cells);
  }
  return page;
}

}  // namespace

std::string differences_page(const Table& differences) {
  if (differences.rows.empty()) return "";
  return "\n## Differences\n\nIn pairs, with 95 % intervals (Student's t); bold: the interval "
         "leaves "
         "0 out.\n\n" +
         by_metric(differences, difference_of);
}

std::string ranks_page(const Table& ranks) {
  if (ranks.rows.empty()) return "";
  return "\n## Ranks\n\nBy the mean over the same tasks and seeds, 1 is the highest, with 95 % "
         "intervals (bootstrap over the pairs of task and seed).\n\n" +
         by_metric(ranks, rank_of);
}

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
  const auto line = [&](const auto& text_of) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(text_of(column));
    return line_of(cells);
  };
  page += line([&](const Column& column) { return escaped(summary.columns[column.value]); }) +
          rule_of(columns.size());
  for (const auto& row : summary.rows)
    page += line([&](const Column& column) { return cell_of(row, column); });
  return page;
}

}  // namespace winnow

// recommend.cpp: see recommend.hpp.
#include "host/recommend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "host/error.hpp"
#include "host/study_table.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

std::size_t column(const Table& table, const std::string& name) {
  if (const auto found = find_column(table, name)) return *found;
  const std::string near = did_you_mean(name, table.columns);
  throw Error(Exit::kUsage,
              fmt::format("no column '{}'; {}", name,
                          near.empty() ? "there are " + list_of(table.columns) : near));
}

Cell cell_of(const std::string& text) {
  if (text.empty()) return std::monostate();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  return text;
}

std::optional<double> number(const Table& table, std::size_t row, const std::string& name) {
  const auto found = find_column(table, name);
  if (!found) return std::nullopt;
  const double value = cell_number(table.rows[row][*found]);
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Everything in front of "seeds" but what is the same in all rows.
std::vector<std::size_t> telling_columns(const Table& table) {
  std::vector<std::size_t> out;
  for (std::size_t c = 0; c < column(table, "seeds"); ++c)
    if (std::any_of(table.rows.begin(), table.rows.end(),
                    [&](const auto& row) { return row[c] != table.rows.front()[c]; }))
      out.push_back(c);
  return out;
}

double most_seeds(const Table& table, const RowFilter& where) {
  double most = 0;
  for (std::size_t row = 0; row < table.rows.size(); ++row)
    if (row_matches(table, row, where))
      most = std::max(most, number(table, row, "seeds").value_or(0));
  return most;
}

}  // namespace

Recommendation recommend(const Table& summary, double budget, const std::string& metric,
                         const std::string& over, const RowFilter& where) {
  const std::size_t value = column(summary, metric), cost = column(summary, "total_nfe");
  const std::size_t setting = column(summary, over);
  for (const auto& [name, texts] : where) column(summary, name);
  if (is_cost_column(metric))
    throw Error(Exit::kUsage, fmt::format("'{}' is what a setting costs, not what it is worth; a "
                                          "budget is given with --budget",
                                          metric));
  Recommendation out;
  out.metric = metric;
  out.higher_is_better = metric != "frechet";
  const double sign = out.higher_is_better ? 1 : -1;
  const auto better = [&](std::size_t a, std::size_t b) {
    return sign * cell_number(summary.rows[a][value]) > sign * cell_number(summary.rows[b][value]);
  };
  std::vector<std::size_t> affordable;
  const double seeds = most_seeds(summary, where);
  double least = INFINITY;
  for (std::size_t row = 0; row < summary.rows.size(); ++row) {
    const double nfe = cell_number(summary.rows[row][cost]);
    if (!row_matches(summary, row, where) || std::isnan(nfe) ||
        number(summary, row, "seeds") != seeds || std::isnan(cell_number(summary.rows[row][value])))
      continue;
    least = std::min(least, nfe);
    if (nfe <= budget + 1e-9) affordable.push_back(row);
  }
  if (affordable.empty())
    throw Error(Exit::kUsage,
                std::isinf(least)
                    ? fmt::format("no row of the study has a value of {} there", metric)
                    : fmt::format("no setting of the study costs at most {} NFE per sample; the "
                                  "cheapest costs {}",
                                  budget, least));
  out.settings = affordable.size();
  std::stable_sort(affordable.begin(), affordable.end(), better);

  const std::vector<std::size_t> names = telling_columns(summary);
  const auto as_recommended = [&](std::size_t row) {
    Recommended r;
    for (const std::size_t c : names)
      r.labels.emplace_back(summary.columns[c], cell_text(summary.rows[row][c]));
    r.nfe = cell_number(summary.rows[row][cost]);
    r.value = cell_number(summary.rows[row][value]);
    r.low = number(summary, row, metric + "_low");
    r.high = number(summary, row, metric + "_high");
    r.row = row;
    return r;
  };
  out.best = as_recommended(affordable.front());
  const auto other = std::find_if(affordable.begin(), affordable.end(), [&](std::size_t row) {
    return summary.rows[row][setting] != summary.rows[affordable.front()][setting];
  });
  if (other == affordable.end()) return out;
  out.runner_up = as_recommended(*other);
  const auto& worst_of_best = out.higher_is_better ? out.best.low : out.best.high;
  const auto& best_of_other = out.higher_is_better ? out.runner_up->high : out.runner_up->low;
  out.resolved = worst_of_best && best_of_other && sign * *worst_of_best > sign * *best_of_other;
  return out;
}

Table table_of_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  bool quoted = false, fresh = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (std::exchange(fresh, false)) rows.push_back({""});
    std::string& cell = rows.back().back();
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"')
      cell += text[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && c == ',')
      rows.back().emplace_back();
    else if (!quoted && c == '\n')
      fresh = true;
    else if (quoted || c != '\r')
      cell += c;
  }
  Table table;
  if (rows.empty()) throw Error(Exit::kUsage, "the table is empty");
  table.columns = rows.front();
  for (std::size_t r = 1; r < rows.size(); ++r) {
    if (rows[r].size() != table.columns.size())
      throw Error(Exit::kUsage, fmt::format("row {} has {} cells, expected {}", r, rows[r].size(),
                                            table.columns.size()));
    table.rows.emplace_back();
    for (const std::string& cell : rows[r]) table.rows.back().push_back(cell_of(cell));
  }
  return table;
}

}  // namespace winnow

// study_compare.cpp: see study_compare.hpp.
#include "host/study_compare.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "host/study_summary.hpp"
#include "host/study_table.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

class Comparing {
 public:
  Comparing(const Table& table, const StudyComparison& comparison, const TaskScores& scores)
      : table_(table),
        comparison_(comparison),
        scores_(scores),
        keys_(key_columns(table)),
        of_(find_column(table, comparison.of)) {}

  void add_to(Table& result) const {
    if (comparison_.point.empty() && (!of_ || *of_ >= keys_)) return;
    for (std::size_t first = 0; first < table_.rows.size();) {
      const std::size_t last = end_of_point(table_, first);
      if (wanted(first) && !is_against(first)) compare(first, last, result);
      first = last;
    }
  }

 private:
  std::string text(std::size_t row, std::size_t column) const {
    return cell_text(table_.rows[row][column]);
  }
  bool wanted(std::size_t row) const { return row_matches(table_, row, comparison_.where); }

  bool is_against(std::size_t row) const {
    if (!comparison_.point.empty()) return row_matches(table_, row, comparison_.point);
    return text(row, *of_) == comparison_.against;
  }

  // Of the same seed, and alike but in what is compared.
  bool partners(std::size_t row, std::size_t other) const {
    if (!is_against(other)) return false;
    if (!comparison_.point.empty()) return table_.rows[row][keys_] == table_.rows[other][keys_];
    if (!wanted(other)) return false;
    for (std::size_t c = 0; c <= keys_; ++c) {
      const std::string& name = table_.columns[c];
      if (c == *of_ || name == "study" || name == "sweep") continue;
      if (table_.rows[row][c] != table_.rows[other][c]) return false;
    }
    return true;
  }

  // One of the same sweep before one of another: sweeps can differ in what no column says.
  std::optional<std::size_t> partner_of(std::size_t row) const {
    const std::size_t sweep = *find_column(table_, "sweep");
    std::optional<std::size_t> elsewhere;
    for (std::size_t other = 0; other < table_.rows.size(); ++other) {
      if (!partners(row, other)) continue;
      if (table_.rows[other][sweep] == table_.rows[row][sweep]) return other;
      if (!elsewhere) elsewhere = other;
    }
    return elsewhere;
  }

  void compare(std::size_t first, std::size_t last, Table& result) const {
    for (const std::string& metric : comparison_.metrics) {
      const auto column = find_column(table_, metric);
      if (!column) continue;
      std::vector<double> differences;
      std::int64_t seeds = 0;
      for (std::size_t row = first; row < last; ++row) {
        const auto other = partner_of(row);
        if (!other) continue;
        const std::size_t before = differences.size();
        add_pairs(row, *other, metric, *column, differences);
        seeds += differences.size() > before;
      }
      if (differences.empty()) continue;
      const MeanInterval mean = t_interval(differences);
      auto& row =
          result.rows.emplace_back(table_.rows[first].begin() + 1,
                                   table_.rows[first].begin() + static_cast<std::ptrdiff_t>(keys_));
      row.insert(row.end(), {Cell(of_text()), Cell(against_text()), Cell(seeds), Cell(metric),
                             number_cell(mean.mean), number_cell(mean.low), number_cell(mean.high),
                             Cell(static_cast<std::int64_t>(differences.size()))});
    }
  }

  void add_pairs(std::size_t row, std::size_t other, const std::string& metric, std::size_t column,
                 std::vector<double>& differences) const {
    constexpr std::string_view kMean = "_mean";
    const auto add = [&](double a, double b) {
      if (std::isfinite(a - b)) differences.push_back(a - b);
    };
    if (!comparison_.by_task || !scores_ || !metric.ends_with(kMean))
      return add(cell_number(table_.rows[row][column]), cell_number(table_.rows[other][column]));
    const std::string verifier = metric.substr(0, metric.size() - kMean.size());
    const std::size_t run = *find_column(table_, "run");
    const std::vector<double> a = scores_(text(row, run), verifier),
                              b = scores_(text(other, run), verifier);
    for (std::size_t task = 0; task < std::min(a.size(), b.size()); ++task) add(a[task], b[task]);
  }

  std::string of_text() const {
    std::vector<std::string> columns;
    for (const auto& [column, values] : comparison_.point) columns.push_back(column);
    return columns.empty() ? comparison_.of : fmt::format("{}", fmt::join(columns, ", "));
  }
  std::string against_text() const {
    std::vector<std::string> texts;
    for (const auto& [column, values] : comparison_.point)
      texts.push_back(fmt::format("{}", fmt::join(values, " or ")));
    return texts.empty() ? comparison_.against : fmt::format("{}", fmt::join(texts, ", "));
  }

  const Table& table_;
  const StudyComparison& comparison_;
  const TaskScores& scores_;
  std::size_t keys_;
  std::optional<std::size_t> of_;
};

// A point stands once for each seed.
std::size_t points_like(const Table& points, const RowFilter& filter) {
  const auto keys = static_cast<std::ptrdiff_t>(key_columns(points));
  std::set<std::vector<Cell>> found;
  for (std::size_t row = 0; row < points.rows.size(); ++row)
    if (row_matches(points, row, filter))
      found.emplace(points.rows[row].begin(), points.rows[row].begin() + keys);
  return found.size();
}

void check_point(const StudyComparison& comparison, const Table& points, Diagnostics& diagnostics) {
  const std::size_t n = points_like(points, comparison.point);
  if (n == 1) return;
  const std::size_t keys = key_columns(points);
  const std::vector<std::string> columns(
      points.columns.begin() + 1, points.columns.begin() + static_cast<std::ptrdiff_t>(keys));
  diagnostics.add(where_of(*comparison.table->get("against")),
                  fmt::format("{} points are meant by 'against', expected one", n),
                  "columns that tell points apart: " + list_of(columns));
}

void check_one(const StudyComparison& comparison, const Table& points, Diagnostics& diagnostics) {
  if (!comparison.point.empty()) return check_point(comparison, points, diagnostics);
  const auto column = find_column(points, comparison.of);
  if (!column) return;  // check_result_columns has refused it
  const auto values = values_of(points, *column, comparison.where);
  const std::string where = comparison.where.empty() ? "" : " that 'where' keeps";
  if (std::ranges::count(values, comparison.against) == 0) {
    const std::string near = did_you_mean(comparison.against, values);
    diagnostics.add(
        where_of(*comparison.table->get("against")),
        fmt::format("no point{} has '{}' for '{}'", where, comparison.against, comparison.of),
        near.empty() ? "there are " + list_of(values) : near);
  } else if (values.size() == 1) {
    diagnostics.add(where_of(*comparison.table->get("against")),
                    fmt::format("every point{} has '{}' for '{}', so there is nothing to compare",
                                where, comparison.against, comparison.of));
  }
}

}  // namespace

std::vector<std::string> values_of(const Table& points, std::size_t column, RowFilter where) {
  // What is measured is not known beforehand.
  std::erase_if(where,
                [&](const auto& condition) { return !find_column(points, condition.first); });
  std::vector<std::string> values;
  for (std::size_t row = 0; row < points.rows.size(); ++row) {
    const std::string value = cell_text(points.rows[row][column]);
    const bool known = std::ranges::count(values, value) > 0;
    if (!known && !value.empty() && row_matches(points, row, where)) values.push_back(value);
  }
  return values;
}

void check_comparisons(const Study& study, const std::vector<StudyPoint>& points) {
  Diagnostics diagnostics;
  diagnostics.add_source(study.file, study.text);
  const Table table = point_table(study, points);
  for (const StudyComparison& comparison : study.comparisons)
    check_one(comparison, table, diagnostics);
  diagnostics.throw_if_any();
}

Table differences(const Table& table, const std::vector<StudyComparison>& comparisons,
                  const TaskScores& scores) {
  Table result;
  result.columns.assign(table.columns.begin() + 1,
                        table.columns.begin() + static_cast<std::ptrdiff_t>(key_columns(table)));
  for (const char* name : {"of", "against", "seeds", "metric", "difference", "difference_low",
                           "difference_high", "pairs"})
    result.columns.emplace_back(name);
  for (const StudyComparison& comparison : comparisons)
    Comparing(table, comparison, scores).add_to(result);
  return result;
}

}  // namespace winnow

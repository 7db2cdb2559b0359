// recommend.cpp: see recommend.hpp.
#include "host/recommend.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

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

// Of two points, over the seeds that both have.
std::optional<MeanInterval> paired_difference(const Table& table, const Table& summary,
                                              std::size_t row, std::size_t other,
                                              const std::string& metric, double level) {
  const auto values = [&](std::size_t point) {
    std::map<std::string, double> by_seed;
    for (const std::size_t r : rows_of_point(table, summary, point))
      if (const auto value = number(table, r, metric))
        by_seed[cell_text(table.rows[r][column(table, "seed")])] = *value;
    return by_seed;
  };
  const auto a = values(row), b = values(other);
  std::vector<double> differences;
  for (const auto& [seed, value] : a)
    if (const auto found = b.find(seed); found != b.end())
      differences.push_back(value - found->second);
  if (differences.size() < 2) return std::nullopt;
  return t_interval(differences, level);
}

// Of what column this is an end of the interval; empty: of none.
std::string interval_of(const Table& summary, const std::string& name) {
  for (const std::string end : {"_low", "_high"})
    if (const std::string of = name.substr(0, name.size() - std::min(name.size(), end.size()));
        name.ends_with(end) && find_column(summary, of))
      return of;
  return "";
}

// The column of a metric, or why it is none, with those that are.
std::size_t metric_column(const Table& summary, const std::string& metric) {
  std::vector<std::string> metrics;
  const std::size_t seeds = column(summary, "seeds");
  for (std::size_t c = seeds + 1; c < summary.columns.size(); ++c)
    if (const std::string& name = summary.columns[c];
        !is_cost_column(name) && interval_of(summary, name).empty())
      metrics.push_back(name);
  const auto found = find_column(summary, metric);
  if (!found || *found <= seeds) {
    const std::string near = did_you_mean(metric, metrics);
    throw Error(Exit::kUsage,
                fmt::format("{} '{}'; {}", found ? "no metric but a label is" : "no column", metric,
                            near.empty() ? "--metric can be " + list_of(metrics) : near));
  }
  if (is_cost_column(metric))
    throw Error(Exit::kUsage, fmt::format("'{}' is what a setting costs, not what it is worth; a "
                                          "budget is given with --budget",
                                          metric));
  if (const std::string of = interval_of(summary, metric); !of.empty())
    throw Error(Exit::kUsage,
                fmt::format("'{}' is an end of the interval of '{}'; take that", metric, of));
  return *found;
}

// Every label of `where` is one that the column has.
void check_labels(const Table& summary, const RowFilter& where) {
  for (const auto& [name, wanted] : where) {
    const std::size_t c = column(summary, name);
    std::vector<std::string> labels;
    for (const auto& row : summary.rows)
      if (const std::string label = cell_text(row[c]); std::ranges::count(labels, label) == 0)
        labels.push_back(label);
    for (const std::string& label : wanted) {
      if (std::ranges::count(labels, label) > 0) continue;
      const std::string near = did_you_mean(label, labels);
      throw Error(Exit::kUsage, fmt::format("no row has '{}' in column '{}'; {}", label, name,
                                            near.empty() ? "there are " + list_of(labels) : near));
    }
  }
}

// Rows of all seeds within the budget, in which the metric did not select: those are counted.
std::vector<std::size_t> affordable_rows(const Table& summary, double budget,
                                         const std::string& metric, const RowFilter& where,
                                         const Selected& selected, Recommendation& out) {
  const std::size_t value = column(summary, metric), cost = column(summary, "total_nfe");
  std::vector<std::size_t> affordable;
  const double seeds = most_seeds(summary, where);
  double least = INFINITY;
  for (std::size_t row = 0; row < summary.rows.size(); ++row) {
    const double nfe = cell_number(summary.rows[row][cost]);
    if (!row_matches(summary, row, where) || std::isnan(nfe) ||
        number(summary, row, "seeds") != seeds || std::isnan(cell_number(summary.rows[row][value])))
      continue;
    least = std::min(least, nfe);
    if (nfe > budget + 1e-9) continue;
    if (selected && selected(row).value_or(false))
      ++out.climbed;
    else
      affordable.push_back(row);
  }
  if (affordable.empty() && out.climbed > 0)
    throw Error(Exit::kUsage,
                fmt::format("in all {} settings within the budget samples were selected by what {} "
                            "measures, so it says nothing of them; take --metric of a verifier "
                            "that did not select",
                            out.climbed, metric));
  if (affordable.empty())
    throw Error(Exit::kUsage,
                std::isinf(least)
                    ? fmt::format("no row of the study has a value of {} there", metric)
                    : fmt::format("no setting of the study costs at most {} NFE per sample; the "
                                  "cheapest costs {}",
                                  budget, least));
  return affordable;
}

// Only those of as many tasks as the dearest of them; how many tasks that is.
double keep_same_tasks(const Table& summary, std::size_t cost, std::vector<std::size_t>& rows) {
  const auto nfe = [&](std::size_t row) { return cell_number(summary.rows[row][cost]); };
  const auto dearest = std::max_element(
      rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return nfe(a) < nfe(b); });
  const auto tasks = number(summary, *dearest, "tasks");
  std::erase_if(rows, [&](std::size_t row) { return number(summary, row, "tasks") != tasks; });
  return tasks.value_or(0);
}

}  // namespace

std::vector<std::size_t> rows_of_point(const Table& table, const Table& summary, std::size_t row) {
  std::vector<std::size_t> found;
  const auto seed = find_column(table, "seed");
  for (std::size_t r = 0; seed && r < table.rows.size(); ++r) {
    bool same = true;
    for (std::size_t c = 0; c < *seed && same; ++c) {
      const auto there = find_column(summary, table.columns[c]);
      same = there && cell_text(summary.rows[row][*there]) == cell_text(table.rows[r][c]);
    }
    if (same) found.push_back(r);
  }
  return found;
}

Recommendation recommend(const Table& summary, const Table& table, double budget,
                         const std::string& metric, const std::string& over, const RowFilter& where,
                         const Selected& selected) {
  const std::size_t value = metric_column(summary, metric), cost = column(summary, "total_nfe");
  const std::size_t setting = column(summary, over);
  check_labels(summary, where);
  Recommendation out;
  out.metric = metric;
  out.higher_is_better = metric != "frechet";
  const double sign = out.higher_is_better ? 1 : -1;
  const auto better = [&](std::size_t a, std::size_t b) {
    return sign * cell_number(summary.rows[a][value]) > sign * cell_number(summary.rows[b][value]);
  };
  std::vector<std::size_t> affordable =
      affordable_rows(summary, budget, metric, where, selected, out);
  out.others = affordable.size();
  out.tasks = keep_same_tasks(summary, cost, affordable);
  out.settings = affordable.size();
  out.others -= out.settings;
  if (selected)
    out.unknown = static_cast<std::size_t>(std::ranges::count_if(
        affordable, [&](std::size_t row) { return !selected(row).has_value(); }));
  std::stable_sort(affordable.begin(), affordable.end(), better);

  const std::vector<std::size_t> names = telling_columns(summary);
  const auto as_recommended = [&](std::size_t row) {
    Recommended r;
    for (const std::size_t c : names)
      r.labels.emplace_back(summary.columns[c], cell_text(summary.rows[row][c]));
    r.nfe = cell_number(summary.rows[row][cost]);
    r.value = cell_number(summary.rows[row][value]);
    r.seeds = number(summary, row, "seeds").value_or(0);
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
  out.difference = paired_difference(table, summary, out.best.row, *other, metric,
                                     1 - 0.05 / static_cast<double>(out.settings - 1));
  out.resolved = out.difference && (out.difference->low > 0 || out.difference->high < 0);
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

// study_ranks.cpp: see study_ranks.hpp.
#include "host/study_ranks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "host/set_metrics.hpp"
#include "host/study_table.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kResamples = 2000;

// By pair of task and seed: the scores of all points, in their order.
using Pairs = std::vector<std::vector<double>>;

std::vector<std::size_t> places_of(const std::vector<double>& sums) {
  std::vector<std::size_t> places;
  for (const double sum : sums)
    places.push_back(1 + static_cast<std::size_t>(std::ranges::count_if(
                             sums, [&](double other) { return other > sum; })));
  return places;
}

std::vector<double> sums_of(const Pairs& pairs, std::size_t points, const auto& drawn) {
  std::vector<double> sums(points);
  for (const auto pair : drawn)
    for (std::size_t i = 0; i < points; ++i) sums[i] += pairs[pair][i];
  return sums;
}

class Ranking {
 public:
  Ranking(const Table& table, const StudyRanking& ranking, const TaskScores& scores)
      : table_(table), ranking_(ranking), scores_(scores), keys_(key_columns(table)) {}

  void add_to(Table& result) const {
    const auto of = find_column(table_, ranking_.of);
    if (!of || *of >= keys_) return;
    std::map<std::vector<std::string>, std::vector<Point>> groups;
    std::vector<std::vector<std::string>> order;
    for (std::size_t first = 0; first < table_.rows.size();) {
      const std::size_t last = end_of_point(table_, first);
      if (row_matches(table_, first, ranking_.where)) {
        const auto key = group_of(first, *of);
        if (!groups.contains(key)) order.push_back(key);
        const auto same = [&](const Point& other) {
          return table_.rows[other.first][*of] == table_.rows[first][*of];
        };
        if (std::ranges::none_of(groups[key], same)) groups[key].push_back({first, last});
      }
      first = last;
    }
    for (const auto& key : order)
      for (const std::string& metric : ranking_.metrics) rank(groups[key], metric, result);
  }

 private:
  struct Point {
    std::size_t first, last;  // rows, one per seed
  };

  std::vector<std::string> group_of(std::size_t row, std::size_t of) const {
    std::vector<std::string> key;
    for (std::size_t c = 0; c < keys_; ++c) {
      const std::string& name = table_.columns[c];
      if (c != of && name != "study" && name != "sweep")
        key.push_back(cell_text(table_.rows[row][c]));
    }
    return key;
  }

  // By seed and task, those that this point scored.
  std::map<std::pair<std::string, std::size_t>, double> scored(const Point& point,
                                                               const std::string& verifier) const {
    std::map<std::pair<std::string, std::size_t>, double> found;
    const std::size_t run = *find_column(table_, "run");
    for (std::size_t row = point.first; row < point.last; ++row) {
      const std::vector<double> scores = scores_(cell_text(table_.rows[row][run]), verifier);
      for (std::size_t task = 0; task < scores.size(); ++task)
        if (std::isfinite(scores[task]))
          found[{cell_text(table_.rows[row][keys_]), task}] = scores[task];
    }
    return found;
  }

  Pairs pairs_of(const std::vector<Point>& points, const std::string& verifier) const {
    std::map<std::pair<std::string, std::size_t>, std::vector<double>> by_pair;
    for (const Point& point : points)
      for (const auto& [pair, score] : scored(point, verifier)) by_pair[pair].push_back(score);
    Pairs pairs;
    for (auto& [pair, scores] : by_pair)
      if (scores.size() == points.size()) pairs.push_back(std::move(scores));
    return pairs;
  }

  void rank(const std::vector<Point>& points, const std::string& metric, Table& result) const {
    const std::string verifier = metric.substr(0, metric.size() - std::string("_mean").size());
    const Pairs pairs = pairs_of(points, verifier);
    if (points.size() < 2 || pairs.empty()) return;
    const auto places_in = [&](const auto& drawn) {
      return places_of(sums_of(pairs, points.size(), drawn));
    };
    std::vector<std::vector<double>> resampled(points.size());
    for (std::uint32_t r = 0; pairs.size() > 1 && r < kResamples; ++r) {
      const auto places = places_in(resample(pairs.size(), r, /*seed=*/0));
      for (std::size_t i = 0; i < places.size(); ++i)
        resampled[i].push_back(static_cast<double>(places[i]));
    }
    std::vector<std::uint64_t> each(pairs.size());
    std::iota(each.begin(), each.end(), 0);
    const auto places = places_in(each);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto& keys = table_.rows[points[i].first];
      auto& row = result.rows.emplace_back(keys.begin() + 1,
                                           keys.begin() + static_cast<std::ptrdiff_t>(keys_));
      const auto end = [&](double q, double (*outwards)(double)) {
        return resampled[i].empty() ? Cell() : number_cell(outwards(quantile(resampled[i], q)));
      };
      row.insert(row.end(),
                 {Cell(ranking_.of), count_cell(points.size()), Cell(metric), count_cell(places[i]),
                  end(0.025, std::floor), end(0.975, std::ceil), count_cell(pairs.size())});
    }
  }

  static Cell count_cell(std::size_t n) { return static_cast<std::int64_t>(n); }

  const Table& table_;
  const StudyRanking& ranking_;
  const TaskScores& scores_;
  std::size_t keys_;
};

}  // namespace

void check_rankings(const Study& study, const std::vector<StudyPoint>& points) {
  Diagnostics diagnostics;
  diagnostics.add_source(study.file, study.text);
  const Table table = point_table(study, points);
  for (const StudyRanking& ranking : study.rankings) {
    const auto column = find_column(table, ranking.of);
    if (!column) continue;  // check_result_columns has refused it
    const auto kept = values_of(table, *column, ranking.where);
    if (kept.size() > 1) continue;
    diagnostics.add(
        where_of(*ranking.table->get(ranking.where.empty() ? "of" : "where")),
        fmt::format("there is nothing to rank: {} for '{}'",
                    kept.empty() ? "no point is left" : "every point has '" + kept[0] + "'",
                    ranking.of),
        "there are " + list_of(values_of(table, *column, {})));
  }
  diagnostics.throw_if_any();
}

Table ranks(const Table& table, const std::vector<StudyRanking>& rankings,
            const TaskScores& scores) {
  Table result;
  result.columns.assign(table.columns.begin() + 1,
                        table.columns.begin() + static_cast<std::ptrdiff_t>(key_columns(table)));
  for (const char* name : {"of", "among", "metric", "rank", "rank_low", "rank_high", "pairs"})
    result.columns.emplace_back(name);
  for (const StudyRanking& ranking : rankings) Ranking(table, ranking, scores).add_to(result);
  return result;
}

}  // namespace winnow

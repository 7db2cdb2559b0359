// recommend.hpp: from a study's summary the setting that a budget should be spent on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/study_summary.hpp"
#include "host/table.hpp"

namespace winnow {

// A row of summary.csv: what names it (columns and their texts), what it costs and is worth.
struct Recommended {
  std::vector<std::pair<std::string, std::string>> labels;
  double nfe = 0, value = 0, seeds = 0;
  std::optional<double> low, high;  // 95 % interval; none of a single seed without one
  std::size_t row = 0;              // of the table
};

struct Recommendation {
  std::string metric;
  bool higher_is_better = true;
  Recommended best;
  std::optional<Recommended> runner_up;  // the best of another `over`
  // The best's value less the runner-up's, seed by seed: its interval holds at 95 % for all pairs
  // that the best could have been compared in (Bonferroni). None with fewer than two seeds.
  std::optional<MeanInterval> difference;
  bool resolved = false;     // the difference is not 0
  std::size_t settings = 0;  // rows that the best was chosen from
  std::size_t climbed = 0;   // rows left out because the metric selected in them
  std::size_t unknown = 0;   // rows taken though nothing says what selected in them
  double tasks = 0;          // of every row that the best was chosen from; 0: the table has none
  std::size_t others = 0;    // rows left out because they have another number of tasks
};

// Whether the verifier that a metric comes from selected in this row of the summary; nothing: not
// known.
using Selected = std::function<std::optional<bool>(std::size_t row)>;

// The best row of `summary` (a study's summary.csv) that costs at most `budget` NFE per sample, by
// the mean of `metric`, and the best one whose label in the column `over` is another. The distance
// `frechet` is better when it is lower. Left out are rows of fewer seeds than others have, those
// that `where` does not name, those in which the metric `selected`, and those of another number of
// tasks than the dearest of the rest: other tasks have other means, and small sets other
// distances. `table` (the study's table.csv, or nothing) has the values of the seeds. Throws
// Error(Exit::kUsage), with the nearest column, or the least that a row costs, or when the metric
// is a cost, the end of an interval, or selected everywhere.
Recommendation recommend(const Table& summary, const Table& table, double budget,
                         const std::string& metric, const std::string& over, const RowFilter& where,
                         const Selected& selected = {});

// The rows of `table`, one per seed, of which the summary's row is the mean.
std::vector<std::size_t> rows_of_point(const Table& table, const Table& summary, std::size_t row);

// RFC 4180; cells that read as numbers are numbers. Throws Error(Exit::kUsage) with the line of a
// row that has not as many cells as there are columns.
Table table_of_csv(const std::string& text);

}  // namespace winnow

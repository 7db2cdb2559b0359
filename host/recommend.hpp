// recommend.hpp: from a study's summary the setting that a budget should be spent on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/table.hpp"

namespace winnow {

// A row of summary.csv: what names it (columns and their texts), what it costs and is worth.
struct Recommended {
  std::vector<std::pair<std::string, std::string>> labels;
  double nfe = 0, value = 0;
  std::optional<double> low, high;  // 95 % interval; none of a single seed without one
  std::size_t row = 0;              // of the table
};

struct Recommendation {
  std::string metric;
  bool higher_is_better = true;
  Recommended best;
  std::optional<Recommended> runner_up;  // the best of another `over`
  bool resolved = false;                 // the intervals of the two do not meet
  std::size_t settings = 0;              // rows that the best was chosen from
};

// The best row of `summary` (a study's summary.csv) that costs at most `budget` NFE per sample, by
// the mean of `metric`, and the best one whose label in the column `over` is another. The distance
// `frechet` is better when it is lower. Rows of fewer seeds than others have are left out, and those
// that `where` does not name. Throws Error(Exit::kUsage), with the nearest column, or the least that
// a row costs, or when the metric is a cost.
Recommendation recommend(const Table& summary, double budget, const std::string& metric,
                         const std::string& over, const RowFilter& where);

// RFC 4180; cells that read as numbers are numbers. Throws Error(Exit::kUsage) with the line of a
// row that has not as many cells as there are columns.
Table table_of_csv(const std::string& text);

}  // namespace winnow

// study_summary.hpp: a study's table with the seeds averaged.
#pragma once

#include "host/table.hpp"

namespace winnow {

// One row per point of `table` (a study_table): its key columns, "seeds" (how many), and for each
// column of numbers its mean, with <column>_low and _high: the 95 % interval of the mean over the
// seeds (Student's t); from a single seed the interval that the table itself has, if any.
// Quantiles of 2 and more rows are means of the rows' quantiles.
Table summarise(const Table& table);

struct MeanInterval {
  double mean, low, high;  // NaN: none
};
// Mean of at least one value; with one value no interval. `level` in (0, 1).
MeanInterval t_interval(const std::vector<double>& values, double level = 0.95);

}  // namespace winnow

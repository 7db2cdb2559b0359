// study_compare.hpp: how much one setting differs from another, seed by seed.
#pragma once

#include <vector>

#include "host/study_config.hpp"
#include "host/study_points.hpp"
#include "host/table.hpp"

namespace winnow {

// For each comparison, and each point of `table` (a study_table) whose `of` is not `against`: the
// difference to the point that is alike in all other key columns, of the same sweep or else of
// another one, over the seeds that both have. Columns: the key columns but the study's name, "of"
// (which of them is compared), "against", "seeds", "metric", "difference", and "difference_low" and
// "difference_high", its 95 % interval (Student's t over the seeds; empty for a single one). A row
// per metric. Points without a partner have none.
Table differences(const Table& table, const std::vector<StudyComparison>& comparisons);

// Refuses a comparison that could have no rows: no point that its 'where' keeps has the value
// `against`, or all of them have it. Throws Error(Exit::kUsage) with all, each with the nearest
// value. For points whose columns were checked (study_results.hpp).
void check_comparisons(const Study& study, const std::vector<StudyPoint>& points);

}  // namespace winnow

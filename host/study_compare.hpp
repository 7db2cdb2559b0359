// study_compare.hpp: how much one setting differs from another, seed by seed or task by task.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/study_config.hpp"
#include "host/study_points.hpp"
#include "host/table.hpp"

namespace winnow {

// A verifier's scores of the chosen samples of a run (the table's column "run"), by task; NaN:
// none.
using TaskScores =
    std::function<std::vector<double>(const std::string& run, const std::string& verifier)>;

// For each comparison, and each point of `table` (a study_table) whose `of` is not `against`: the
// difference to the point that is alike in all other key columns, of the same sweep or else of
// another one, over the seeds that both have. Columns: the key columns but the study's name, "of"
// (which of them is compared), "against", "seeds", "metric", "difference", and "difference_low" and
// "difference_high", its 95 % interval (Student's t over the pairs; empty for a single one), and
// "pairs": how many, those of seeds, or for a <verifier>_mean that is compared by task those of
// all tasks of all seeds that both sides scored. A row per metric. Points without a partner have
// none.
Table differences(const Table& table, const std::vector<StudyComparison>& comparisons,
                  const TaskScores& scores = {});

// Refuses a comparison that could have no rows: no point that its 'where' keeps has the value
// `against`, or all of them have it. Throws Error(Exit::kUsage) with all, each with the nearest
// value. For points whose columns were checked (study_results.hpp).
void check_comparisons(const Study& study, const std::vector<StudyPoint>& points);

// The values, each once, of a column in the rows that `where` keeps.
std::vector<std::string> values_of(const Table& points, std::size_t column, RowFilter where);

}  // namespace winnow

// study_ranks.hpp: who is first, second and so on among settings that did the same tasks.
#pragma once

#include <vector>

#include "host/study_compare.hpp"
#include "host/study_config.hpp"
#include "host/table.hpp"

namespace winnow {

// For each ranking, and each group of points of `table` (a study_table) that are alike in all key
// columns but `of`, the study's name and the sweep's: the place of each by the mean of a verifier's
// scores over all pairs of task and seed that all of them scored, 1 for the highest, equal means
// sharing the better place. Columns: the key columns but the study's name, "of", "among" (how many
// points were ranked), "metric", "rank", "rank_low" and "rank_high", its 95 % interval (percentile
// bootstrap over the pairs, the same pairs for all points; empty for a single pair), and "pairs". A
// row per point and metric. Where a point lacks a seed or a task of the others only the pairs that
// all have count; without any, or for a point alone, there are no rows. Of points with the same
// value the first counts: two sweeps can hold the same setting.
Table ranks(const Table& table, const std::vector<StudyRanking>& rankings,
            const TaskScores& scores);

// Refuses a ranking of fewer than two values, with those that there are: Error(Exit::kUsage) with
// the places of all. For points whose columns were checked (study_results.hpp).
void check_rankings(const Study& study, const std::vector<StudyPoint>& points);

}  // namespace winnow

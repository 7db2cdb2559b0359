// study_table.hpp: what a study's finished runs cost and are worth: one row per point and seed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "host/study_points.hpp"
#include "host/table.hpp"

namespace winnow {

// Columns with values in them, in order, to be put into a row.
using Fields = std::vector<std::pair<std::string, Cell>>;

// The set metrics of a run's chosen samples: "inception_score", "inception_score_low" and so on.
using RunMetrics = std::function<Fields(const std::filesystem::path& run)>;

// Rows of all points whose runs are finished (by FinishedRuns::has_with_these_files), points in
// their order and seeds within them; pools are no rows. Columns, of which those about cost are
// means over the tasks (docs/study.md):
//   study sweep <constant columns and axes> seed run tasks, the costs, the metrics,
//   <verifier>_mean, _mean_low, _mean_high, _q05, _q25, _q50, _q75, _q95
// Reads nothing but run directories and the files that their configs name. `metrics` may be empty;
// it is not asked about runs without a single sample.
Table study_table(const Study& study, const std::vector<StudyPoint>& points,
                  const std::filesystem::path& out, const RunMetrics& metrics);

// Whether the column says what a run cost, not what it is worth.
bool is_cost_column(const std::string& name);

// Columns that say which point a row belongs to: all in front of "seed".
std::size_t key_columns(const Table& table);

// The rows of a point stand together, one per seed: behind the last of those that `first` begins.
std::size_t end_of_point(const Table& table, std::size_t first);

// Refuses columns and axes that are called like another column of the table or its summary, also
// when only capitals tell them apart, as SQLite does not. Throws Error(Exit::kUsage) with all.
void check_columns(const Study& study, const std::vector<StudyPoint>& points);

// What study_table says of which point a row belongs to, with the seed, for all points but pools.
Table point_table(const Study& study, const std::vector<StudyPoint>& points);

// Every column that study_table could give for these points, for checks beforehand.
std::vector<std::string> possible_columns(const Study& study,
                                          const std::vector<StudyPoint>& points);

}  // namespace winnow

// study_results.hpp: what a study hands out: tables and figures, made from its finished runs.
#pragma once

#include <filesystem>
#include <vector>

#include "host/study_points.hpp"

namespace winnow {

struct StudyFiles {
  std::size_t rows = 0;  // finished runs in the table
  std::vector<std::filesystem::path> tables, figures;
};

// Writes table.csv, summary.csv, differences.csv (if the study compares), ranks.csv (if it ranks),
// summary.md, table.sqlite (the same tables as "points", "summary", "differences" and "ranks") and
// the figures into study_folder(out, study), whatever was there before; nothing when no run is
// finished. Throws Error.
StudyFiles write_study_results(const Study& study, const std::vector<StudyPoint>& points,
                               const Registry& registry, const std::filesystem::path& out);

// Refuses figures and comparisons over what is none of `columns`: Error(Exit::kUsage) with the
// places of all.
void check_result_columns(const Study& study, const std::vector<std::string>& columns);

}  // namespace winnow

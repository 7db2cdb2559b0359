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

// Writes table.csv, summary.csv, summary.md, table.sqlite (with the tables "points" and "summary") and the
// figures into study_folder(out, study), whatever was there before; nothing when no run is
// finished. Throws Error.
StudyFiles write_study_results(const Study& study, const std::vector<StudyPoint>& points,
                               const Registry& registry, const std::filesystem::path& out);

}  // namespace winnow

// study_markdown.hpp: a study's summary as a page that people read.
#pragma once

#include <string>

#include "host/table.hpp"

namespace winnow {

// A Markdown table with a row per point of `summary` (study_summary.hpp): the `labels` first
// columns but the study's name, NFE per sample, and what was measured, each number with its
// interval over the seeds ("9.12 (8.80 to 9.44)"), to 4 significant digits. Columns that are empty
// everywhere are left out.
std::string summary_page(const std::string& title, const Table& summary, std::size_t labels);

// A section with a row per point and comparison of `differences` (study_compare.hpp), and a column
// per metric:
// "+0.31 (0.10 to 0.52)", in bold where the interval leaves 0 out.
std::string differences_page(const Table& differences);

// A section with a row per place of `ranks` (study_ranks.hpp) and a column per metric: "2 (1 to
// 4)".
std::string ranks_page(const Table& ranks);

}  // namespace winnow

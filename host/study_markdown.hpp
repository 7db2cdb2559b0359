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

}  // namespace winnow

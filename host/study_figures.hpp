// study_figures.hpp: a study's figures out of its summary.
#pragma once

#include <string>
#include <vector>

#include "host/plot.hpp"
#include "host/study_config.hpp"
#include "host/table.hpp"

namespace winnow {

// The rows of `summary` that the figure asks for, as a plot. Series in the order in which rows
// first name them; points of a series by rising x. A column of text as x gives categories.
Plot figure_plot(const StudyFigure& figure, const Table& summary);

}  // namespace winnow

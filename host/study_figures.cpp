// study_figures.cpp: rows to series.
#include "host/study_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace winnow {
namespace {

class Rows {
 public:
  explicit Rows(const Table& table) : table_(table) {}

  // Empty for a column that no row has.
  const Cell& at(std::size_t row, const std::string& name) const {
    const auto column = find_column(table_, name);
    return column ? table_.rows[row][*column] : nothing_;
  }
  double number(std::size_t row, const std::string& column) const {
    return cell_number(at(row, column));
  }

  std::string series_name(std::size_t row, const StudyFigure& figure) const {
    std::string name;
    for (const std::string& column : figure.series) {
      const std::string part = cell_text(at(row, column));
      if (!part.empty()) name += (name.empty() ? "" : ", ") + part;
    }
    return name;
  }

  std::size_t size() const { return table_.rows.size(); }

 private:
  const Table& table_;
  const Cell nothing_;
};

// The position of `name`, which is put at the end when it is new.
template <typename List, typename Name>
std::size_t position(List& list, const std::string& name, Name name_of) {
  for (std::size_t i = 0; i < list.size(); ++i)
    if (name_of(list[i]) == name) return i;
  list.emplace_back();
  name_of(list.back()) = name;
  return list.size() - 1;
}

}  // namespace

Plot figure_plot(const StudyFigure& figure, const Table& summary) {
  const Rows rows(summary);
  Plot plot;
  plot.title = figure.title;
  plot.x_label = figure.x_label;
  plot.y_label = figure.y_label;
  plot.x_scale = figure.x_scale;
  plot.y_scale = figure.y_scale;
  for (const auto& [label, y] : figure.lines) plot.lines.push_back({label, y});
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!row_matches(summary, row, figure.where)) continue;
    PlotPoint point{rows.number(row, figure.x), rows.number(row, figure.y),
                    rows.number(row, figure.y + "_low"), rows.number(row, figure.y + "_high")};
    if (!std::isfinite(point.y)) continue;
    const Cell& x = rows.at(row, figure.x);
    if (const auto* name = std::get_if<std::string>(&x))
      point.x = static_cast<double>(
          position(plot.categories, *name, [](std::string& one) -> std::string& { return one; }));
    const std::size_t series = position(plot.series, rows.series_name(row, figure),
                                        [](PlotSeries& one) -> std::string& { return one.label; });
    plot.series[series].points.push_back(point);
  }
  for (PlotSeries& series : plot.series)
    std::stable_sort(series.points.begin(), series.points.end(),
                     [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  return plot;
}

}  // namespace winnow

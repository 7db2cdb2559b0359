// plot.hpp: line charts and charts over categories as SVG text.
#pragma once

#include <string>
#include <vector>

#include "host/plot_axis.hpp"

namespace winnow {

struct PlotPoint {
  double x = 0, y = 0;       // not drawn unless both can be (finite; above 0 on a log scale)
  double low = 0, high = 0;  // the interval around y; NaN: none
};

struct PlotSeries {
  std::string label;
  std::vector<PlotPoint> points;  // joined in this order, across points that cannot be drawn
};

// A horizontal line to compare with: "real test images".
struct PlotLine {
  std::string label;
  double y = 0;
};

struct Plot {
  std::string title, x_label, y_label;  // UTF-8; whatever XML cannot hold becomes '?'
  Scale x_scale = Scale::kLinear, y_scale = Scale::kLinear;
  // Not empty: x counts these from 0; points stand side by side over their name and are not joined.
  std::vector<std::string> categories;
  std::vector<PlotSeries> series;
  std::vector<PlotLine> lines;
};

// A whole SVG file. Equal plots give equal bytes.
std::string plot_svg(const Plot& plot);

// Text for XML content and attributes.
std::string xml_escaped(std::string_view text);

}  // namespace winnow

// plot_axis.hpp: one axis of a plot: from values to pixels, and where its ticks stand.
#pragma once

#include <string>
#include <vector>

namespace winnow {

enum class Scale { kLinear, kLog };

struct Tick {
  double value;
  std::string label;
};

// A stretch of numbers laid on a stretch of pixels.
class PlotAxis {
 public:
  // Spans the drawable ones of `values` (finite; above 0 on a log scale) with a little room on both
  // sides. None of them: 0 to 1, or 1 to 10.
  PlotAxis(Scale scale, const std::vector<double>& values);

  double low() const { return low_; }
  double high() const { return high_; }
  bool drawable(double value) const;
  // Where a drawable value lies: 0 at low(), 1 at high(); beyond them for values outside.
  double share(double value) const;
  // Between low() and high(), rising: 1, 2 or 5 times a power of ten, about `target` of them. On a
  // log scale all powers of ten first; a range too narrow for two of them is divided evenly.
  std::vector<Tick> ticks(int target = 6) const;

 private:
  std::vector<Tick> linear_ticks(int target) const;
  std::vector<Tick> log_ticks(int target) const;

  Scale scale_;
  double low_ = 0, high_ = 1;
};

// "1,000", "0.05", "2e+07": short, with `decimals` digits after the point.
std::string tick_label(double value, int decimals);

}  // namespace winnow

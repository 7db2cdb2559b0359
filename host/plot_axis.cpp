// plot_axis.cpp: scales and ticks.
#include "host/plot_axis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace winnow {
namespace {

constexpr double kRoom = 0.05;  // of the range, on either side

int decimals_of(double step) {
  return std::clamp(static_cast<int>(-std::floor(std::log10(step) + 1e-9)), 0, 12);
}

}  // namespace

PlotAxis::PlotAxis(Scale scale, const std::vector<double>& values) : scale_(scale) {
  bool any = false;
  for (const double value : values) {
    if (!drawable(value)) continue;
    low_ = any ? std::min(low_, value) : value;
    high_ = any ? std::max(high_, value) : value;
    any = true;
  }
  if (scale == Scale::kLog) {
    if (!any) low_ = 1, high_ = 10;
    const double ratio = high_ > low_ ? std::pow(high_ / low_, kRoom) : 2.0;
    low_ /= ratio, high_ *= ratio;
  } else {
    if (!any) low_ = 0, high_ = 1;
    const double room = high_ > low_ ? kRoom * (high_ - low_) : std::max(1.0, std::abs(low_)) * 0.5;
    low_ -= room, high_ += room;
  }
}

bool PlotAxis::drawable(double value) const {
  return std::isfinite(value) && (scale_ == Scale::kLinear || value > 0);
}

double PlotAxis::share(double value) const {
  if (scale_ == Scale::kLinear) return (value - low_) / (high_ - low_);
  return std::log(value / low_) / std::log(high_ / low_);
}

std::vector<Tick> PlotAxis::ticks(int target) const {
  return scale_ == Scale::kLog ? log_ticks(target) : linear_ticks(target);
}

std::vector<Tick> PlotAxis::linear_ticks(int target) const {
  const double rough = (high_ - low_) / std::max(target, 1);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.75) {
      step = factor * power;
      break;
    }
  }
  const int decimals = decimals_of(step);
  std::vector<Tick> ticks;
  for (double n = std::ceil(low_ / step - 1e-9); n * step <= high_ + 1e-9 * step; ++n)
    ticks.push_back({n * step, tick_label(n * step, decimals)});
  return ticks;
}

std::vector<Tick> PlotAxis::log_ticks(int target) const {
  const auto first = static_cast<int>(std::floor(std::log10(low_)));
  const auto last = static_cast<int>(std::ceil(std::log10(high_)));
  const auto within = [&](const std::vector<double>& factors, int stride) {
    std::vector<Tick> ticks;
    for (int power = first; power <= last; power += stride) {
      for (const double factor : factors) {
        const double value = factor * std::pow(10.0, power);
        if (value >= low_ * (1 - 1e-9) && value <= high_ * (1 + 1e-9))
          ticks.push_back({value, tick_label(value, std::clamp(-power, 0, 12))});
      }
    }
    return ticks;
  };
  const std::vector<Tick> decades = within({1}, std::max(1, (last - first) / std::max(target, 1)));
  if (static_cast<int>(decades.size()) * 2 > target) return decades;
  const std::vector<Tick> all = within({1, 2, 5}, 1);
  return all.size() >= 2 ? all : linear_ticks(target);
}

std::string tick_label(double value, int decimals) {
  const double size = std::abs(value);
  if (size != 0 && (size >= 1e7 || size < 1e-4)) return fmt::format("{:.3g}", value);
  std::string text = fmt::format("{:.{}f}", size, decimals);
  const std::size_t whole = std::min(text.find('.'), text.size());
  for (std::size_t at = whole; at > 3;) text.insert(at -= 3, 1, ',');
  const bool zero = text.find_first_not_of("0.,") == std::string::npos;
  return (value < 0 && !zero ? "-" : "") + text;
}

}  // namespace winnow

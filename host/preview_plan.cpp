// preview_plan.cpp: see preview_plan.hpp.
#include "host/preview_plan.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace winnow {

std::vector<std::size_t> preview_steps(const Leg& leg, std::span<const double> wanted) {
  std::vector<std::size_t> steps;
  for (const double time : wanted) {
    const auto begin = leg.times.begin(), end = leg.times.end() - 1;
    const auto nearest = std::min_element(
        begin, end, [&](double a, double b) { return std::abs(a - time) < std::abs(b - time); });
    steps.push_back(static_cast<std::size_t>(nearest - begin));
  }
  return steps;
}

double preview_price(const SamplerInfo& info, bool evaluated) {
  return info.preview_nfe - (evaluated ? std::min(info.preview_credit, info.preview_nfe) : 0);
}

double leg_price(const Leg& leg, std::span<const double> wanted, const SamplerInfo& info,
                 bool start_evaluated) {
  const std::vector<std::size_t> looks = preview_steps(leg, wanted);
  double total = start_evaluated ? -std::min(info.preview_credit, leg.nfe.front()) : 0;
  for (const double nfe : leg.nfe) total += nfe;
  for (const std::size_t step : std::set<std::size_t>(looks.begin(), looks.end())) {
    const bool evaluated = step == 0 && start_evaluated;
    total += preview_price(info, evaluated);
    if (!evaluated) total -= std::min(info.preview_credit, leg.nfe[step]);
  }
  return total;
}

}  // namespace winnow

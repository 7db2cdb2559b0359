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

double preview_price(const Leg& leg, std::span<const double> wanted, const SamplerInfo& info,
                     bool start_evaluated) {
  const std::vector<std::size_t> steps = preview_steps(leg, wanted);
  double total = 0;
  for (const std::size_t step : std::set<std::size_t>(steps.begin(), steps.end())) {
    if (step == 0 && start_evaluated) continue;  // nothing is evaluated, and the step saves no more
    total += info.preview_nfe - std::min(info.preview_credit, leg.nfe[step]);
  }
  return total;
}

}  // namespace winnow

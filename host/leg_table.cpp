// leg_table.cpp: see leg_table.hpp.
#include "host/leg_table.hpp"

namespace winnow {

LegPtr LegTable::get(std::uint32_t profile, double from, double to, double stochasticity,
                     std::uint32_t steps) {
  constexpr std::size_t kMostRemembered = 4096;
  const auto key = std::make_tuple(profile, from, to, stochasticity, steps);
  if (const auto found = legs_.find(key); found != legs_.end()) return found->second;
  if (legs_.size() >= kMostRemembered) legs_.clear();
  const auto leg =
      std::make_shared<const Leg>(sampler_.leg(profile, from, to, stochasticity, steps));
  legs_.emplace(key, leg);
  return leg;
}

}  // namespace winnow

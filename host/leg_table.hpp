// leg_table.hpp: legs of the sampler, asked for once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "host/guard.hpp"

namespace winnow {

using LegPtr = std::shared_ptr<const Leg>;

// Legs by their arguments; the last few thousand are remembered.
class LegTable {
 public:
  explicit LegTable(const Sampler& sampler) : sampler_(sampler) {}
  LegPtr get(std::uint32_t profile, double from, double to, double stochasticity,
             std::uint32_t steps);

 private:
  const Sampler& sampler_;
  std::map<std::tuple<std::uint32_t, double, double, double, std::uint32_t>, LegPtr> legs_;
};

}  // namespace winnow

// selection.hpp: from the scores of several verifiers to the one number that a search sees.
#pragma once

#include <span>
#include <vector>

#include "host/config.hpp"

namespace winnow {

// Head 0 of each selecting verifier, in the order of the config; empty: the candidate failed.
using Heads = std::vector<double>;

// True when a score only has meaning within a pool (the ranks, z-sum).
constexpr bool is_pooled(SelectionRule rule) {
  return rule != SelectionRule::kSingle && rule != SelectionRule::kWeightedSum;
}

class Selection {
 public:
  Selection(SelectionRule rule, std::vector<double> weights)
      : rule_(rule), weights_(std::move(weights)) {}

  bool pooled() const { return is_pooled(rule_); }
  double weight(std::size_t v) const { return weights_[v]; }  // of selecting verifier v
  // single and weighted-sum: sum_v weight_v * head_v.
  double absolute(const Heads& heads) const;
  // One score per member, judged against all members; failed members get -infinity and do not
  // count.
  //   mean-rank: weighted mean over verifiers of the share of the others that are worse, ties
  //   counting half (1 = best of all,
  //              1/2 for a pool of one): the mean of ranks of Ma et al. (2025), section 4, on a
  //              scale that does not grow
  //   worst-rank: the smallest of these shares over the verifiers, so that no verifier is
  //   sacrificed; of equal ones the greater mean wins (it adds a part too small to turn two shares
  //   around) z-sum:     sum_v weight_v (head_v - mean) / standard deviation of the pool (0 when
  //   all are equal)
  std::vector<double> within(std::span<const Heads> pool) const;

 private:
  SelectionRule rule_;
  std::vector<double> weights_;
};

}  // namespace winnow

// selection.cpp: see selection.hpp.
#include "host/selection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace winnow {
namespace {

// Share of the other values that are smaller, equal ones counting half.
std::vector<double> share_beaten(std::span<const double> values) {
  if (values.size() == 1) return {0.5};
  std::vector<double> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  std::vector<double> share(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto [low, high] = std::equal_range(sorted.begin(), sorted.end(), values[i]);
    const auto smaller = static_cast<double>(low - sorted.begin());
    const auto equal_others = static_cast<double>(high - low) - 1;
    share[i] = (smaller + equal_others / 2) / static_cast<double>(values.size() - 1);
  }
  return share;
}

std::vector<double> standardised(std::span<const double> values) {
  double mean = 0, squares = 0;
  for (double v : values) mean += v / static_cast<double>(values.size());
  for (double v : values) squares += (v - mean) * (v - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
  std::vector<double> z(values.size(), 0.0);
  if (deviation > 0)
    for (std::size_t i = 0; i < values.size(); ++i) z[i] = (values[i] - mean) / deviation;
  return z;
}

}  // namespace

double Selection::absolute(const Heads& heads) const {
  double sum = 0;
  for (std::size_t v = 0; v < heads.size(); ++v) sum += weights_[v] * heads[v];
  return sum;
}

std::vector<double> Selection::within(std::span<const Heads> pool) const {
  std::vector<double> scores(pool.size(), -std::numeric_limits<double>::infinity());
  std::vector<std::size_t> alive;
  for (std::size_t i = 0; i < pool.size(); ++i)
    if (!pool[i].empty()) alive.push_back(i);
  const std::size_t n_verifiers = weights_.size();
  double total_weight = 0;
  for (double weight : weights_) total_weight += weight;
  for (std::size_t i : alive) scores[i] = pooled() ? 0 : absolute(pool[i]);
  if (!pooled()) return scores;
  std::vector<double> column(alive.size()), worst(alive.size(), 1.0);
  for (std::size_t v = 0; v < weights_.size(); ++v) {
    for (std::size_t i = 0; i < alive.size(); ++i) column[i] = pool[alive[i]][v];
    const bool ranks = rule_ != SelectionRule::kZSum;
    const std::vector<double> judged = ranks ? share_beaten(column) : standardised(column);
    const double weight = rule_ == SelectionRule::kWorstRank
                              ? 1.0 / static_cast<double>(n_verifiers)
                          : ranks ? weights_[v] / total_weight
                                  : weights_[v];
    for (std::size_t i = 0; i < alive.size(); ++i) {
      scores[alive[i]] += weight * judged[i];
      worst[i] = std::min(worst[i], judged[i]);
    }
  }
  // Two different shares differ by 1 / (2 (n - 1)) at least, the mean share by 1 at most.
  if (rule_ == SelectionRule::kWorstRank)
    for (std::size_t i = 0; i < alive.size(); ++i)
      scores[alive[i]] = worst[i] + scores[alive[i]] / (4.0 * static_cast<double>(alive.size()));
  return scores;
}

}  // namespace winnow

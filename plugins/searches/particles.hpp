// particles.hpp: the maths of weighted particles. Weights are kept as logarithms: rewards may be
// negative, and exp(10 r) of a large one is beyond a double.
//
//   log sum exp    lse(w) = m + log sum_i exp(w_i - m),  m = max w
//   effective size ESS = exp(2 lse(w) - lse(2 w)), between 1 and n
//   resampling     n copies in all, n w_i of each on average:
//     multinomial  n independent draws; the highest variance
//     systematic   the points (u + k) / n on the cumulated weights, one u
//     ssp          n w_i rounded up or down, by pairs that trade their fractions (Srinivasan
//                  sampling process: Gerber, Chopin and Whiteley, 2019, arXiv:1708.09709)
// Needs nothing but the standard library; `uniform` gives numbers in [0, 1).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace winnow::particles {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Uniform = std::function<double()>;

// Minus infinity where all are.
inline double log_sum_exp(const std::vector<double>& w) {
  const double most = w.empty() ? -kInfinity : *std::max_element(w.begin(), w.end());
  if (!(most > -kInfinity)) return -kInfinity;
  double sum = 0;
  for (const double x : w) sum += std::exp(x - most);
  return most + std::log(sum);
}

// 0 where no particle has a weight.
inline double effective_size(const std::vector<double>& log_weights) {
  const double all = log_sum_exp(log_weights);
  if (!(all > -kInfinity)) return 0;
  double squares = 0;
  for (const double w : log_weights) squares += std::exp(2 * (w - all));
  return 1 / squares;
}

// Weights that sum to 1; all alike where none has any.
inline std::vector<double> normalised(const std::vector<double>& log_weights) {
  const double all = log_sum_exp(log_weights);
  std::vector<double> out(log_weights.size(), 1 / static_cast<double>(log_weights.size()));
  if (all > -kInfinity)
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::exp(log_weights[i] - all);
  return out;
}

// The index where the cumulated weights pass `point`, in [0, 1); never one of weight 0.
inline std::size_t draw(const std::vector<double>& weights, double point) {
  double sum = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0)) continue;
    last = i;
    if ((sum += weights[i]) > point) return i;
  }
  return last;  // the sum fell short of 1 by rounding
}

using Counts = std::vector<std::size_t>;  // copies of each particle

inline Counts multinomial(const std::vector<double>& weights, std::size_t n, const Uniform& u) {
  Counts counts(weights.size(), 0);
  for (std::size_t k = 0; k < n; ++k) ++counts[draw(weights, u())];
  return counts;
}

inline Counts systematic(const std::vector<double>& weights, std::size_t n, const Uniform& u) {
  Counts counts(weights.size(), 0);
  const double offset = u();
  for (std::size_t k = 0; k < n; ++k)
    ++counts[draw(weights, (static_cast<double>(k) + offset) / static_cast<double>(n))];
  return counts;
}

inline Counts ssp(const std::vector<double>& weights, std::size_t n, const Uniform& u) {
  const auto settled = [](double x) { return x < 1e-9 ? 0.0 : x > 1 - 1e-9 ? 1.0 : x; };
  Counts counts(weights.size());
  std::vector<double> fraction(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double wanted = weights[i] * static_cast<double>(n);
    counts[i] = static_cast<std::size_t>(std::floor(wanted));
    fraction[i] = settled(wanted - std::floor(wanted));
  }
  std::size_t held = 0;  // the one of those before `next` that is not rounded yet
  for (std::size_t next = 1; next < weights.size(); ++next) {
    double &a = fraction[held], &b = fraction[next];
    const double up = std::min(b, 1 - a), down = std::min(a, 1 - b);
    if (up + down > 0) {
      const bool rises = u() * (up + down) < down;  // so that on average a stays what it is
      const double move = rises ? up : -down;
      a = settled(a + move);
      b = settled(b - move);
    }
    const std::size_t done = a == 0 || a == 1 ? held : next;
    if (done == held) held = next;
    counts[done] += fraction[done] > 0.5;
  }
  if (!weights.empty()) counts[held] += fraction[held] > 0.5;
  return counts;
}

enum class Resampling { kMultinomial, kSystematic, kSsp };

inline Resampling parse_resampling(const std::string& name) {
  if (name == "multinomial") return Resampling::kMultinomial;
  if (name == "systematic") return Resampling::kSystematic;
  if (name == "ssp") return Resampling::kSsp;
  throw std::invalid_argument("resampling is \"" + name +
                              "\", expected multinomial, systematic or ssp");
}

// The parent of each of the n particles that go on, in rising order.
inline std::vector<std::size_t> resample(Resampling how, const std::vector<double>& log_weights,
                                         std::size_t n, const Uniform& u) {
  const std::vector<double> weights = normalised(log_weights);
  const Counts counts = how == Resampling::kMultinomial  ? multinomial(weights, n, u)
                        : how == Resampling::kSystematic ? systematic(weights, n, u)
                                                         : ssp(weights, n, u);
  std::vector<std::size_t> parents;
  for (std::size_t i = 0; i < counts.size(); ++i) parents.insert(parents.end(), counts[i], i);
  return parents;
}

// ---- potentials of Feynman-Kac steering (Singhal et al., 2025, arXiv:2501.06848)
//
// With rewards r_1 ... r_n along a lineage, the last that of the sample, the product of a lineage's
// potentials is exp(lambda r_n) whatever the potential:
//   diff   G_k = exp(lambda (r_k - r_(k-1))),  r_0 = 0
//   max    G_k = exp(lambda max(r_1 ... r_k)),  G_n = exp(lambda r_n) / (G_1 ... G_(n-1))
//   sum    G_k = exp(lambda (r_1 + ... + r_k)),  G_n likewise
enum class Potential { kDiff, kMax, kSum };

inline Potential parse_potential(const std::string& name) {
  if (name == "diff") return Potential::kDiff;
  if (name == "max") return Potential::kMax;
  if (name == "sum") return Potential::kSum;
  throw std::invalid_argument("potential is \"" + name + "\", expected diff, max or sum");
}

// What a particle carries along its lineage.
struct Lineage {
  double last = 0;              // reward; 0 before the first
  double highest = -kInfinity;  // so that rewards below 0 count, too
  double sum = 0;
  double log_product = 0;  // of the potentials so far
};

// log G of the next reward, which the lineage takes in. Minus infinity for a failed particle.
inline double log_potential(Lineage& lineage, Potential kind, double lambda, double reward,
                            bool is_sample) {
  if (!(reward > -kInfinity)) return -kInfinity;
  const double before = lineage.last;
  lineage.last = reward;
  lineage.highest = std::max(lineage.highest, reward);
  lineage.sum += reward;
  const double log_g = is_sample                  ? lambda * reward - lineage.log_product
                       : kind == Potential::kDiff ? lambda * (reward - before)
                       : kind == Potential::kMax  ? lambda * lineage.highest
                                                  : lambda * lineage.sum;
  lineage.log_product += log_g;
  return log_g;
}

}  // namespace winnow::particles

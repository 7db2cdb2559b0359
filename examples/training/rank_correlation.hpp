// How alike two judges rank.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace winnow::training {

// From 0; those of equal values are averaged.
inline std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> out(values.size());
  for (size_t i = 0, end = 0; i < order.size(); i = end) {
    while (end < order.size() && values[order[end]] == values[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) out[order[k]] = static_cast<double>(i + end - 1) / 2;
  }
  return out;
}

// Pearson's; NaN when one of the two is constant.
inline double correlation(std::span<const double> a, std::span<const double> b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : NAN;
}

// The mean over groups of `size` of Spearman's coefficient, those without one left out, with the
// normal 95 % interval of that mean.
inline std::string rank_agreement(std::span<const double> a, std::span<const double> b,
                                  size_t size) {
  double sum = 0, squares = 0, count = 0;
  for (size_t at = 0; at + size <= a.size(); at += size) {
    const double found = correlation(ranks(a.subspan(at, size)), ranks(b.subspan(at, size)));
    if (std::isnan(found)) continue;
    sum += found, squares += found * found, ++count;
  }
  const double mean = sum / count;
  const double half = 1.96 * std::sqrt((squares / count - mean * mean) / (count - 1));
  char text[64];
  std::snprintf(text, sizeof text, "%.3f (%.3f to %.3f)", mean, mean - half, mean + half);
  return text;
}

}  // namespace winnow::training

// What a set of samples is worth as a whole: Inception Score and Fréchet distance. All in double.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>

namespace winnow::training {

// exp(mean KL(p(y|x) || p(y))) of probabilities [n, classes]; in [1, classes] (Salimans et al.,
// 2016).
double inception_score(const at::Tensor& probabilities);

struct FeatureStatistics {
  at::Tensor mean;        // [width]
  at::Tensor covariance;  // [width, width], divided by n - 1
};
FeatureStatistics feature_statistics(const at::Tensor& features);  // [n, width], n >= 2

// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al., 2017), at least 0. Grows as sets get
// smaller: compare only sets of one size.
double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b);

struct Interval {
  double low = 0, high = 0;
};
// The middle 95 % of `statistic` over resamples with replacement of the indices 0..n-1 (int64 [n]),
// moved so that their mean falls on `estimate`: a resample repeats samples, which alone lowers an
// Inception Score.
Interval bootstrap(int64_t n, int64_t rounds, uint64_t seed, double estimate,
                   const std::function<double(const at::Tensor&)>& statistic);

}  // namespace winnow::training

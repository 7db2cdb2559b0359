#include "set_metrics.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "trainer.hpp"

namespace winnow::training {
namespace {

constexpr uint64_t kBootstrap = 2000;

// Of a symmetric matrix without negative eigenvalues, but for rounding.
at::Tensor square_root(const at::Tensor& matrix) {
  const auto [values, vectors] = at::linalg_eigh(matrix);
  return at::matmul(vectors * values.clamp_min(0).sqrt().unsqueeze(0), vectors.t());
}

}  // namespace

double inception_score(const at::Tensor& probabilities) {
  const at::Tensor p = probabilities.to(at::kDouble);
  const at::Tensor marginal = p.mean(0, /*keepdim=*/true);
  // xlogy(0, 0) = 0: a class of probability 0 adds nothing.
  const at::Tensor divergence = (at::xlogy(p, p) - at::xlogy(p, marginal)).sum(1);
  return std::exp(divergence.mean().item<double>());
}

FeatureStatistics feature_statistics(const at::Tensor& features) {
  const at::Tensor x = features.to(at::kDouble);
  const at::Tensor mean = x.mean(0);
  const at::Tensor centred = x - mean;
  return {mean, at::matmul(centred.t(), centred) / static_cast<double>(x.size(0) - 1)};
}

double frechet_distance(const FeatureStatistics& a, const FeatureStatistics& b) {
  // C1 C2 is similar to the symmetric C1^(1/2) C2 C1^(1/2), whose eigenvalues are real and safe to
  // take roots of.
  const at::Tensor root = square_root(a.covariance);
  const at::Tensor product = at::matmul(at::matmul(root, b.covariance), root);
  const at::Tensor values = at::linalg_eigvalsh((product + product.t()) / 2);
  const double cross = values.clamp_min(0).sqrt().sum().item<double>();
  const double means = (a.mean - b.mean).pow(2).sum().item<double>();
  const double traces = (a.covariance.trace() + b.covariance.trace()).item<double>();
  return std::max(0.0, means + traces - 2 * cross);
}

Interval bootstrap(int64_t n, int64_t rounds, uint64_t seed, double estimate,
                   const std::function<double(const at::Tensor&)>& statistic) {
  std::vector<double> values;
  for (int64_t round = 0; round < rounds; ++round) {
    auto generator = generator_for(seed, kBootstrap, static_cast<uint64_t>(round));
    values.push_back(statistic(at::randint(n, {n}, generator, at::kLong)));
  }
  const double shift =
      estimate - std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(rounds);
  std::sort(values.begin(), values.end());
  const auto at_quantile = [&](double q) {
    return values[static_cast<size_t>(q * static_cast<double>(rounds - 1) + 0.5)];
  };
  return {at_quantile(0.025) + shift, at_quantile(0.975) + shift};
}

}  // namespace winnow::training

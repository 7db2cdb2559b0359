// set_metrics.hpp: how good a set of samples is: Inception Score, Frechet distance, precision and
// recall, all on what a feature network says of the samples; and bootstrap intervals.
//
// Everything is a pure function of its arguments: the seed of the resampling is one of them. Sums
// are taken in double precision.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace winnow {

// A number and its 95 % interval; NaN where there is no interval.
struct Estimate {
  double value, low, high;
};

// What a feature network says of n samples. Row i belongs to sample i.
struct FeatureSet {
  std::uint64_t n = 0;
  std::uint32_t n_features = 0, n_classes = 0;  // n_classes 0: the network is no classifier
  std::vector<float> features;                  // [n, n_features]
  std::vector<float> log_probabilities;         // [n, n_classes], natural; or empty
  std::string network;                          // names the weights
};

// What a set is compared with, such as the test images: its statistics, made once.
struct Reference {
  std::string plugin, network, source;  // the verifier, its weights, where the samples came from
  std::uint64_t n = 0;                  // samples behind the statistics
  std::uint32_t n_features = 0;
  std::vector<double> mean;        // [n_features]
  std::vector<double> covariance;  // [n_features, n_features], divided by n - 1
  std::vector<float> features;     // [rows, n_features]: some of the samples; may be empty
  std::uint64_t rows() const { return n_features ? features.size() / n_features : 0; }
};

// Keeps a seeded choice of `rows` samples, in their order (0: none; all when there are fewer).
// Needs at least two samples: Error(Exit::kUsage).
Reference make_reference(const FeatureSet& set, std::uint64_t rows, std::uint64_t seed);

// Throws Error(Exit::kUsage) naming both networks when the reference was made with another one.
void require_same_network(const Reference& reference, const std::string& network,
                          std::uint32_t n_features);

struct MetricOptions {
  std::uint64_t seed = 0;         // of the resampling, and of the choice of rows
  std::uint32_t resamples = 200;  // of the bootstrap; 0: no intervals
  std::uint32_t k = 3;            // neighbours, for precision and recall
};

// Inception Score: exp(mean KL(p(y|x) || p(y))), one split (Salimans et al., 2016,
// arXiv:1606.03498). 1 to n_classes, higher is better.
//
// Frechet distance: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), covariances divided by n - 1
// (Heusel et al., 2017, arXiv:1706.08500). At least 0, lower is better; any n from 2 on, also fewer
// samples than features. Biased upwards, the more so the smaller the set is: compare sets of one
// size only.
//
// Precision: the share of the samples that lie within the k-th nearest neighbour distance of some
// reference row; recall: the same with the two sets exchanged (Kynkäänniemi et al., 2019,
// arXiv:1904.06991, k = 3). 0 to 1. As there the two sets are of one size: of the larger one a
// seeded choice is taken.
//
// Intervals: of the Inception Score and the Frechet distance the 2.5 and 97.5 % quantiles over
// resamples of the samples with replacement (the reference stays fixed), moved so that the mean of
// the resamples falls on the value: a resample repeats samples, and that alone lowers the one and
// raises the other; an end that this takes out of the metric's range is set to the range's end, and
// one sample has no interval. Of precision and recall the same quantiles over resamples of the 0
// and 1 per sample and per reference row, with both sets' neighbourhoods fixed, so that the
// interval of recall does not hold what another set of samples would have changed in them.
struct SetMetrics {
  std::optional<Estimate> inception_score, frechet, precision, recall;
  std::map<std::string, std::string> missing;  // "frechet": why it could not be computed
};

// `reference` may be null. Throws Error(Exit::kUsage) when it is of another network, when there is
// no sample, and when a number is not finite.
SetMetrics set_metrics(const FeatureSet& set, const Reference* reference,
                       const MetricOptions& options);

// The four metrics with their names ("inception_score", "frechet", "precision", "recall"), in that
// order.
struct NamedMetric {
  const char* name;
  const std::optional<Estimate>* value;  // valid as long as the SetMetrics
};
std::array<NamedMetric, 4> named_metrics(const SetMetrics& metrics);

// Mean of at least one value, with the percentile bootstrap interval (NaN for one value).
Estimate bootstrap_mean(std::span<const double> values, std::uint32_t resamples,
                        std::uint64_t seed);

// Resample r of the bootstrap: n of the numbers 0..n-1, drawn with replacement.
std::vector<std::uint64_t> resample(std::uint64_t n, std::uint32_t r, std::uint64_t seed);

// The q-quantile, 0 <= q <= 1, of at least one value, linear between neighbours (as numpy's).
double quantile(std::vector<double> values, double q);

// `want` of the numbers 0..n-1 in ascending order, every choice equally likely; all when there are
// no more.
std::vector<std::uint64_t> seeded_choice(std::uint64_t n, std::uint64_t want, std::uint64_t seed);

}  // namespace winnow

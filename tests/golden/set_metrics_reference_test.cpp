// The host's set metrics against the values that set_metrics_reference.py got from scipy and by
// brute force, on inputs made by the same formulas.
#include <cmath>
#include <fstream>

#include "host/set_metrics.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

FeatureSet features(std::uint64_t n, std::uint32_t width, std::uint64_t offset = 0,
                    float lift = 0) {
  FeatureSet set;
  set.n = n;
  set.n_features = width;
  set.network = "formula";
  for (std::uint64_t i = offset; i < offset + n; ++i)
    for (std::uint64_t c = 0; c < width; ++c)
      set.features.push_back(static_cast<float>((i * i * 31 + c * c * 17 + i * c * 7 + i) % 97) /
                                 32.0f +
                             lift * static_cast<float>(c % 3));
  return set;
}

FeatureSet probabilities(std::uint64_t n, std::uint32_t classes) {
  FeatureSet set = features(n, 1);
  set.n_classes = classes;
  for (std::uint64_t i = 0; i < n; ++i) {
    std::vector<double> logits;
    double sum = 0;
    for (std::uint64_t c = 0; c < classes; ++c) {
      logits.push_back(static_cast<double>((i * 13 + c * c * 5 + i * c) % 23) / 4.0);
      sum += std::exp(logits.back());
    }
    for (const double logit : logits)
      set.log_probabilities.push_back(static_cast<float>(logit - std::log(sum)));
  }
  return set;
}

double golden(const std::string& name) {
  std::ifstream in(WINNOW_REFERENCE_FILE);
  std::string key;
  for (double value; in >> key >> value;)
    if (key == name) return value;
  FAIL("no golden value " << name);
  return 0;
}

constexpr MetricOptions kNoIntervals = {.seed = 0, .resamples = 0, .k = 3};

double frechet(const FeatureSet& set, const FeatureSet& reference) {
  const Reference statistics = make_reference(reference, 0, 0);
  return set_metrics(set, &statistics, kNoIntervals).frechet.value().value;
}

TEST_CASE("the host's Inception Score equals numpy's") {
  const SetMetrics found = set_metrics(probabilities(60, 10), nullptr, kNoIntervals);
  CHECK(found.inception_score.value().value == Approx(golden("inception_score")).epsilon(1e-6));
}

TEST_CASE("the host's Frechet distance equals scipy's, for singular covariances too") {
  CHECK(frechet(features(60, 12), features(90, 12, 7, 0.25f)) ==
        Approx(golden("frechet_whole")).epsilon(1e-6));
  CHECK(frechet(features(8, 12, 3), features(60, 12)) ==
        Approx(golden("frechet_singular")).epsilon(1e-6));
  CHECK(frechet(features(200, 96), features(40, 96, 11, 0.5f)) ==
        Approx(golden("frechet_wide")).epsilon(1e-6));
}

TEST_CASE("precision and recall equal those by brute force") {
  const Reference reference = make_reference(features(60, 4, 29, 0.25f), 60, 0);
  for (const std::uint32_t k : {1u, 3u}) {
    const MetricOptions options = {.seed = 0, .resamples = 0, .k = k};
    const SetMetrics found = set_metrics(features(60, 4), &reference, options);
    CHECK(found.precision.value().value ==
          Approx(golden("precision_" + std::to_string(k))).epsilon(1e-6));
    CHECK(found.recall.value().value ==
          Approx(golden("recall_" + std::to_string(k))).epsilon(1e-6));
  }
}

}  // namespace

// set_metrics_test.cpp: the set metrics where their values are known in closed form, their
// intervals, and what they refuse.
#include "host/set_metrics.hpp"

#include <cmath>
#include <set>

#include "host/error.hpp"
#include "host/noise.hpp"
#include "host/verifier_statistics.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

FeatureSet blank(std::uint64_t n, std::uint32_t width) {
  FeatureSet set;
  set.n = n;
  set.n_features = width;
  set.network = "net";
  return set;
}

// Independent normal features with this mean and standard deviation.
FeatureSet normal_set(std::uint64_t n, std::uint32_t width, float mean, float deviation,
                      std::uint64_t seed) {
  FeatureSet set = blank(n, width);
  set.features.resize(n * width);
  fill_normal({.seed = seed}, 0, 0, set.features);
  for (float& x : set.features) x = mean + deviation * x;
  return set;
}

FeatureSet with_classes(std::vector<std::vector<double>> probabilities) {
  FeatureSet set = normal_set(probabilities.size(), 1, 0, 1, 1);
  set.n_classes = static_cast<std::uint32_t>(probabilities[0].size());
  for (const auto& row : probabilities)
    for (const double p : row) set.log_probabilities.push_back(static_cast<float>(std::log(p)));
  return set;
}

const MetricOptions kPlain = {.seed = 3, .resamples = 0, .k = 3};

}  // namespace

TEST_CASE("the Inception Score is 1 for equal answers and the number of classes for sure ones",
          "[metrics]") {
  const auto score = [](const FeatureSet& set) {
    return set_metrics(set, nullptr, kPlain).inception_score.value().value;
  };
  CHECK(score(with_classes({{0.2, 0.8}, {0.2, 0.8}, {0.2, 0.8}})) == Approx(1));
  const double no = 1e-30;
  CHECK(score(with_classes({{1, no, no}, {no, 1, no}, {no, no, 1}})) == Approx(3));
}

TEST_CASE("the Frechet distance of a set from its own statistics is 0", "[metrics]") {
  for (const std::uint64_t n : {2u, 5u, 200u}) {  // 12 features: singular covariances too
    const FeatureSet set = normal_set(n, 12, 5, 2, 1);
    const Reference own = make_reference(set, 0, 0);
    CHECK(set_metrics(set, &own, kPlain).frechet.value().value == Approx(0).margin(1e-5));
  }
}

TEST_CASE("the Frechet distance of normal sets approaches the distance of the normals",
          "[metrics]") {
  const std::uint32_t width = 3;
  const Reference reference = make_reference(normal_set(40000, width, 0, 1, 1), 0, 0);
  const SetMetrics found = set_metrics(normal_set(40000, width, 2, 3, 2), &reference, kPlain);
  // Per dimension (2 - 0)^2 + (3 - 1)^2.
  CHECK(found.frechet.value().value == Approx(8.0 * width).epsilon(0.02));
}

TEST_CASE("a set is fully precise and recalled against itself, and not at all when far away",
          "[metrics]") {
  const FeatureSet set = normal_set(50, 4, 0, 1, 1);
  const Reference own = make_reference(set, 50, 0);
  const SetMetrics same = set_metrics(set, &own, kPlain);
  CHECK(same.precision.value().value == 1);
  CHECK(same.recall.value().value == 1);
  const SetMetrics far = set_metrics(normal_set(50, 4, 100, 1, 2), &own, kPlain);
  CHECK(far.precision.value().value == 0);
  CHECK(far.recall.value().value == 0);
}

TEST_CASE("samples that stay in one corner are precise but recall little", "[metrics]") {
  const Reference wide = make_reference(normal_set(400, 2, 0, 1, 1), 400, 0);
  const SetMetrics narrow = set_metrics(normal_set(400, 2, 0, 0.1f, 2), &wide, kPlain);
  CHECK(narrow.precision.value().value > 0.95);
  CHECK(narrow.recall.value().value < 0.1);
}

TEST_CASE("precision and recall take a seeded choice of the larger set", "[metrics]") {
  const FeatureSet set = normal_set(30, 3, 0, 1, 1), large = normal_set(90, 3, 0.5f, 1, 2);
  const Reference all = make_reference(large, 90, 0);
  FeatureSet chosen = blank(30, 3);
  for (const std::uint64_t i : seeded_choice(90, 30, kPlain.seed))
    for (std::uint64_t c = 0; c < 3; ++c) chosen.features.push_back(large.features[3 * i + c]);
  const Reference some = make_reference(chosen, 30, 0);
  const SetMetrics by_all = set_metrics(set, &all, kPlain),
                   by_some = set_metrics(set, &some, kPlain);
  CHECK(by_all.precision.value().value == by_some.precision.value().value);
  CHECK(by_all.recall.value().value == by_some.recall.value().value);
}

TEST_CASE("intervals hold the value, shrink with the number of samples and follow the seed",
          "[metrics]") {
  const Reference reference = make_reference(normal_set(500, 3, 0.3f, 1, 9), 500, 0);
  const MetricOptions options = {.seed = 1, .resamples = 100, .k = 3};
  std::array<double, 4> widths{};
  for (const std::uint64_t n : {50u, 450u}) {
    const SetMetrics found = set_metrics(normal_set(n, 3, 0, 1, 4), &reference, options);
    const std::array<NamedMetric, 4> all = named_metrics(found);
    for (std::size_t m = 1; m < all.size(); ++m) {
      const Estimate e = all[m].value->value();
      INFO(all[m].name << " of " << n << ": " << e.value << " in " << e.low << " to " << e.high);
      CHECK(e.low <= e.value);
      CHECK(e.value <= e.high);
      if (n == 450) CHECK(e.high - e.low < widths[m]);
      widths[m] = e.high - e.low;
    }
  }
  const FeatureSet set = normal_set(50, 3, 0, 1, 4);
  const auto frechet = [&](std::uint64_t seed) {
    return set_metrics(set, &reference, {.seed = seed, .resamples = 20, .k = 3}).frechet.value();
  };
  CHECK(frechet(1).low == frechet(1).low);
  CHECK(frechet(1).low != frechet(2).low);
}

TEST_CASE("the bootstrap interval of a mean has the textbook width", "[metrics]") {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i / 400.0);
  const Estimate found = bootstrap_mean(values, 1000, 1);
  const double half = 1.96 * std::sqrt(1.0 / 12.0 / 400.0);
  CHECK(found.value == Approx(0.49875));
  CHECK(found.low == Approx(0.49875 - half).margin(0.004));
  CHECK(found.high == Approx(0.49875 + half).margin(0.004));
  CHECK(std::isnan(bootstrap_mean(std::vector<double>{1.5}, 100, 1).low));
}

TEST_CASE("a quantile lies between its neighbours as numpy's does", "[metrics]") {
  CHECK(quantile({4, 1, 3, 2}, 0.5) == 2.5);
  CHECK(quantile({4, 1, 3, 2}, 0) == 1);
  CHECK(quantile({4, 1, 3, 2}, 1) == 4);
  CHECK(quantile({10, 20}, 0.25) == 12.5);
  CHECK(quantile({7}, 0.95) == 7);
}

TEST_CASE("a seeded choice has no doubles, keeps the order and favours nobody", "[metrics]") {
  std::vector<int> taken(20);
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    const auto chosen = seeded_choice(20, 5, seed);
    REQUIRE(chosen.size() == 5);
    CHECK(std::is_sorted(chosen.begin(), chosen.end()));
    CHECK(std::set(chosen.begin(), chosen.end()).size() == 5);
    for (const std::uint64_t i : chosen) ++taken[i];
  }
  for (const int times : taken) CHECK(std::abs(times - 1000) < 5 * std::sqrt(4000 * 0.25 * 0.75));
  CHECK(seeded_choice(3, 9, 1) == std::vector<std::uint64_t>{0, 1, 2});
}

TEST_CASE("what cannot be computed is missing, with the reason", "[metrics]") {
  const FeatureSet one = normal_set(1, 2, 0, 1, 1);
  const SetMetrics alone = set_metrics(one, nullptr, kPlain);
  CHECK(alone.missing.at("frechet") == "no reference was given");
  CHECK(alone.missing.at("inception_score") == "the feature network is no classifier");
  const Reference bare = make_reference(normal_set(9, 2, 0, 1, 2), 0, 0);
  CHECK_THAT(set_metrics(one, &bare, kPlain).missing.at("frechet"), Catch::Contains("two samples"));
  CHECK_THAT(set_metrics(one, &bare, kPlain).missing.at("recall"), Catch::Contains("no samples"));
  const Reference rows = make_reference(normal_set(9, 2, 0, 1, 2), 9, 0);
  const SetMetrics few = set_metrics(normal_set(3, 2, 0, 1, 1), &rows, kPlain);
  CHECK_THAT(few.missing.at("precision"),
             Catch::Contains("more than 3") && Catch::Contains("3 and 9"));
  CHECK(few.frechet.has_value());
}

TEST_CASE("a reference of another network, no samples and infinite features are refused",
          "[metrics]") {
  FeatureSet set = normal_set(9, 2, 0, 1, 1);
  const Reference own = make_reference(set, 9, 0);
  set.network = "other";
  CHECK_THROWS_WITH(set_metrics(set, &own, kPlain),
                    Catch::Contains("network net") && Catch::Contains("by other"));
  CHECK_THROWS_WITH(set_metrics(FeatureSet{}, nullptr, kPlain), Catch::Contains("without samples"));
  CHECK_THROWS_AS(make_reference(normal_set(1, 2, 0, 1, 1), 9, 0), Error);
  set.features[3] = INFINITY;
  CHECK_THROWS_WITH(set_metrics(set, nullptr, kPlain), Catch::Contains("not finite"));
}

TEST_CASE("statistics of verifiers are those of the chosen samples, or of the first candidates",
          "[metrics]") {
  const auto summary = nlohmann::ordered_json::parse(R"({"tasks": [
    {"scores": {"a": 1.0, "b": 5}, "first": {"scores": {"a": 0.5}}},
    {"scores": {"a": 3.0, "b": null}, "first": {"scores": {"a": 0.25}}},
    {"error": "every candidate failed"}]})");
  const auto best = verifier_statistics(summary, false, kPlain);
  REQUIRE(best.size() == 2);
  CHECK(best[0].name == "a");
  CHECK(best[0].n == 2);
  CHECK(best[0].mean.value == 2);
  CHECK(best[0].quantiles[0] == Approx(1.1));
  CHECK(best[0].quantiles[2] == 2);
  CHECK(best[1].n == 1);
  const auto first = verifier_statistics(summary, true, kPlain);
  REQUIRE(first.size() == 1);
  CHECK(first[0].mean.value == 0.375);
  CHECK(verifier_statistics(nlohmann::ordered_json::object(), false, kPlain).empty());
}

TEST_CASE("no interval ends where the metric cannot lie, and one sample has none", "[metrics]") {
  const MetricOptions options = {.seed = 1, .resamples = 100, .k = 3};
  std::vector<std::vector<double>> sure;
  const double no = 1e-30;
  for (int i = 0; i < 4; ++i) sure.insert(sure.end(), {{1, no, no}, {no, 1, no}, {no, no, 1}});
  const Estimate score = *set_metrics(with_classes(sure), nullptr, options).inception_score;
  CHECK(score.low < 3);
  CHECK(score.high <= 3);
  CHECK(score.value <= 3);
  const FeatureSet set = normal_set(20, 4, 0, 1, 1);
  const Reference own = make_reference(set, 0, 0);
  const Estimate distance = *set_metrics(set, &own, options).frechet;
  CHECK(distance.low >= 0);
  CHECK(distance.low <= distance.high);
  const Estimate one = *set_metrics(with_classes({{0.2, 0.8}}), nullptr, options).inception_score;
  CHECK(one.value == Approx(1));
  CHECK(std::isnan(one.low));
}

// The set metrics against the values that set_metrics.py got from numpy, on inputs made by the same
// formulas.
#include "examples/training/set_metrics.hpp"

#include <ATen/ATen.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/catch.hpp"

namespace winnow::training {
namespace {

constexpr int64_t kItems = 60, kClassCount = 10, kWidth = 12;

at::Tensor probabilities(int64_t n) {
  const at::Tensor i = at::arange(n, at::kDouble).unsqueeze(1);
  const at::Tensor c = at::arange(kClassCount, at::kDouble).unsqueeze(0);
  const at::Tensor own = at::remainder(i, kClassCount).eq(c).to(at::kDouble);
  return at::softmax(3.0 * at::sin(1.7 * i + 0.9 * c * c) + 1.5 * own, 1);
}

at::Tensor features(int64_t n, double shift) {
  const at::Tensor i = at::arange(n, at::kDouble).unsqueeze(1);
  const at::Tensor c = at::arange(kWidth, at::kDouble).unsqueeze(0);
  return at::sin(0.37 * i * (c + 1) + shift) + 0.1 * shift * c;
}

double golden(const std::string& name) {
  std::ifstream in(WINNOW_GOLDEN_FILE);
  std::string key;
  for (double value; in >> key >> value;) {
    if (key == name) return value;
  }
  FAIL("no golden value " << name);
  return 0;
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return frechet_distance(feature_statistics(a), feature_statistics(b));
}

TEST_CASE("inception score equals numpy's") {
  CHECK(inception_score(probabilities(kItems)) == Approx(golden("inception_score")).epsilon(1e-10));
}

TEST_CASE("inception score is 1 for equal and the number of classes for sure answers") {
  CHECK(inception_score(at::full({7, 5}, 0.2, at::kDouble)) == Approx(1.0));
  CHECK(inception_score(at::eye(5, at::kDouble)) == Approx(5.0));
}

TEST_CASE("Frechet distance equals numpy's") {
  CHECK(distance(features(kItems, 0.0), features(kItems + 30, 0.8)) ==
        Approx(golden("frechet_shifted")).epsilon(1e-7));
  CHECK(distance(features(8, 0.2), features(kItems, 0.0)) ==
        Approx(golden("frechet_singular")).epsilon(1e-5));
}

TEST_CASE("Frechet distance of a set from itself is 0, and it is symmetric") {
  const at::Tensor a = features(kItems, 0.0), b = features(kItems, 0.5);
  CHECK(distance(a, a) == Approx(0.0).margin(1e-6));
  CHECK(distance(a, b) == Approx(distance(b, a)).epsilon(1e-9));
}

TEST_CASE("bootstrap interval of a mean has the textbook width") {
  const at::Tensor x = at::arange(400, at::kDouble) / 400.0;
  const Interval i = bootstrap(400, 500, 1, 0.49875, [&](const at::Tensor& index) {
    return x.index_select(0, index).mean().item<double>();
  });
  const double half = 1.96 * std::sqrt(1.0 / 12.0 / 400.0);
  CHECK(i.low == Approx(0.49875 - half).margin(0.004));
  CHECK(i.high == Approx(0.49875 + half).margin(0.004));
}

}  // namespace
}  // namespace winnow::training

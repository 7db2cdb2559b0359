// best_of_n_test.cpp: random search over a problem whose best of N is known: four pixels, each
// normal, and minus their mean squared distance to a value.
//
// A pixel is mu + sigma z: the toy sampler's path is affine, its decode divides by 6 (and clamps 5
// standard deviations away, which changes nothing here). So -4 score / sigma^2 is chi-square with 4
// degrees of freedom and non-centrality l = 4 (value - mu)^2 / sigma^2, and of the N scores the
// best is the least of N of those: E min = integral of S(x)^N over x > 0, S its survival function.
#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

// P(X > x): a Poisson mixture of central chi-squares with 4 + 2j degrees of freedom.
double survival(double x, double noncentrality) {
  double mixture = 0, poisson = std::exp(-noncentrality / 2);
  double term = std::exp(-x / 2), tail = term;  // of e^(-y) sum y^i / i!, y = x / 2
  for (int i = 1; i < 2; ++i) tail += term *= x / 2 / i;
  for (int j = 0; j < 80; ++j) {
    mixture += poisson * tail;
    poisson *= noncentrality / 2 / (j + 1);
    tail += term *= x / 2 / (j + 2);
  }
  return mixture;
}

// Simpson's rule; beyond 100 nothing is left.
double expected_least(int n, double noncentrality) {
  constexpr int kIntervals = 20000;
  const double h = 100.0 / kIntervals;
  double sum = 0;
  for (int k = 0; k <= kIntervals; ++k)
    sum += std::pow(survival(k * h, noncentrality), n) * (k == 0 || k == kIntervals ? 1
                                                          : k % 2 == 1              ? 4
                                                                                    : 2);
  return sum * h / 3;
}

struct Mean {
  double value = 0, error = 0;  // standard error
};

// Of the best score over `tasks` tasks of best-of-n.
Mean measured(int n, int tasks, double value) {
  ToyRun toy(Medium::kMemory);
  const auto outcome =
      toy.run("run", {"budget.nfe=" + std::to_string(2 * n), "tasks.classes=[4]",
                      "tasks.repeat=" + std::to_string(tasks), "run.seed=" + std::to_string(40 + n),
                      "sampler.size=2", "sampler.steps=2", "execution.batch=256",
                      "verifier.0={plugin=\"winnow.toy.target\", name=\"target\", value=" +
                          std::to_string(value) + "}"});
  REQUIRE(outcome.exit == Exit::kDone);
  double sum = 0, squares = 0;
  for (const auto& task : outcome.summary["tasks"]) {
    const double score = task["scores"]["target"];
    sum += score;
    squares += score * score;
  }
  const double mean = sum / tasks;
  return {mean, std::sqrt((squares / tasks - mean * mean) / (tasks - 1))};
}

}  // namespace

TEST_CASE("the expectation of the best of N is right where it has a closed form") {
  CHECK(expected_least(1, 0) == Approx(4).epsilon(1e-9));
  CHECK(expected_least(1, 4.25) == Approx(8.25).epsilon(1e-9));
  CHECK(expected_least(2, 0) == Approx(2.5).epsilon(1e-9));  // integral of e^-x (1 + x/2)^2
}

TEST_CASE("random search reaches the expectation of the best of N") {
  constexpr int kTasks = 1000;
  constexpr double kFactor = 0.75 * 0.8;  // of two Euler steps from 1 over 1/2 to 0
  constexpr double kClass = (4 - 4.5) / 9, kMu = 0.5 + (1 - kFactor) * kClass / 6;
  constexpr double kSigma = kFactor / 6, kValue = 0.6;
  const double noncentrality = 4 * std::pow((kValue - kMu) / kSigma, 2);
  const auto expected = [&](int n) {
    return -kSigma * kSigma / 4 * expected_least(n, noncentrality);
  };
  for (const int n : {1, 2, 4, 8, 16}) {
    const Mean mean = measured(n, kTasks, kValue);
    CAPTURE(n, mean.value, mean.error, expected(n));
    CHECK(std::abs(mean.value - expected(n)) < 2.5 * mean.error);
    // Sharp enough to tell N from its neighbours.
    CHECK(std::abs(mean.value - expected(2 * n)) > 5 * mean.error);
  }
}

// The solvers on a world whose velocity is known in closed form: data are N(kMean, kDeviation^2),
// one number each.
#include "plugins/samplers/flow_solvers.hpp"

#include <numeric>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"

namespace winnow::flow {
namespace {

constexpr double kMean = 0.7, kDeviation = 0.3;

double variance_at(double t) { return (1 - t) * (1 - t) * kDeviation * kDeviation + t * t; }

// E[noise - data | x_t = x]
double velocity(double x, double t) {
  const double centred = x - (1 - t) * kMean;
  const double noise = t * centred / variance_at(t);
  const double data = kMean + (1 - t) * kDeviation * kDeviation * centred / variance_at(t);
  return noise - data;
}

// The ODE keeps every particle at its quantile.
double exact_end(double x, double from) {
  return kMean + kDeviation * (x - (1 - from) * kMean) / std::sqrt(variance_at(from));
}

double solve(Solver solver, double x, uint32_t steps) {
  const std::vector<double> times = uniform_times(1, 0, steps);
  for (uint32_t k = 0; k < steps; ++k) {
    const double from = times[k], to = times[k + 1], u = velocity(x, from);
    const double guess = x + (to - from) * u;
    x = has_second_evaluation(solver, to) ? x + 0.5 * (to - from) * (u + velocity(guess, to))
                                          : guess;
  }
  return x;
}

struct Moments {
  double mean, variance;
};
Moments moments(const std::vector<double>& x) {
  const double n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  return {mean, squares / n};
}

TEST_CASE("Euler is of first order, Heun of second") {
  const double end = exact_end(1.3, 1);
  const auto error = [&](Solver s, uint32_t n) { return std::abs(solve(s, 1.3, n) - end); };
  CHECK(error(Solver::kEuler, 100) / error(Solver::kEuler, 200) == Approx(2).epsilon(0.1));
  // The last step is Euler's, so the order shows while that step is small.
  CHECK(error(Solver::kHeun, 100) / error(Solver::kHeun, 200) > 3.2);
  CHECK(error(Solver::kHeun, 50) < error(Solver::kEuler, 100) / 5);
}

TEST_CASE("the SDE ends in the data's distribution for any strength") {
  const double strength = GENERATE(0.0, 0.5, 1.0, 3.0);
  CAPTURE(strength);
  std::mt19937_64 engine(5);
  std::normal_distribution<double> normal;
  const std::vector<double> times = uniform_times(1, 0, 200);
  std::vector<double> ends;
  for (int particle = 0; particle < 20000; ++particle) {
    double x = normal(engine);
    for (size_t k = 0; k + 1 < times.size(); ++k) {
      const StepFactors f = euler_maruyama_factors(times[k], times[k + 1], strength);
      const double fresh = f.noise > 0 ? normal(engine) : 0;
      x = f.x * x + f.u * velocity(x, times[k]) + f.noise * fresh;
    }
    ends.push_back(x);
  }
  CHECK(moments(ends).mean == Approx(kMean).margin(0.01));
  CHECK(moments(ends).variance == Approx(kDeviation * kDeviation).epsilon(0.06));
}

TEST_CASE("the SDE without noise is Euler, and its last step adds none") {
  const StepFactors sde = euler_maruyama_factors(0.6, 0.4, 0), ode = euler_factors(0.6, 0.4);
  CHECK(sde.x == ode.x);
  CHECK(sde.u == ode.u);
  CHECK(sde.noise == 0);
  CHECK(euler_maruyama_factors(0.1, 0, 5).noise == 0);
  CHECK(euler_maruyama_factors(0.1, 0, 5).u == Approx(-0.1));
}

TEST_CASE("renoising keeps the marginals") {
  std::mt19937_64 engine(6);
  std::normal_distribution<double> normal;
  const double from = 0.11, to = 0.89;
  const StepFactors f = renoise_factors(from, to);
  std::vector<double> ends;
  for (int particle = 0; particle < 50000; ++particle) {
    const double data = kMean + kDeviation * normal(engine);
    ends.push_back(f.x * ((1 - from) * data + from * normal(engine)) + f.noise * normal(engine));
  }
  CHECK(moments(ends).mean == Approx((1 - to) * kMean).margin(0.015));
  CHECK(moments(ends).variance == Approx(variance_at(to)).epsilon(0.03));
  CHECK(renoise_factors(0.3, 1).x == 0);
  CHECK(renoise_factors(0.3, 1).noise == 1);
}

TEST_CASE("13 Heun steps cost 25 evaluations, legs follow the schedule") {
  const std::vector<double> times = uniform_times(1, 0, 13);
  double nfe = 0;
  for (size_t k = 1; k < times.size(); ++k) nfe += step_nfe(Solver::kHeun, times[k]);
  CHECK(nfe == 25);
  CHECK(times.front() == 1);
  CHECK(times.back() == 0);

  const std::vector<double> schedule = {1, 0.75, 0.5, 0.25, 0};
  CHECK(times_between(schedule, 0.6, 0.1) == std::vector<double>{0.6, 0.5, 0.25, 0.1});
  CHECK(times_between(schedule, 0.5, 0.25) == std::vector<double>{0.5, 0.25});
  CHECK(times_between(schedule, 0.5, 0.5) == std::vector<double>{0.5});
}

TEST_CASE("a candidate's stochasticity chooses the solver") {
  CHECK(effective_solver(Solver::kHeun, 0) == Solver::kHeun);
  CHECK(effective_solver(Solver::kHeun, -1) == Solver::kHeun);
  CHECK(effective_solver(Solver::kHeun, 0.5) == Solver::kEulerMaruyama);
  CHECK(effective_solver(Solver::kEulerMaruyama, -1) == Solver::kEuler);
  CHECK(effective_strength(0.8, 0) == 0.8);
  CHECK(effective_strength(0.8, 0.5) == Approx(0.4));
  CHECK_THROWS_WITH(parse_solver("rk4"), Catch::Contains("rk4"));
}

}  // namespace
}  // namespace winnow::flow

// The solvers on a world whose velocity is known in closed form: data are N(kMean, kDeviation^2),
// one number each.
#include "plugins/samplers/flow_solvers.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <tuple>
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
      const StepFactors f = sde_factors(times[k], times[k + 1], strength);
      const double fresh = f.noise > 0 ? normal(engine) : 0;
      x = f.x * x + f.u * velocity(x, times[k]) + f.noise * fresh;
    }
    ends.push_back(x);
  }
  CHECK(moments(ends).mean == Approx(kMean).margin(0.01));
  CHECK(moments(ends).variance == Approx(kDeviation * kDeviation).epsilon(0.06));
}

// ---- every diffusion on data that are two normal distributions, N(+-0.5, 0.12^2), 3 to 1

constexpr double kShares[2] = {0.75, 0.25}, kCentres[2] = {0.5, -0.5}, kWidth = 0.12;

double mixture_velocity(double x, double t) {
  const double variance = (1 - t) * (1 - t) * kWidth * kWidth + t * t;
  double all = 0, sum = 0;
  for (int c = 0; c < 2; ++c) {
    const double centred = x - (1 - t) * kCentres[c];
    const double weight = kShares[c] * std::exp(-centred * centred / (2 * variance));
    const double data = kCentres[c] + (1 - t) * kWidth * kWidth * centred / variance;
    all += weight;
    sum += weight * (t * centred / variance - data);
  }
  return sum / all;
}

// Of the mixture at time t.
double cumulated(double x, double t) {
  const double deviation = std::sqrt((1 - t) * (1 - t) * kWidth * kWidth + t * t);
  double sum = 0;
  for (int c = 0; c < 2; ++c)
    sum += kShares[c] * 0.5 * std::erfc(-(x - (1 - t) * kCentres[c]) / (deviation * std::sqrt(2)));
  return sum;
}

// The particles at a quarter, a half, three quarters of the steps and at the end.
std::vector<std::vector<double>> walk(const std::vector<double>& times, bool sde, double strength,
                                      Diffusion diffusion, size_t n, unsigned seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> normal;
  std::vector<double> x(n);
  for (double& value : x) value = normal(engine);
  std::vector<std::vector<double>> seen;
  for (size_t k = 0; k + 1 < times.size(); ++k) {
    const StepFactors f = sde ? sde_factors(times[k], times[k + 1], strength, diffusion)
                              : euler_factors(times[k], times[k + 1]);
    for (double& value : x) {
      const double fresh = f.noise > 0 ? normal(engine) : 0;
      value = f.x * value + f.u * mixture_velocity(value, times[k]) + f.noise * fresh;
    }
    if ((k + 1) % ((times.size() - 1) / 4) == 0) seen.push_back(x);
  }
  return seen;
}

double two_sample_distance(std::vector<double> a, std::vector<double> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double most = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    a[i] <= b[j] ? ++i : ++j;
    most = std::max(most, std::abs(static_cast<double>(i) / static_cast<double>(a.size()) -
                                   static_cast<double>(j) / static_cast<double>(b.size())));
  }
  return most;
}

double distance_to_law(std::vector<double> a, double t) {
  std::sort(a.begin(), a.end());
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(cumulated(a[i], t) -
                                   (static_cast<double>(i) + 0.5) / static_cast<double>(a.size())));
  return most;
}

TEST_CASE("the SDE of every diffusion has the marginals of the ODE at every time") {
  constexpr size_t kParticles = 4000;
  constexpr uint32_t kTimes = 400;
  const double two_sample = 1.95 * std::sqrt(2.0 / kParticles);  // Kolmogorov-Smirnov, 0.1 %
  const double one_sample = 1.95 * std::sqrt(1.0 / kParticles);
  for (const auto& [diffusion, strength, spacing] :
       {std::tuple{Diffusion::kSigma, 1.0, Spacing::kUniform},
        {Diffusion::kSigma, 3.0, Spacing::kVp},
        {Diffusion::kConstant, 0.5, Spacing::kUniform},
        {Diffusion::kSquare, 9.0, Spacing::kUniform},
        {Diffusion::kVp, 1.0, Spacing::kUniform},
        {Diffusion::kVp, 0.3, Spacing::kVp}}) {
    CAPTURE(static_cast<int>(diffusion), strength, static_cast<int>(spacing));
    const std::vector<double> times = spaced_times(1, 0, kTimes, spacing);
    const auto sde = walk(times, true, strength, diffusion, kParticles, 21);
    const auto ode = walk(times, false, 0, diffusion, kParticles, 22);
    REQUIRE(sde.size() == 4);
    for (size_t q = 0; q < 4; ++q) {
      const double t = times[(q + 1) * kTimes / 4];
      CAPTURE(t);
      CHECK(two_sample_distance(sde[q], ode[q]) < two_sample);
      CHECK(distance_to_law(sde[q], t) < one_sample);
    }
    // The spread of the samples is the data's. That steps read the right noises is pitfalls_test's.
    const double variance = kWidth * kWidth + kShares[0] * kShares[1] *
                                                  (kCentres[0] - kCentres[1]) *
                                                  (kCentres[0] - kCentres[1]);
    CHECK(moments(sde[3]).variance == Approx(variance).epsilon(0.06));
  }
}

TEST_CASE("a noise that is used twice, or left out, is seen by the test of the marginals") {
  // noise(0) again in the first of few steps: its coefficients add up, where variances should.
  const std::vector<double> few = uniform_times(1, 0, 8);
  const auto apart = walk(few, true, 3, Diffusion::kSigma, 4000, 21);
  std::mt19937_64 again(23);
  std::normal_distribution<double> drawn;
  std::vector<double> twice;
  for (int i = 0; i < 4000; ++i) {
    const double first = drawn(again);
    double x = first;
    for (size_t k = 0; k < 2; ++k) {
      const StepFactors f = sde_factors(few[k], few[k + 1], 3, Diffusion::kSigma);
      x = f.x * x + f.u * mixture_velocity(x, few[k]) + f.noise * (k ? drawn(again) : first);
    }
    twice.push_back(x);
  }
  CHECK(two_sample_distance(apart[0], twice) > 1.95 * std::sqrt(2.0 / 4000));
  const std::vector<double> times = uniform_times(1, 0, 400);
  const auto right = walk(times, true, 3, Diffusion::kSigma, 4000, 21);
  std::mt19937_64 engine(23);
  std::normal_distribution<double> normal;
  std::vector<double> wrong;
  for (int i = 0; i < 4000; ++i) {
    double x = normal(engine);
    for (size_t k = 0; k + 1 < times.size(); ++k) {
      const StepFactors f = sde_factors(times[k], times[k + 1], 3, Diffusion::kSigma);
      x = f.x * x + f.u * mixture_velocity(x, times[k]);  // without its noise
    }
    wrong.push_back(x);
  }
  CHECK(two_sample_distance(right[3], wrong) > 1.95 * std::sqrt(2.0 / 4000));
}

TEST_CASE("the spacing of the variance-preserving path goes from 1 to 0, evenly in its time") {
  for (const Spacing spacing : {Spacing::kUniform, Spacing::kVp, Spacing::kVpEarly}) {
    CAPTURE(static_cast<int>(spacing));
    const std::vector<double> times = spaced_times(1, 0, 10, spacing);
    CHECK(times.front() == 1);
    CHECK(times.back() == 0);
    for (size_t k = 1; k < times.size(); ++k) CHECK(times[k] < times[k - 1]);
    for (const double t : {0.05, 0.3, 0.77, 0.99})
      CHECK(time_of_even(even_of_time(t, spacing), spacing) == Approx(t).epsilon(1e-9));
    // A leg of the schedule's own steps has the schedule's times.
    const std::vector<double> leg = spaced_times(times[3], times[8], 5, spacing);
    for (size_t k = 0; k < leg.size(); ++k) CHECK(leg[k] == Approx(times[3 + k]).margin(0x1p-35));
    // No last digit of a machine's exp and log is in them, and many steps still differ.
    const std::vector<double> many = spaced_times(1, 0, 1000, spacing);
    for (size_t k = 1; k < many.size(); ++k) {
      CHECK(many[k] < many[k - 1]);
      CHECK((spacing == Spacing::kUniform || std::fmod(many[k] * 0x1p36, 1.0) == 0));
    }
  }
  // By hand: r = 1/2 has log alpha = -19.9 / 16 - 0.025 = -1.26875, alpha = 0.281183, sigma =
  // 0.959654, t = 0.773399.
  CHECK(spaced_times(1, 0, 2, Spacing::kVp)[1] == Approx(0.773399).epsilon(1e-5));
  CHECK(spaced_times(1, 0, 10, Spacing::kVpEarly)[5] > spaced_times(1, 0, 10, Spacing::kVp)[5]);
}

TEST_CASE("the ancestral step of the variance-preserving path is that of DDPM") {
  // With x = a x0 + s e in any scale, the posterior of x' given x and x0 has the variance
  // s'^2 (1 - (a s' / (a' s))^2) and the mean that keeps the marginal.
  const double t = 0.8, to = 0.5;
  const StepFactors f = sde_factors(t, to, 1, Diffusion::kVp);
  const double data = 0.3, noise = -1.1, x = (1 - t) * data + t * noise, u = noise - data;
  const double variance = 0.25 * (1 - std::pow(0.2 * 0.5 / (0.5 * 0.8), 2));
  CHECK(f.noise * f.noise == Approx(variance));
  CHECK(f.x * x + f.u * u == Approx(0.5 * data + std::sqrt(0.25 - variance) * noise));
  // At pure noise all of it is renewed; without strength it is the step of DDIM, which here is
  // Euler's.
  CHECK(sde_factors(1, 0.9, 1, Diffusion::kVp).noise == Approx(0.9));
  const StepFactors ode = sde_factors(t, to, 0, Diffusion::kVp);
  CHECK(ode.x == Approx(1));
  CHECK(ode.u == Approx(to - t));
}

TEST_CASE("the SDE without noise is Euler, and its last step adds none") {
  const StepFactors sde = sde_factors(0.6, 0.4, 0), ode = euler_factors(0.6, 0.4);
  CHECK(sde.x == ode.x);
  CHECK(sde.u == ode.u);
  CHECK(sde.noise == 0);
  CHECK(sde_factors(0.1, 0, 5).noise == 0);
  CHECK(sde_factors(0.1, 0, 5).u == Approx(-0.1));
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

// The solvers and schedules of diffusion models: whole trajectories against those of diffusers'
// schedulers (diffusion_solvers.py), and their order on Gaussian data, where the ODE has a closed
// form.
#include "plugins/samplers/diffusion_solvers.hpp"

#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/hashed_numbers.hpp"

namespace winnow::diffusion {
namespace {

constexpr size_t kElements = 8;
using State = std::vector<double>;

State noise(int k) {
  State out;
  for (size_t i = 0; i < kElements; ++i) {
    const double exact = test::hashed_number("noise " + std::to_string(k), i, 1.7);
    out.push_back(static_cast<float>(exact));
  }
  return out;
}

// The network of diffusion_solvers.py, as a prediction of the data.
State predicted(const State& x, const Level& at, Prediction prediction) {
  State out(x.size());
  const ToData factors = to_data(prediction, at);
  for (size_t i = 0; i < x.size(); ++i) {
    const double network =
        0.6 * std::tanh(1.3 * x[i] + 0.002 * at.time) + 0.1 * std::cos(3 * static_cast<double>(i));
    out[i] = factors.x * x[i] + factors.output * network;
  }
  return out;
}

struct Term {
  double factor;
  const State* state;
};
State sum(std::initializer_list<Term> terms) {
  State out(kElements, 0.0);
  for (const Term& term : terms)
    for (size_t i = 0; i < kElements && term.state; ++i) out[i] += term.factor * (*term.state)[i];
  return out;
}

using NextState = std::function<State(const State& x, const State& d, const Step& step, size_t k)>;

State run(const std::vector<Step>& steps, State x, Prediction prediction, const NextState& next) {
  for (size_t k = 0; k < steps.size(); ++k)
    x = next(x, predicted(x, steps[k].from, prediction), steps[k], k);
  return x;
}

State euler(const State& x, const State& d, const Step& step, size_t) {
  const Factors f = euler_factors(step);
  return sum({{f.x, &x}, {f.data, &d}});
}

// Fresh noises are counted as diffusers asks for them: not where none is added.
NextState ddim(double eta) {
  return [eta, drawn = 0](const State& x, const State& d, const Step& step, size_t) mutable {
    const Factors f = ddim_factors(step, eta);
    const State e = noise(f.noise != 0 || step.to.sigma != 0 ? ++drawn : drawn);
    return sum({{f.x, &x}, {f.data, &d}, {f.noise, &e}});
  };
}

NextState multistep() {
  return [before = State(), stood = Level()](const State& x, const State& d, const Step& step,
                                             size_t k) mutable {
    const bool first_order = k == 0 || step.to.sigma == 0;
    const Factors f = first_order ? euler_factors(step) : multistep_factors(stood, step);
    const State next =
        sum({{f.x, &x}, {f.data, &d}, {f.before[0], before.empty() ? nullptr : &before}});
    before = d;
    stood = step.from;
    return next;
  };
}

NextState heun(Prediction prediction) {
  return [prediction](const State& x, const State& d, const Step& step, size_t k) {
    const State end = euler(x, d, step, k);
    if (step.to.sigma == 0) return end;
    const State end_data = predicted(end, step.to, prediction);
    const HeunFactors f = heun_factors(step);
    return sum({{f.x, &x}, {f.data, &d}, {f.end, &end}, {f.end_data, &end_data}});
  };
}

void check(const std::string& key, const State& found) {
  std::ifstream in(WINNOW_SOLVERS_FILE);
  std::string name;
  size_t i = 0, checked = 0;
  for (double value; in >> name >> i >> value;) {
    if (name != key) continue;
    INFO(key << " " << i);
    CHECK(found.at(i) == Approx(value).epsilon(2e-5).margin(2e-5));
    ++checked;
  }
  CHECK(checked == kElements);
}

State scaled(State x, double factor) {
  for (double& value : x) value *= factor;
  return x;
}

}  // namespace

TEST_CASE("DDIM and DDPM end where diffusers' do", "[solvers]") {
  const auto eps = Prediction::kEpsilon;
  const DiscreteSchedule leading;
  check("ddim", run(ddim_steps(leading, 10, false), noise(0), eps, ddim(0)));
  check("ddim_eta", run(ddim_steps(leading, 10, false), noise(0), eps, ddim(0.5)));
  DiscreteSchedule schedule;
  schedule.spacing = Spacing::kTrailing;
  schedule.zero_terminal_snr = true;
  check("ddim_v", run(ddim_steps(schedule, 7, true), noise(0), Prediction::kV, ddim(0)));
  schedule = {};
  schedule.spacing = Spacing::kLinspace;
  check("ddim_sample", run(ddim_steps(schedule, 9, true), noise(0), Prediction::kSample, ddim(0)));
  schedule = {};
  schedule.betas = Betas::kLinear;
  schedule.beta_start = 1e-4;
  schedule.beta_end = 0.02;
  schedule.offset = 0;
  check("ddpm", run(ddim_steps(schedule, 10, true), noise(0), eps, ddim(1)));
  schedule.betas = Betas::kCosine;
  check("ddpm_cosine", run(ddim_steps(schedule, 10, true), noise(0), eps, ddim(1)));
}

TEST_CASE("DPM-Solver++(2M) ends where diffusers' does", "[solvers]") {
  const auto eps = Prediction::kEpsilon;
  DiscreteSchedule schedule;
  check("multistep", run(multistep_steps(schedule, 10, false), noise(0), eps, multistep()));
  check("multistep_karras", run(multistep_steps(schedule, 12, true), noise(0), eps, multistep()));
  schedule.spacing = Spacing::kLinspace;
  check("multistep_linspace",
        run(multistep_steps(schedule, 20, false), noise(0), eps, multistep()));
  schedule.spacing = Spacing::kTrailing;
  check("multistep_trailing", run(multistep_steps(schedule, 7, false), noise(0), eps, multistep()));
}

TEST_CASE("Euler, Euler ancestral and Heun end where diffusers' do", "[solvers]") {
  const auto eps = Prediction::kEpsilon;
  DiscreteSchedule schedule;
  check("euler", run(euler_steps(schedule, 10), noise(0), eps, euler));
  check("ancestral", run(euler_steps(schedule, 10), noise(0), eps, ddim(1)));
  check("heun", run(euler_steps(schedule, 6), noise(0), eps, heun(eps)));
  // These two begin with noise of the first sigma, which lacks the data's share of the variance.
  for (const auto& [spacing, key, n] : {std::tuple{Spacing::kLinspace, "euler_linspace", 7u},
                                        {Spacing::kTrailing, "euler_trailing", 6u}}) {
    schedule.spacing = spacing;
    const auto steps = euler_steps(schedule, n);
    check(key, run(steps, scaled(noise(0), steps[0].from.sigma), eps, euler));
  }
}

TEST_CASE("flow matching with a shift ends where diffusers' does", "[solvers]") {
  check("flow", run(flow_steps(10, 3, 0.1), noise(0), Prediction::kFlow, euler));
  check("flow_dynamic",
        run(flow_steps(12, dynamic_shift(1024), 1.0 / 12), noise(0), Prediction::kFlow, euler));
}

namespace {

// Data N(0.7, 0.3^2), levels evenly spaced in log r from r = 10 to 0.01, variance preserving.
constexpr double kMean = 0.7, kDeviation = 0.3;

double variance(const Level& at) {
  return at.alpha * at.alpha * kDeviation * kDeviation + at.sigma * at.sigma;
}
State exact_data(const State& x, const Level& at) {
  State out;
  for (const double value : x)
    out.push_back(kMean +
                  at.alpha * kDeviation * kDeviation * (value - at.alpha * kMean) / variance(at));
  return out;
}
std::vector<Step> even_steps(size_t n) {
  std::vector<Step> steps(n);
  const auto level = [&](size_t k) {
    const double r = 10 * std::pow(0.001, static_cast<double>(k) / static_cast<double>(n));
    const double alpha = 1 / std::sqrt(1 + r * r);
    return Level{alpha, r * alpha, 0};
  };
  for (size_t k = 0; k < n; ++k) steps[k] = {level(k), level(k + 1)};
  return steps;
}

double error(size_t n, const std::function<State(const State&, const Step&, size_t)>& next) {
  const std::vector<Step> steps = even_steps(n);
  const Level &first = steps.front().from, &last = steps.back().to;
  State x(kElements, first.alpha * kMean + 1.5 * std::sqrt(variance(first)));
  for (size_t k = 0; k < n; ++k) x = next(x, steps[k], k);
  return std::abs(x[0] - last.alpha * kMean - 1.5 * std::sqrt(variance(last)));
}

double order(const std::function<State(const State&, const Step&, size_t)>& next) {
  return std::log2(error(80, next) / error(160, next));
}

}  // namespace

TEST_CASE("each solver reaches its order", "[solvers]") {
  CHECK(order([](const State& x, const Step& step, size_t k) {
          return euler(x, exact_data(x, step.from), step, k);
        }) == Approx(1).margin(0.1));
  CHECK(order([](const State& x, const Step& step, size_t) {
          const HeunFactors f = heun_factors(step);
          const State d = exact_data(x, step.from), end = euler(x, d, step, 0);
          const State end_data = exact_data(end, step.to);
          return sum({{f.x, &x}, {f.data, &d}, {f.end, &end}, {f.end_data, &end_data}});
        }) == Approx(2).margin(0.15));
  NextState solver;
  CHECK(order([&](const State& x, const Step& step, size_t k) {
          if (k == 0) solver = multistep();
          return solver(x, exact_data(x, step.from), step, k);
        }) == Approx(2).margin(0.15));
  std::vector<State> noises;  // PLMS
  std::vector<double> places;
  CHECK(order([&](const State& x, const Step& step, size_t k) {
          if (k == 0) noises.clear(), places.clear();
          const State d = exact_data(x, step.from);
          places.insert(places.begin(), static_cast<double>(k));
          places.resize(std::min<size_t>(places.size(), 4));
          const Factors f = plms_factors(step, places, static_cast<double>(k) + 1);
          State next = sum({{f.x, &x}, {f.data, &d}});
          for (size_t b = 0; b + 1 < places.size(); ++b)
            next = sum({{1, &next}, {f.before[b], &noises[b]}});
          if (k == 0) {
            const HeunFactors h = heun_factors(step);
            const State end_data = exact_data(next, step.to);
            next = sum({{h.x, &x}, {h.data, &d}, {h.end, &next}, {h.end_data, &end_data}});
          }
          noises.insert(noises.begin(),
                        sum({{1 / step.from.sigma, &x}, {-1 / step.from.ratio(), &d}}));
          return next;
        }) == Approx(2).margin(0.15));
}

TEST_CASE("weights of the steps before are those of Adams and Bashforth, for uneven steps too",
          "[solvers]") {
  const auto are = [](std::vector<double> places, double to, std::vector<double> expected) {
    const auto found = mean_weights(places, to);
    for (size_t k = 0; k < expected.size(); ++k) CHECK(found[k] == Approx(expected[k]));
  };
  are({7}, 8, {1});
  are({3, 2}, 4, {1.5, -0.5});
  are({2, 1, 0}, 3, {23.0 / 12, -16.0 / 12, 5.0 / 12});
  are({3, 2, 1, 0}, 4, {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24});
  const std::vector<double> uneven = {2.5, 1.7, 1, -0.2};
  const auto weights = mean_weights(uneven, 3);
  double mean = 0;
  for (size_t k = 0; k < 4; ++k) mean += weights[k] * std::pow(uneven[k], 3);
  CHECK(mean == Approx((std::pow(3, 4) - std::pow(2.5, 4)) / 4 / 0.5));
}

TEST_CASE("noise on the way keeps mean and variance, with an error of first order", "[solvers]") {
  const double eta = GENERATE(0.5, 1.0);
  const auto bias = [&](size_t n) {
    const std::vector<Step> steps = even_steps(n);
    double mean = steps[0].from.alpha * kMean, spread = variance(steps[0].from);
    for (const Step& step : steps) {
      const Factors f = ddim_factors(step, eta);
      const double slope = step.from.alpha * kDeviation * kDeviation / variance(step.from);
      const double gain = f.x + f.data * slope;
      mean = gain * mean + f.data * (kMean - slope * step.from.alpha * kMean);
      spread = gain * gain * spread + f.noise * f.noise;
    }
    CHECK(mean == Approx(steps.back().to.alpha * kMean).margin(1e-9));
    return std::abs(spread - variance(steps.back().to));
  };
  CHECK(std::log2(bias(200) / bias(400)) == Approx(1).margin(0.15));
}

TEST_CASE("churn adds what lies between two levels, within its bounds", "[solvers]") {
  CHECK(churn_gamma(1, 40, 50, 0.05, 50) == Approx(std::sqrt(2.0) - 1));
  CHECK(churn_gamma(1, 5, 50, 0.05, 50) == Approx(0.1));
  CHECK(churn_gamma(0.01, 40, 50, 0.05, 50) == 0);
  const Level at{0.8, 0.6, 0}, hat{0.6, 0.8, 0};
  const Factors f = churn_factors(at, hat, 1);
  CHECK(f.x * at.alpha == Approx(hat.alpha));
  CHECK(f.x * f.x * at.sigma * at.sigma + f.noise * f.noise == Approx(hat.sigma * hat.sigma));
}

TEST_CASE("schedules of no steps, or of too many, are refused with what was found", "[solvers]") {
  CHECK_THROWS_WITH(ddim_steps({}, 0, true), Catch::Contains("0 steps, expected 1 to 1000"));
  CHECK_THROWS_WITH(euler_steps({}, 1001), Catch::Contains("1001 steps"));
  CHECK_THROWS_WITH(flow_steps(0, 1, 1), Catch::Contains("0 steps"));
  CHECK_THROWS_WITH(flow_steps(4, 0, 0.25), Catch::Contains("shift is 0"));
  CHECK_THROWS_WITH(flow_steps(4, 1, 0.25, 1), Catch::Contains("terminal sigma is 1"));
  CHECK_THROWS_WITH(flow_steps(4, 1, 0), Catch::Contains("last sigma is 0"));
}

}  // namespace winnow::diffusion

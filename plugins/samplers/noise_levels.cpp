#include "noise_levels.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

namespace winnow::diffusion {
namespace {

constexpr double kRho = 7;
constexpr double kLargestBeta = 0.999;
constexpr double kTrainTimes = 1000;  // of flow models

void check(const DiscreteSchedule& schedule, uint32_t n) {
  if (n >= 1 && n <= schedule.train_steps) return;
  throw std::invalid_argument(std::to_string(n) + " steps, expected 1 to " +
                              std::to_string(schedule.train_steps));
}

double spread(double from, double to, uint32_t i, uint32_t n) {
  return n < 2 ? from : from + (to - from) * i / (n - 1);
}

double cosine_alpha(double t) {
  const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
  return c * c;
}

double beta_at(const DiscreteSchedule& s, uint32_t i) {
  const double n = s.train_steps;
  switch (s.betas) {
    case Betas::kLinear:
      return spread(s.beta_start, s.beta_end, i, s.train_steps);
    case Betas::kScaledLinear: {
      const double root = spread(std::sqrt(s.beta_start), std::sqrt(s.beta_end), i, s.train_steps);
      return root * root;
    }
    case Betas::kCosine:
      return std::min(1 - cosine_alpha((i + 1) / n) / cosine_alpha(i / n), kLargestBeta);
  }
  return 0;
}

// Even, as numpy rounds.
double rounded(double x) { return std::nearbyint(x); }

// From the most noise down; kLinspace between training times unless `whole`.
std::vector<double> times_of(const DiscreteSchedule& s, uint32_t n, bool whole) {
  std::vector<double> times;
  const double all = s.train_steps;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t back = n - 1 - i;
    double time = 0;
    if (s.spacing == Spacing::kLeading) time = back * (s.train_steps / n) + s.offset;
    if (s.spacing == Spacing::kTrailing) time = rounded(all - i * (all / n)) - 1;
    if (s.spacing == Spacing::kLinspace) time = n < 2 ? 0 : (all - 1) * back / (n - 1);
    times.push_back(whole ? rounded(time) : time);
  }
  return times;
}

Level at_cumprod(double alphas, double time) {
  return {std::sqrt(alphas), std::sqrt(1 - alphas), time};
}

Level at_ratio(double ratio, double time) {
  const double alpha = 1 / std::sqrt(1 + ratio * ratio);
  return {alpha, ratio * alpha, time};
}

double ratio_of(double alphas) { return std::sqrt((1 - alphas) / alphas); }

// Between training times the ratio is interpolated.
Level at_time(const std::vector<double>& alphas, double time) {
  const double last = static_cast<double>(alphas.size() - 1);
  time = std::clamp(time, 0.0, last);
  const auto below = static_cast<size_t>(time);
  if (static_cast<double>(below) == time) return at_cumprod(alphas[below], time);
  const double share = time - static_cast<double>(below);
  return at_ratio((1 - share) * ratio_of(alphas[below]) + share * ratio_of(alphas[below + 1]),
                  time);
}

// The times a network is told stay what the scheduler says, also where they leave the table.
std::vector<Step> down_to_data(std::vector<Level> levels) {
  levels.push_back({1, 0, 0});
  std::vector<Step> steps;
  for (size_t i = 0; i + 1 < levels.size(); ++i) steps.push_back({levels[i], levels[i + 1]});
  return steps;
}

// The training time whose ratio is `ratio`, linear in its logarithm between two.
double time_of_ratio(const std::vector<double>& alphas, double ratio) {
  size_t high = 1;
  while (high + 1 < alphas.size() && ratio_of(alphas[high]) < ratio) ++high;
  const double low = std::log(ratio_of(alphas[high - 1])), up = std::log(ratio_of(alphas[high]));
  const double share = std::clamp((std::log(ratio) - low) / (up - low), 0.0, 1.0);
  return static_cast<double>(high - 1) + share;
}

std::vector<Level> karras_levels(const std::vector<double>& alphas, uint32_t n, bool whole) {
  const double top = std::pow(ratio_of(alphas.back()), 1 / kRho);
  const double bottom = std::pow(ratio_of(alphas.front()), 1 / kRho);
  std::vector<Level> levels;
  for (uint32_t i = 0; i < n; ++i) {
    const double ratio = std::pow(spread(top, bottom, i, n), kRho);
    const double time = time_of_ratio(alphas, ratio);
    levels.push_back(at_ratio(ratio, whole ? rounded(time) : time));
  }
  return levels;
}

}  // namespace

std::vector<double> alphas_cumprod(const DiscreteSchedule& schedule) {
  std::vector<double> out;
  double product = 1;
  for (uint32_t i = 0; i < schedule.train_steps; ++i)
    out.push_back(product *= 1 - beta_at(schedule, i));
  if (!schedule.zero_terminal_snr) return out;
  const double first = std::sqrt(out.front()), last = std::sqrt(out.back());
  for (double& value : out) {
    const double root = (std::sqrt(value) - last) * first / (first - last);
    value = root * root;
  }
  return out;
}

Level level_of_ratio(const std::vector<double>& alphas_cumprod, double ratio) {
  return at_ratio(ratio, time_of_ratio(alphas_cumprod, ratio));
}

std::vector<Step> ddim_steps(const DiscreteSchedule& schedule, uint32_t n, bool to_data) {
  check(schedule, n);
  const std::vector<double> alphas = alphas_cumprod(schedule);
  std::vector<Step> steps;
  for (const double time : times_of(schedule, n, true)) {
    const double next = time - schedule.train_steps / n;
    const Level last = to_data ? Level{1, 0, 0} : at_cumprod(alphas.front(), 0);
    steps.push_back({at_time(alphas, time), next >= 0 ? at_time(alphas, next) : last});
  }
  return steps;
}

std::vector<Step> euler_steps(const DiscreteSchedule& schedule, uint32_t n) {
  check(schedule, n);
  const std::vector<double> alphas = alphas_cumprod(schedule);
  std::vector<Level> levels;
  for (const double time : times_of(schedule, n, false)) levels.push_back(at_time(alphas, time));
  return down_to_data(std::move(levels));
}

std::vector<Step> multistep_steps(const DiscreteSchedule& schedule, uint32_t n, bool karras) {
  check(schedule, n);
  const std::vector<double> alphas = alphas_cumprod(schedule);
  if (karras) return down_to_data(karras_levels(alphas, n, schedule.betas != Betas::kCosine));
  std::vector<Level> levels;
  for (uint32_t i = 0; i < n; ++i) {
    double time = 0;  // unlike those of Euler: n + 1 times, of which the lowest is left out
    if (schedule.spacing == Spacing::kLeading)
      time = (n - i) * (schedule.train_steps / (n + 1)) + schedule.offset;
    if (schedule.spacing == Spacing::kTrailing) time = times_of(schedule, n, true)[i];
    if (schedule.spacing == Spacing::kLinspace)
      time = rounded((schedule.train_steps - 1.0) * (n - i) / n);
    levels.push_back(at_time(alphas, time));
  }
  return down_to_data(std::move(levels));
}

std::vector<Step> flow_steps(uint32_t n, double shift, double last, double terminal) {
  if (n < 1) throw std::invalid_argument("0 steps, expected 1 or more");
  if (!(shift > 0))
    throw std::invalid_argument("shift is " + std::to_string(shift) + ", expected more than 0");
  if (!(last > 0 && last <= 1))
    throw std::invalid_argument("the last sigma is " + std::to_string(last) +
                                ", expected more than 0, at most 1");
  if (!(terminal >= 0 && terminal < 1))
    throw std::invalid_argument("the terminal sigma is " + std::to_string(terminal) +
                                ", expected 0, or more and less than 1");
  const auto shifted = [&](double even) { return shift * even / (1 + (shift - 1) * even); };
  const double lowest = shifted(spread(1, last, n - 1, n));
  const bool stretched = terminal > 0 && lowest < 1;
  std::vector<Level> levels;
  for (uint32_t i = 0; i < n; ++i) {
    double sigma = shifted(spread(1, last, i, n));
    if (stretched) sigma = 1 - (1 - sigma) * (1 - terminal) / (1 - lowest);
    levels.push_back({1 - sigma, sigma, kTrainTimes * sigma});
  }
  return down_to_data(std::move(levels));
}

double dynamic_shift(double tokens, double base_tokens, double max_tokens, double base_mu,
                     double max_mu) {
  const double slope = (max_mu - base_mu) / (max_tokens - base_tokens);
  return std::exp(base_mu + slope * (tokens - base_tokens));
}

}  // namespace winnow::diffusion

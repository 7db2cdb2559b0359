// Solvers for the linear interpolant x_t = (1 - t) data + t noise, t from 1 (noise) to 0 (data).
//
// With the velocity u = dx/dt = noise - data, everything a step does is linear in x, u and fresh
// noise, so a solver is no more than the coefficients below: the sampler applies them to its
// tensors. Needs no LibTorch.
//
//   clean prediction   x0    = x - t u
//   noise prediction   e     = x + (1 - t) u
//   score              s     = -e / t
//   Euler, Heun        dx    = u dt
//   reverse SDE        dx    = (u - g^2/2 s) dt + g dw
// The SDE has the same marginals as the ODE whatever g is (Ma et al., 2024, arXiv:2401.08740, eq. 5
// and 6). The diffusions, times a strength:
//   sigma      g^2 = t           g^2/2 s = -e/2, finite at every t
//   constant   g^2 = 1
//   square     g^2 = t^4         g = 3 t^2 (Kim et al., 2025, arXiv:2503.19385) is strength 9
//   vp         g^2 = 2 t/(1-t)   the SDE of the variance-preserving path (DDPM), seen from here:
// with a = (1-t)/c, s = t/c, c^2 = (1-t)^2 + t^2, that path x/c has alpha^2 + sigma^2 = 1, so the
// change of the interpolant is this g and a spacing of times. It is infinite at t = 1, so its step
// is the ancestral one, exact where the clean prediction is constant:
//   x' = (1-t') x0 + sqrt(t'^2 - v) e + sqrt(v) z,  v = strength t'^2 (1 - ((1-t) t'/((1-t') t))^2)
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace winnow::flow {

enum class Solver { kEuler, kHeun, kEulerMaruyama };

inline Solver parse_solver(const std::string& name) {
  if (name == "euler") return Solver::kEuler;
  if (name == "heun") return Solver::kHeun;
  if (name == "euler_maruyama") return Solver::kEulerMaruyama;
  throw std::invalid_argument("solver is \"" + name + "\", expected euler, heun or euler_maruyama");
}

enum class Diffusion { kSigma, kConstant, kSquare, kVp };

inline Diffusion parse_diffusion(const std::string& name) {
  if (name == "sigma") return Diffusion::kSigma;
  if (name == "constant") return Diffusion::kConstant;
  if (name == "square") return Diffusion::kSquare;
  if (name == "vp") return Diffusion::kVp;
  throw std::invalid_argument("diffusion is \"" + name +
                              "\", expected sigma, constant, square or vp");
}

// The solver of a candidate: stochasticity 0 keeps the sampler's own, below 0 is its deterministic
// part, above 0 is the SDE with the strength multiplied.
inline Solver effective_solver(Solver own, double stochasticity) {
  if (stochasticity > 0) return Solver::kEulerMaruyama;
  if (stochasticity < 0 && own == Solver::kEulerMaruyama) return Solver::kEuler;
  return own;
}
inline double effective_strength(double own, double stochasticity) {
  return stochasticity > 0 ? own * stochasticity : own;
}

// Heun takes the last step, where its second evaluation would stand at t = 0, as an Euler step.
inline bool has_second_evaluation(Solver solver, double to) {
  return solver == Solver::kHeun && to > 0;
}
inline double step_nfe(Solver solver, double to) {
  return has_second_evaluation(solver, to) ? 2 : 1;
}

// How steps are spread: evenly in t, or in the time r of the variance-preserving path with its
// linear beta from 0.1 to 20, where log alpha = -(beta_1 - beta_0) r^2 / 4 - beta_0 r / 2 and
// t = sigma / (alpha + sigma). vp_early has r = sqrt(1 - (1 - q)^2) with q even: shorter steps near
// noise still (Kim et al., 2025).
enum class Spacing { kUniform, kVp, kVpEarly };

inline Spacing parse_spacing(const std::string& name) {
  if (name == "uniform") return Spacing::kUniform;
  if (name == "vp") return Spacing::kVp;
  if (name == "vp_early") return Spacing::kVpEarly;
  throw std::invalid_argument("spacing is \"" + name + "\", expected uniform, vp or vp_early");
}

constexpr double kBeta0 = 0.1, kBeta1 = 20;

// The evenly spread number that stands for time t, in [0, 1], and back.
inline double even_of_time(double t, Spacing spacing) {
  if (spacing == Spacing::kUniform || t <= 0) return t;
  const double slope = (kBeta1 - kBeta0) / 4,
               log_alpha = std::log1p(-t) - 0.5 * std::log((1 - t) * (1 - t) + t * t);
  double r =
      t >= 1 ? 1
             : (std::sqrt(kBeta0 * kBeta0 / 4 - 4 * slope * log_alpha) - kBeta0 / 2) / (2 * slope);
  r = std::min(r, 1.0);
  return spacing == Spacing::kVp ? r : 1 - std::sqrt(1 - r * r);
}
inline double time_of_even(double even, Spacing spacing) {
  if (spacing == Spacing::kUniform) return even;
  const double r = spacing == Spacing::kVp ? even : std::sqrt(1 - (1 - even) * (1 - even));
  const double alpha = std::exp(-(kBeta1 - kBeta0) / 4 * r * r - kBeta0 / 2 * r);
  const double sigma = std::sqrt(1 - alpha * alpha);
  return sigma / (alpha + sigma);
}

// steps + 1 times, the ends exact. Times are stops of journalled candidates, so no last digit of a
// machine's exp and log may be in them.
inline std::vector<double> spaced_times(double from, double to, uint32_t steps,
                                        Spacing spacing = Spacing::kUniform) {
  const double first = even_of_time(from, spacing), last = even_of_time(to, spacing);
  std::vector<double> times(steps + 1);
  for (uint32_t k = 0; k <= steps; ++k)
    times[k] = time_of_even(
        first + (last - first) * (static_cast<double>(k) / static_cast<double>(steps)), spacing);
  if (spacing != Spacing::kUniform)
    for (double& time : times) time = std::round(time * 0x1p36) * 0x1p-36;
  times.front() = from;
  times.back() = to;
  return times;
}
// steps + 1 equally spaced times, the ends exact.
inline std::vector<double> uniform_times(double from, double to, uint32_t steps) {
  return spaced_times(from, to, steps);
}

// `from`, the times of the falling `schedule` strictly between, `to`; one time alone when nothing
// is to be done.
inline std::vector<double> times_between(const std::vector<double>& schedule, double from,
                                         double to) {
  std::vector<double> times = {from};
  for (const double t : schedule) {
    if (t < from && t > to) times.push_back(t);
  }
  if (to < from) times.push_back(to);
  return times;
}

// x' = x_factor x + u_factor u + noise_factor e, e standard normal.
struct StepFactors {
  double x = 1, u = 0, noise = 0;
};

// The whole Euler step, and the predictor of Heun.
inline StepFactors euler_factors(double from, double to) { return {1, to - from, 0}; }

// The last step, to t = 0, is the clean prediction: noise added there would stay in the sample.
inline StepFactors sde_factors(double from, double to, double strength,
                               Diffusion diffusion = Diffusion::kSigma) {
  if (to <= 0) return euler_factors(from, to);
  if (diffusion == Diffusion::kVp) {
    const double ratio = (1 - from) * to / ((1 - to) * from);
    const double variance = std::min(strength, 1.0) * to * to * (1 - ratio * ratio);
    const double kept = std::sqrt(std::max(0.0, to * to - variance));
    return {1 - to + kept, -(1 - to) * from + kept * (1 - from), std::sqrt(variance)};
  }
  const double dt = from - to;
  const double shape = diffusion == Diffusion::kSigma      ? from
                       : diffusion == Diffusion::kConstant ? 1
                                                           : from * from * from * from;
  const double pull = 0.5 * strength * dt * (shape / from);
  return {1 - pull, -dt - pull * (1 - from), std::sqrt(strength * shape * dt)};
}

// Forward noising from -> to, to > from, keeping the marginals: with a = 1 - t
//   x' = (a'/a) x + sqrt(t'^2 - (a'/a)^2 t^2) e
inline StepFactors renoise_factors(double from, double to) {
  const double ratio = (1 - to) / (1 - from);
  const double variance = to * to - ratio * ratio * from * from;
  return {ratio, 0, std::sqrt(variance > 0 ? variance : 0)};
}

}  // namespace winnow::flow

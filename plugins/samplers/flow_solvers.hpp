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
//   reverse SDE        dx    = (u - g^2/2 s) dt + g dw,  g^2 = strength t
// The SDE has the same marginals as the ODE for every strength (Ma et al., 2024, arXiv:2401.08740,
// eq. 5 and 6; this g is their diffusion form "sigma"). With it g^2/2 s = -strength/2 e, which is
// finite at every t.
#pragma once

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

// steps + 1 equally spaced times, the ends exact.
inline std::vector<double> uniform_times(double from, double to, uint32_t steps) {
  std::vector<double> times(steps + 1);
  for (uint32_t k = 0; k <= steps; ++k) {
    times[k] = from + (to - from) * (static_cast<double>(k) / static_cast<double>(steps));
  }
  times.front() = from;
  times.back() = to;
  return times;
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
inline StepFactors euler_maruyama_factors(double from, double to, double strength) {
  if (to <= 0) return euler_factors(from, to);
  const double dt = from - to;
  const double pull = 0.5 * strength * dt;
  return {1 - pull, -dt - pull * (1 - from), std::sqrt(strength * from * dt)};
}

// Forward noising from -> to, to > from, keeping the marginals: with a = 1 - t
//   x' = (a'/a) x + sqrt(t'^2 - (a'/a)^2 t^2) e
inline StepFactors renoise_factors(double from, double to) {
  const double ratio = (1 - to) / (1 - from);
  const double variance = to * to - ratio * ratio * from * from;
  return {ratio, 0, std::sqrt(variance > 0 ? variance : 0)};
}

}  // namespace winnow::flow

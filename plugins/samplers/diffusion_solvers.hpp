// Solvers for models whose state is x = alpha data + sigma noise, whatever alpha and sigma are:
// variance preserving, exploding, or the linear interpolant of flows. Needs no LibTorch.
//
// With d the prediction of the data at the state x, and r = sigma / alpha, everything a step does
// is linear in x, d and fresh noise, so a solver is no more than the coefficients below.
//
//   DDIM, Euler         x' = (sigma'/sigma) x + (alpha' - alpha sigma'/sigma) d
//     Song et al., 2021, arXiv:2010.02502, eq. 12, eta 0. The Euler step of the ODE in r, and,
//     where alpha = 1 - sigma, that of the flow.
//   eta                 the same to a lower level, then noise of std alpha' up:
//                       up = eta r' sqrt(1 - r'^2 / r^2),  r_down^2 = r'^2 - up^2
//     eta 1 is DDPM (Ho et al., 2020, arXiv:2006.11239, eq. 7, small variance) and Euler ancestral.
//   DPM-Solver++(2M)    as Euler, with d + (d - d_before) / (2 q), q = h_before / h, for d;
//                       h = log r - log r'. Lu et al., 2022, arXiv:2211.01095, algorithm 2.
//   PNDM without its Runge-Kutta steps (PLMS)
//                       x'/alpha' = x/alpha + (r' - r) sum w e, e = (x - alpha d) / sigma, here and
//                       at up to three steps before, w of Adams and Bashforth; the first step is
//                       Heun's. Liu et al., 2022, arXiv:2202.09778, eq. 9 and 12. Of second order.
//   Heun                x'/alpha' = x/alpha + (r' - r) (k + k') / 2, k = (x/alpha - d) / r, k' that
//                       of Euler's end. Karras et al., 2022, arXiv:2206.00364, algorithm 1.
//   churn               up to r_hat = (1 + gamma) r by noise: x_hat/alpha_hat = x/alpha +
//                       sqrt(r_hat^2 - r^2) noise. The same paper, algorithm 2.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "noise_levels.hpp"

namespace winnow::diffusion {

// What a network predicts: the noise, alpha noise - sigma data, the data, or noise - data.
enum class Prediction { kEpsilon, kV, kSample, kFlow };

// d = x_factor x + output_factor output.
struct ToData {
  double x = 0, output = 1;
};
inline ToData to_data(Prediction prediction, const Level& at) {
  switch (prediction) {
    case Prediction::kEpsilon:
      return {1 / at.alpha, -at.ratio()};
    case Prediction::kV:
      return {at.alpha / (at.alpha * at.alpha + at.sigma * at.sigma),
              -at.sigma / (at.alpha * at.alpha + at.sigma * at.sigma)};
    case Prediction::kSample:
      return {0, 1};
    case Prediction::kFlow:
      return {1 / (at.alpha + at.sigma), -at.sigma / (at.alpha + at.sigma)};
  }
  return {};
}

// x' = x_factor x + data_factor d + sum before_factor p_before + noise_factor e, e standard normal;
// p_before: what was predicted at the steps before, the newest first.
struct Factors {
  double x = 1, data = 0;
  std::array<double, 3> before{};
  double noise = 0;
};

inline Factors euler_factors(const Step& step) {
  const double kept = step.to.sigma / step.from.sigma;
  return {kept, step.to.alpha - step.from.alpha * kept, {}, 0};
}

inline Factors ddim_factors(const Step& step, double eta) {
  const double r = step.from.ratio(), to = step.to.ratio();
  const double up = eta * to * std::sqrt(std::max(0.0, 1 - to * to / (r * r)));
  const double down = std::sqrt(std::max(0.0, to * to - up * up));
  return {step.to.alpha * down / step.from.sigma,
          step.to.alpha * (1 - down / r),
          {},
          step.to.alpha * up};
}

// `before`: where the step before this one began, with the prediction d_before. Euler's for the
// first step, and for the one that ends at the data.
inline Factors multistep_factors(const Level& before, const Step& step) {
  Factors factors = euler_factors(step);
  const double h = std::log(step.from.ratio()) - std::log(step.to.ratio());
  const double share = 0.5 * h / (std::log(before.ratio()) - std::log(step.from.ratio()));
  factors.before[0] = -share * factors.data;
  factors.data *= 1 + share;
  return factors;
}

// Weights of a function's values at 1 to 4 places in its mean from the first of them to `to`, by
// the polynomial through the values.
inline std::array<double, 4> mean_weights(std::span<const double> places, double to) {
  const double middle = (places[0] + to) / 2, reach = (to - places[0]) / (2 * std::sqrt(3.0));
  std::array<double, 4> weights{};
  for (const double node :
       {middle - reach, middle + reach})  // Gauss and Legendre: exact for cubics
    for (size_t i = 0; i < places.size(); ++i) {
      double basis = 0.5;
      for (size_t j = 0; j < places.size(); ++j)
        if (j != i) basis *= (node - places[j]) / (places[i] - places[j]);
      weights[i] += basis;
    }
  return weights;
}

// PLMS: p_before are predictions of the noise. Places are counted in steps of the schedule: where
// this step begins, then up to three before it, and where it ends. Not for a step that begins at
// pure noise.
inline Factors plms_factors(const Step& step, std::span<const double> places, double to) {
  const std::array<double, 4> weights = mean_weights(places, to);
  const double change = step.to.alpha * (step.to.ratio() - step.from.ratio());
  Factors factors{step.to.alpha / step.from.alpha + change * weights[0] / step.from.sigma,
                  -change * weights[0] / step.from.ratio(),
                  {},
                  0};
  for (size_t k = 1; k < places.size(); ++k) factors.before[k - 1] = change * weights[k];
  return factors;
}

// x' = x_factor x + data_factor d + end_factor x_end + end_data_factor d_end, x_end Euler's end and
// d_end the prediction there. Not for a step that ends at the data.
struct HeunFactors {
  double x = 1, data = 0, end = 0, end_data = 0;
};
inline HeunFactors heun_factors(const Step& step) {
  const double r = step.from.ratio(), to = step.to.ratio(), half = 0.5 * (to - r);
  return {step.to.alpha / step.from.alpha * (1 + half / r), -step.to.alpha * half / r, half / to,
          -step.to.alpha * half / to};
}

// The same for the linear interpolant of flows, alpha = 1 - sigma: half of u = (x - d) / sigma at
// each end. It may begin at pure noise, where the other form cannot.
inline HeunFactors flow_heun_factors(const Step& step) {
  const double half = 0.5 * (step.to.sigma - step.from.sigma);
  return {1 + half / step.from.sigma, -half / step.from.sigma, half / step.to.sigma,
          -half / step.to.sigma};
}

// gamma of a step: churn / steps, at most sqrt(2) - 1, within [low, high] of r.
inline double churn_gamma(double ratio, double churn, uint32_t steps, double low, double high) {
  return ratio >= low && ratio <= high ? std::min(churn / steps, std::sqrt(2.0) - 1) : 0;
}

// Up to `hat`, r_hat >= r; `spread` inflates the noise (S_noise).
inline Factors churn_factors(const Level& at, const Level& hat, double spread) {
  const double added = hat.ratio() * hat.ratio() - at.ratio() * at.ratio();
  return {hat.alpha / at.alpha, 0, {}, hat.alpha * spread * std::sqrt(std::max(0.0, added))};
}

}  // namespace winnow::diffusion

// Which noise levels a sampler of n steps visits, for models whose state is
//
//   x = alpha data + sigma noise
//
// as the schedulers of diffusers choose them, so that a network meets the levels and times that it
// is used with. Needs no LibTorch. Sources: betas of Ho et al., 2020 (arXiv:2006.11239), Rombach et
// al., 2022 (arXiv:2112.10752) and Nichol and Dhariwal, 2021 (arXiv:2102.09672); spacing and zero
// terminal SNR of Lin et al., 2024 (arXiv:2305.08891); rho of Karras et al., 2022
// (arXiv:2206.00364, eq. 5); shift of Esser et al., 2024 (arXiv:2403.03206, eq. 23).
#pragma once

#include <cstdint>
#include <vector>

namespace winnow::diffusion {

struct Level {
  double alpha = 1, sigma = 0;
  double time = 0;  // what the network is told
  double ratio() const { return sigma / alpha; }
};

// One step. A scheduler may say that the next one begins elsewhere than this one ended.
struct Step {
  Level from, to;
};

enum class Betas { kLinear, kScaledLinear, kCosine };
enum class Spacing { kLeading, kTrailing, kLinspace };

// Variance-preserving models trained at the times 0 (least noise) to train_steps - 1.
struct DiscreteSchedule {
  Betas betas = Betas::kScaledLinear;
  double beta_start = 0.00085, beta_end = 0.012;  // not of kCosine
  uint32_t train_steps = 1000;
  Spacing spacing = Spacing::kLeading;
  uint32_t offset = 1;             // added to the times of kLeading
  bool zero_terminal_snr = false;  // at the last training time no data is left
};

// prod (1 - beta) up to each training time: alpha squared.
std::vector<double> alphas_cumprod(const DiscreteSchedule& schedule);

// The level of this ratio and the training time, a fraction, whose ratio it is. The logarithm of
// the ratio is linear between two training times; beyond them the nearest one is told.
Level level_of_ratio(const std::vector<double>& alphas_cumprod, double ratio);

// Where each way to step stands. All throw std::invalid_argument unless 1 <= n <= train_steps.
//
// DDIM and DDPM: each step goes down by train_steps / n training times; below time 0 stands the
// data
// (`to_data`), or the level of time 0.
std::vector<Step> ddim_steps(const DiscreteSchedule& schedule, uint32_t n, bool to_data);
// Euler, Heun and Euler ancestral; the last step ends at the data. The levels between training
// times, which kLinspace asks for, are interpolated.
std::vector<Step> euler_steps(const DiscreteSchedule& schedule, uint32_t n);
// DPM-Solver++; the last step ends at the data. `karras`: ratios spaced with rho 7 between those of
// the first and the last training time.
std::vector<Step> multistep_steps(const DiscreteSchedule& schedule, uint32_t n, bool karras);

// Flow matching: alpha = 1 - sigma, the network is told 1000 sigma. sigma falls evenly from 1 to
// `last`, is then shifted to shift sigma / (1 + (shift - 1) sigma), and ends at the data. With
// `terminal` above 0 the sigmas are stretched away from 1, so that the last one is that (LTX). Here
// n may be anything from 1. Throws std::invalid_argument unless shift > 0, 0 < last <= 1 and
// 0 <= terminal < 1.
std::vector<Step> flow_steps(uint32_t n, double shift, double last, double terminal = 0);

// The shift of a picture of so many tokens (FLUX): exp(mu), mu linear in them.
double dynamic_shift(double tokens, double base_tokens = 256, double max_tokens = 4096,
                     double base_mu = 0.5, double max_mu = 1.15);

}  // namespace winnow::diffusion

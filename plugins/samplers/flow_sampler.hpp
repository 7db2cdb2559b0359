// What every sampler on the linear interpolant does, whatever conditions its network: schedules,
// solver steps, previews, renoising and gradients. The formulas stand in flow_solvers.hpp.
//
// A plugin derives from FlowSampler<itself, Condition> and adds
//   FlowShape shape() const
//     of the latents
//   double flops() const
//     of one pass for one item
//   Condition conditions(const wn::SamplerBatch&)
//     of the items; fails those that it cannot read
//   Condition with_null(const Condition&) const
//     the same, then as many without a condition
//   at::Tensor network(x, s, const Condition&) const
//     dx/ds = data - noise at s = 1 - t; x in the precision of the network
// and, where latents are no pixels,
//   FlowShape picture_shape() const
//   at::Tensor pictures(const at::Tensor& latents) const
//     of latents at t = 0, black -1 and white 1; differentiable
//   int64_t guided_channels() const
//     guidance acts on the first so many channels; 0: on all
//
// Its options are solver, steps, search_steps, cfg_scale, noise_strength, diffusion, spacing,
// precision, device and threads, as in sit.toml.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "flow_solvers.hpp"
#include "path_gradient.hpp"
#include "torch_runtime.hpp"

namespace winnow::flow {

struct FlowShape {
  int64_t channels = 1, size = 1;  // [channels, size, size]
};

inline constexpr uint32_t kPreferredBatch = 64, kMaxBatch = 256;
inline constexpr double kBackwardNfe = 2;  // a backward pass costs about twice a forward pass
inline constexpr double kVjpForwardNfe =
    2;  // the forward pass to the sample, and each step made again

template <class Sampler, class Condition>
class FlowSampler {
 public:
  explicit FlowSampler(const wn::Options& options)
      : device_(parse_device(options.str("device"))),
        precision_(parse_precision(options.str("precision"))),
        solver_(parse_solver(options.str("solver"))),
        diffusion_(parse_diffusion(options.str("diffusion"))),
        spacing_(parse_spacing(options.str("spacing"))),
        strength_(options.f64("noise_strength")),
        guidance_(options.f64("cfg_scale")),
        threads_(static_cast<int>(options.i64("threads"))) {
    if (strength_ > 0) check_strength(strength_);
    const auto steps = static_cast<uint32_t>(options.i64("steps"));
    const auto search_steps = static_cast<uint32_t>(options.i64("search_steps"));
    times_[WN_PROFILE_FINAL] = spaced_times(1, 0, steps, spacing_);
    times_[WN_PROFILE_SEARCH] = spaced_times(1, 0, search_steps ? search_steps : steps, spacing_);
  }

  wn_sampler_info info(uint32_t profile) {
    const std::vector<double>& times = schedule(profile);
    const FlowShape latent = self().shape(), picture = self().picture_shape();
    wn_sampler_info out{};
    out.flags = WN_F_MIXED_TIMES | WN_F_DETERMINISTIC | WN_F_PREVIEW_VJP;
    if (solver_ == Solver::kEulerMaruyama && strength_ > 0) out.flags |= WN_F_STOCHASTIC;
    out.n_steps = static_cast<uint32_t>(times.size() - 1);
    out.preferred_batch = kPreferredBatch;
    out.max_batch = kMaxBatch;
    out.latent_dtype = wn::dtype_of<float>();
    out.latent_ndim = out.sample_ndim = 3;
    std::copy_n(std::array{latent.channels, latent.size, latent.size}.begin(), 3, out.latent_shape);
    std::copy_n(std::array{picture.channels, picture.size, picture.size}.begin(), 3,
                out.sample_shape);
    out.carry_elems =
        static_cast<uint64_t>(latent.channels * latent.size * latent.size);  // the velocity
    out.times = times.data();
    out.noise_scale = times.data();  // the noise of x_t has the standard deviation t
    out.preview_nfe = 1;
    out.preview_credit = 1;
    out.backward_nfe = kBackwardNfe;
    out.vjp_forward_nfe = kVjpForwardNfe;
    out.network_passes = guided() ? 2 : 1;
    out.flops = self().flops();
    return out;
  }

  wn::Leg leg(uint32_t profile, double from, double to, double stochasticity, uint32_t steps) {
    if (!(to >= 0 && to < from && from <= 1)) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, "a leg from time " + std::to_string(from) + " to " +
                                                 std::to_string(to) +
                                                 ", expected 1 >= from > to >= 0");
    }
    if (stochasticity > 0) check_strength(effective_strength(strength_, stochasticity));
    const Solver solver = effective_solver(solver_, stochasticity);
    wn::Leg leg;
    leg.times = steps ? spaced_times(from, to, steps, spacing_)
                      : times_between(schedule(profile), from, to);
    for (size_t k = 1; k < leg.times.size(); ++k) {
      leg.nfe.push_back(step_nfe(solver, leg.times[k]));
    }
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    self().conditions(batch);  // items that ask for what cannot be made fail here, before any step
    batch.initial_noise(batch.latents_raw());
    clear_evaluations(batch);
  }

  void step(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const size_t n = batch.size();
    std::vector<StepFactors> factors(n);
    std::vector<float> corrected(n, 0.0f);  // 1: Heun's second evaluation counts
    bool any_noise = false, any_corrected = false;
    for (size_t i = 0; i < n; ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      const double stochasticity = batch.stochasticity()[i];
      const Solver solver = effective_solver(solver_, stochasticity);
      const double strength = effective_strength(strength_, stochasticity);
      factors[i] = solver == Solver::kEulerMaruyama ? sde_factors(from, to, strength, diffusion_)
                                                    : euler_factors(from, to);
      corrected[i] = has_second_evaluation(solver, to) ? 1.0f : 0.0f;
      any_noise |= factors[i].noise != 0;
      any_corrected |= corrected[i] != 0;
    }

    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const at::Tensor x = latents.to(device_);
    const Condition condition = self().conditions(batch);
    const at::Tensor u = first_velocity(batch, x, condition);
    at::Tensor next = column(factors, &StepFactors::x) * x;
    next = next + column(factors, &StepFactors::u) * u;
    if (any_noise) {
      const at::Tensor noise = step_noise_of(batch);
      next = next + column(factors, &StepFactors::noise) * noise.to(device_);
    }
    if (any_corrected) {
      batch.call().check_stop();
      const at::Tensor second = velocity(next, batch.to_time(), condition);
      const at::Tensor half = 0.5 * column(factors, &StepFactors::u);
      next = at::where(column(corrected) > 0, x + half * (u + second), next);
    }
    latents.copy_(next);
    clear_evaluations(batch);
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_);
    const at::Tensor u = first_velocity(batch, x, self().conditions(batch));
    wn::torch_view(clean).copy_(x - column(batch.from_time()) * u);
    wn::torch_view(*batch.carry_raw()).copy_(u.flatten(1));
    std::fill(batch.has_eval().begin(), batch.has_eval().end(), uint8_t{1});
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_);
    // One by one: memory does not grow with the batch, and no sample depends on its neighbours.
    for (int64_t i = 0; i < x.size(0); ++i) {
      const at::Tensor picture = self().pictures(x.narrow(0, i, 1));
      wn::torch_view(samples).narrow(0, i, 1).copy_(((picture + 1) / 2).clamp(0, 1));
    }
  }

  void renoise(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    std::vector<StepFactors> factors;
    for (size_t i = 0; i < batch.size(); ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      if (!(from >= 0 && from < to && to <= 1)) {
        throw wn::Error(WN_E_INVALID_ARGUMENT, "renoising from time " + std::to_string(from) +
                                                   " to " + std::to_string(to) +
                                                   ", expected 0 <= from < to <= 1");
      }
      factors.push_back(renoise_factors(from, to));
    }
    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const at::Tensor noise = initial_noise_of(batch);
    const at::Tensor x = latents.to(device_);
    latents.copy_(column(factors, &StepFactors::x) * x +
                  column(factors, &StepFactors::noise) * noise.to(device_));
    clear_evaluations(batch);
  }

  // Exact through decode's clamp, too: a pixel beyond black or white does not answer to its
  // latents, so its gradient is 0. Passed straight through it would take its share of a move whose
  // length is fixed, and change nothing.
  void vjp(const wn::SamplerBatch& batch, const wn_tensor& d_samples, const wn_tensor& d_latents) {
    const ThreadsGuard threads(threads_);
    if (batch.to_time()[0] > 0) return preview_vjp(batch, d_samples, d_latents);
    const std::optional<Solver> solver = path_solver(batch);
    if (!solver) return;
    const std::vector<double>& times = schedule(batch.profile());
    const Condition condition = self().conditions(batch);
    const at::Tensor d = wn::torch_view(d_samples).to(device_);
    const auto step = [&](const at::Tensor& x, size_t k) {
      batch.call().check_stop();
      return ode_step(*solver, x, times[k], times[k + 1], condition);
    };
    const auto through_decode = [&](const at::Tensor& end) {
      const at::AutoGradMode graph(true);
      at::Tensor gradient = at::empty_like(end);
      for (int64_t i = 0; i < end.size(0); ++i) {  // one graph at a time, as decode
        const at::Tensor x = end.narrow(0, i, 1).detach().requires_grad_();
        const at::Tensor y = self().pictures(x);
        y.backward(0.5 * d.narrow(0, i, 1) * (y >= -1).logical_and(y <= 1));
        gradient.narrow(0, i, 1).copy_(x.grad());
      }
      return gradient;
    };
    wn::torch_view(d_latents).copy_(path_gradient(wn::torch_view(batch.latents_raw()).to(device_),
                                                  times.size() - 1, step, through_decode));
  }

  // What holds for pixels.
  FlowShape picture_shape() const { return self().shape(); }
  at::Tensor pictures(const at::Tensor& latents) const { return latents; }
  int64_t guided_channels() const { return 0; }

 protected:
  at::Device device() const { return device_; }
  at::ScalarType precision() const { return precision_; }

 private:
  Sampler& self() { return static_cast<Sampler&>(*this); }
  const Sampler& self() const { return static_cast<const Sampler&>(*this); }
  bool guided() const { return guidance_ != 1.0; }
  const std::vector<double>& schedule(uint32_t profile) const {
    return times_[profile == WN_PROFILE_SEARCH ? WN_PROFILE_SEARCH : WN_PROFILE_FINAL];
  }

  // Of the SDE, the sampler's own or a candidate's.
  void check_strength(double strength) const {
    if (strength == 0)
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      "noise_strength is 0: there is nothing to multiply");
    if (diffusion_ == Diffusion::kVp && strength > 1)
      throw wn::Error(WN_E_INVALID_ARGUMENT,
                      "noise_strength is " + std::to_string(strength) +
                          ", expected at most 1 with diffusion vp, where 1 renews all noise that "
                          "can be renewed");
  }

  // One number per item, ready to multiply latents: [n, 1, 1, 1] float32.
  template <class Numbers>
  at::Tensor column(const Numbers& numbers) const {
    const auto n = static_cast<int64_t>(numbers.size());
    at::Tensor out = at::empty({n, 1, 1, 1}, at::kFloat);
    std::copy(numbers.begin(), numbers.end(), out.data_ptr<float>());
    return out.to(device_);
  }
  at::Tensor column(const std::vector<StepFactors>& factors, double StepFactors::*part) const {
    std::vector<double> numbers;
    for (const StepFactors& f : factors) numbers.push_back(f.*part);
    return column(numbers);
  }

  // The network in its own precision, between latents in float32.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& s, const Condition& condition) const {
    return self().network(x.to(precision_), s, condition).to(at::kFloat);
  }

  // u at (x, time), one NFE per item. The networks keep the clock s = 1 - t, on which the velocity
  // is -u; this is the only place where the clocks meet.
  template <class Times>
  at::Tensor velocity(const at::Tensor& x, const Times& times, const Condition& condition) const {
    const at::Tensor s = 1 - column(times).flatten();
    if (!guided()) return -forward(x, s, condition);
    const at::Tensor both = forward(at::cat({x, x}), at::cat({s, s}), self().with_null(condition));
    const auto halves = both.chunk(2);
    const at::Tensor guided = halves[1] + guidance_ * (halves[0] - halves[1]);
    const int64_t channels = self().guided_channels();
    if (channels == 0 || channels >= x.size(1)) return -guided;
    return -at::cat(
        {guided.narrow(1, 0, channels), halves[0].narrow(1, channels, x.size(1) - channels)}, 1);
  }

  // Through the clean prediction at the items' latents, and decode: one evaluation with its graph.
  void preview_vjp(const wn::SamplerBatch& batch, const wn_tensor& d_samples,
                   const wn_tensor& d_latents) {
    batch.call().check_stop();
    const Condition condition = self().conditions(batch);
    const at::AutoGradMode graph(true);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_).clone().requires_grad_();
    const at::Tensor y =
        self().pictures(x - column(batch.from_time()) * velocity(x, batch.from_time(), condition));
    y.backward(0.5 * wn::torch_view(d_samples).to(device_) * (y >= -1).logical_and(y <= 1));
    wn::torch_view(d_latents).copy_(x.grad());
  }

  // The one solver of all items without noise in their steps; the others fail.
  std::optional<Solver> path_solver(const wn::SamplerBatch& batch) const {
    std::optional<Solver> found;
    for (size_t i = 0; i < batch.size(); ++i) {
      const Solver solver = effective_solver(solver_, batch.stochasticity()[i]);
      if (solver != Solver::kEulerMaruyama) {
        found = solver;
        continue;
      }
      batch.fail(i, WN_E_FAILED_PRECONDITION,
                 "the gradient of a path of the SDE was asked for, expected solver euler or heun, "
                 "or stochasticity -1");
    }
    return found;
  }

  // step() for items that stand at one time, as a function that autograd can follow.
  at::Tensor ode_step(Solver solver, const at::Tensor& x, double from, double to,
                      const Condition& condition) const {
    const auto at_time = [&](double t) {
      return std::vector<double>(static_cast<size_t>(x.size(0)), t);
    };
    const at::Tensor u = velocity(x, at_time(from), condition);
    const at::Tensor next = x + (to - from) * u;
    if (!has_second_evaluation(solver, to)) return next;
    return x + 0.5 * (to - from) * (u + velocity(next, at_time(to), condition));
  }

  // u at the latents where the items stand, out of the carry for those that have it there. The
  // network sees the whole batch or nothing, so that its batch shape, hence its rounding, does not
  // depend on who has it.
  at::Tensor first_velocity(const wn::SamplerBatch& batch, const at::Tensor& x,
                            const Condition& condition) const {
    const auto has = batch.has_eval();
    const bool all = std::find(has.begin(), has.end(), 0) == has.end();
    const bool none = std::find(has.begin(), has.end(), 1) == has.end();
    batch.call().check_stop();
    if (none) return velocity(x, batch.from_time(), condition);
    const at::Tensor kept = wn::torch_view(*batch.carry_raw()).to(device_).view(x.sizes());
    if (all) return kept;
    return at::where(column(has) > 0, kept, velocity(x, batch.from_time(), condition));
  }

  static void clear_evaluations(const wn::SamplerBatch& batch) {
    wn::torch_view(*batch.carry_raw()).zero_();
    std::fill(batch.has_eval().begin(), batch.has_eval().end(), uint8_t{0});
  }

  at::Device device_;
  at::ScalarType precision_;
  Solver solver_;
  Diffusion diffusion_;
  Spacing spacing_;
  double strength_, guidance_;
  int threads_;
  std::vector<double> times_[2];
};

}  // namespace winnow::flow

// winnow.sit: class-conditional SiT in pixel space (Ma et al., 2024, arXiv:2401.08740; the sampler
// of the ImageNet experiments of arXiv:2501.09732).
//
//   [sampler]
//   plugin = "winnow.sit"
//   weights = "examples/models/fashion-sit-b.safetensors"
//   solver = "heun"          # 2 NFE a step, the last 1: 13 steps are 25 NFE
//   steps = 13
//
// The network predicts v = dx/ds on the authors' clock s = 1 - t; the velocity on winnow's clock is
// u = dx/dt = -v. `velocity` below is the only place where the clocks meet. Guidance: v = v_null +
// cfg_scale (v_class - v_null). The solvers' formulas stand in flow_solvers.hpp. A candidate that
// asks for stochasticity s > 0 gets the SDE with s * noise_strength, whatever the solver; -1 turns
// the SDE into Euler. precision = "bf16" runs the network, not the solver, in bfloat16: faster
// where the CPU has AVX512-BF16 or AMX, or on a GPU.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <optional>

#include "flow_solvers.hpp"
#include "path_gradient.hpp"
#include "safetensors_torch.hpp"
#include "samplers/sit_network.hpp"
#include "winnow/winnow.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

using namespace winnow;

constexpr uint32_t kPreferredBatch = 64, kMaxBatch = 256;
constexpr int64_t kMaxHeads = 1024;
constexpr double kBackwardNfe = 2;    // a backward pass costs about twice a forward pass
constexpr double kVjpForwardNfe = 2;  // the forward pass to the sample, and each step made again

at::Device parse_device(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu() || (device.is_cuda() && at::hasCUDA())) return device;
  } catch (const c10::Error&) {
    throw wn::Error(WN_E_INVALID_ARGUMENT,
                    "device is \"" + name + "\", expected cpu, cuda or cuda:N");
  }
  throw wn::Error(WN_E_FAILED_PRECONDITION,
                  "device is \"" + name + "\", but this LibTorch reaches the CPU only");
}

at::ScalarType parse_precision(const std::string& name) {
  return name == "bf16" ? at::kBFloat16 : at::kFloat;
}

sit::Network load(const std::string& path, at::Device device, at::ScalarType precision) {
  try {
    const SafetensorsFile file = read_safetensors(path);
    sit::Network net =
        sit::network_from_tensors(to_tensors(file), metadata_integer(file, "heads", 1, kMaxHeads));
    if (net.config.channels != 1 && net.config.channels != 3) {
      throw std::runtime_error(path + ": the network works on " +
                               std::to_string(net.config.channels) +
                               " channels, expected pixels (1 or 3)");
    }
    sit::for_each_tensor(net, [&](const std::string&, at::Tensor& tensor) {
      tensor = tensor.to(device, precision);
    });
    return net;
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

// LibTorch's number of threads belongs to the process, so it is borrowed for the call.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int wanted) : before_(at::get_num_threads()) {
    if (wanted > 0 && wanted != before_) at::set_num_threads(wanted);
  }
  ~ThreadsGuard() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

class Sit {
 public:
  static constexpr const char* kId = "winnow.sit";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SIT;

  Sit(const wn::Host&, const wn::Options& options)
      : device_(parse_device(options.str("device"))),
        precision_(parse_precision(options.str("precision"))),
        net_(load(options.path("weights").string(), device_, precision_)),
        solver_(flow::parse_solver(options.str("solver"))),
        strength_(options.f64("noise_strength")),
        guidance_(options.f64("cfg_scale")),
        threads_(static_cast<int>(options.i64("threads"))) {
    const auto steps = static_cast<uint32_t>(options.i64("steps"));
    const auto search_steps = static_cast<uint32_t>(options.i64("search_steps"));
    times_[WN_PROFILE_FINAL] = flow::uniform_times(1, 0, steps);
    times_[WN_PROFILE_SEARCH] = flow::uniform_times(1, 0, search_steps ? search_steps : steps);
  }

  wn_sampler_info info(uint32_t profile) {
    const std::vector<double>& times = schedule(profile);
    const sit::Config& c = net_.config;
    wn_sampler_info out{};
    out.flags = WN_F_MIXED_TIMES | WN_F_DETERMINISTIC;
    if (solver_ == flow::Solver::kEulerMaruyama) out.flags |= WN_F_STOCHASTIC;
    out.n_steps = static_cast<uint32_t>(times.size() - 1);
    out.preferred_batch = kPreferredBatch;
    out.max_batch = kMaxBatch;
    out.latent_dtype = wn::dtype_of<float>();
    out.latent_ndim = out.sample_ndim = 3;
    for (int64_t* shape : {out.latent_shape, out.sample_shape}) {
      shape[0] = c.channels, shape[1] = c.size, shape[2] = c.size;
    }
    out.carry_elems = static_cast<uint64_t>(c.channels * c.size * c.size);  // the velocity
    out.times = times.data();
    out.noise_scale = times.data();  // the noise of x_t has the standard deviation t
    out.preview_nfe = 1;
    out.preview_credit = 1;
    out.backward_nfe = kBackwardNfe;
    out.vjp_forward_nfe = kVjpForwardNfe;
    out.network_passes = guided() ? 2 : 1;
    out.flops = sit::velocity_flops(c);
    return out;
  }

  wn::Leg leg(uint32_t profile, double from, double to, double stochasticity, uint32_t steps) {
    if (!(to >= 0 && to < from && from <= 1)) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, "a leg from time " + std::to_string(from) + " to " +
                                                 std::to_string(to) +
                                                 ", expected 1 >= from > to >= 0");
    }
    const flow::Solver solver = flow::effective_solver(solver_, stochasticity);
    wn::Leg leg;
    leg.times = steps ? flow::uniform_times(from, to, steps)
                      : flow::times_between(schedule(profile), from, to);
    for (size_t k = 1; k < leg.times.size(); ++k) {
      leg.nfe.push_back(flow::step_nfe(solver, leg.times[k]));
    }
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    labels(batch);  // items of a class that the network does not know fail here, before any step
    batch.initial_noise(batch.latents_raw());
    clear_evaluations(batch);
  }

  void step(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const size_t n = batch.size();
    std::vector<flow::StepFactors> factors(n);
    std::vector<float> corrected(n, 0.0f);  // 1: Heun's second evaluation counts
    bool any_noise = false, any_corrected = false;
    for (size_t i = 0; i < n; ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      const double stochasticity = batch.stochasticity()[i];
      const flow::Solver solver = flow::effective_solver(solver_, stochasticity);
      const double strength = flow::effective_strength(strength_, stochasticity);
      factors[i] = solver == flow::Solver::kEulerMaruyama
                       ? flow::euler_maruyama_factors(from, to, strength)
                       : flow::euler_factors(from, to);
      corrected[i] = flow::has_second_evaluation(solver, to) ? 1.0f : 0.0f;
      any_noise |= factors[i].noise != 0;
      any_corrected |= corrected[i] != 0;
    }

    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const at::Tensor x = latents.to(device_);
    const at::Tensor label = labels(batch);
    const at::Tensor u = first_velocity(batch, x, label);
    at::Tensor next = column(factors, &flow::StepFactors::x) * x;
    next = next + column(factors, &flow::StepFactors::u) * u;
    if (any_noise) {
      const at::Tensor noise = at::empty(latents.sizes(), at::kFloat);
      wn_tensor out = lend(noise);
      batch.step_noise(out);
      next = next + column(factors, &flow::StepFactors::noise) * noise.to(device_);
    }
    if (any_corrected) {
      batch.call().check_stop();
      const at::Tensor second = velocity(next, batch.to_time(), label);
      const at::Tensor half = 0.5 * column(factors, &flow::StepFactors::u);
      next = at::where(column(corrected) > 0, x + half * (u + second), next);
    }
    latents.copy_(next);
    clear_evaluations(batch);
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_);
    const at::Tensor u = first_velocity(batch, x, labels(batch));
    wn::torch_view(clean).copy_(x - column(batch.from_time()) * u);
    wn::torch_view(*batch.carry_raw()).copy_(u.flatten(1));
    std::fill(batch.has_eval().begin(), batch.has_eval().end(), uint8_t{1});
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    const c10::InferenceMode guard;
    wn::torch_view(samples).copy_(((wn::torch_view(batch.latents_raw()) + 1) / 2).clamp(0, 1));
  }

  void renoise(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    std::vector<flow::StepFactors> factors;
    for (size_t i = 0; i < batch.size(); ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      if (!(from >= 0 && from < to && to <= 1)) {
        throw wn::Error(WN_E_INVALID_ARGUMENT, "renoising from time " + std::to_string(from) +
                                                   " to " + std::to_string(to) +
                                                   ", expected 0 <= from < to <= 1");
      }
      factors.push_back(flow::renoise_factors(from, to));
    }
    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const at::Tensor noise = at::empty(latents.sizes(), at::kFloat);
    wn_tensor out = lend(noise);
    batch.initial_noise(out);
    const at::Tensor x = latents.to(device_);
    latents.copy_(column(factors, &flow::StepFactors::x) * x +
                  column(factors, &flow::StepFactors::noise) * noise.to(device_));
    clear_evaluations(batch);
  }

  // Exact through decode's clamp, too: a pixel beyond black or white does not answer to its latent,
  // so its gradient is 0. Passed straight through it would take its share of a move whose length is
  // fixed, and change nothing.
  void vjp(const wn::SamplerBatch& batch, const wn_tensor& d_samples, const wn_tensor& d_latents) {
    const ThreadsGuard threads(threads_);
    const std::optional<flow::Solver> solver = path_solver(batch);
    if (!solver) return;
    const std::vector<double>& times = schedule(batch.profile());
    const at::Tensor label = labels(batch);
    const at::Tensor d = wn::torch_view(d_samples).to(device_);
    const auto step = [&](const at::Tensor& x, size_t k) {
      batch.call().check_stop();
      return ode_step(*solver, x, times[k], times[k + 1], label);
    };
    const auto through_decode = [&](const at::Tensor& x) {
      return 0.5 * d * (x >= -1).logical_and(x <= 1);
    };
    wn::torch_view(d_latents).copy_(path_gradient(wn::torch_view(batch.latents_raw()).to(device_),
                                                  times.size() - 1, step, through_decode));
  }

 private:
  bool guided() const { return guidance_ != 1.0; }
  const std::vector<double>& schedule(uint32_t profile) const {
    return times_[profile == WN_PROFILE_SEARCH ? WN_PROFILE_SEARCH : WN_PROFILE_FINAL];
  }

  // One number per item, ready to multiply latents: [n, 1, 1, 1] float32.
  template <class Numbers>
  at::Tensor column(const Numbers& numbers) const {
    const auto n = static_cast<int64_t>(numbers.size());
    at::Tensor out = at::empty({n, 1, 1, 1}, at::kFloat);
    std::copy(numbers.begin(), numbers.end(), out.data_ptr<float>());
    return out.to(device_);
  }
  at::Tensor column(const std::vector<flow::StepFactors>& factors,
                    double flow::StepFactors::*part) const {
    std::vector<double> numbers;
    for (const flow::StepFactors& f : factors) numbers.push_back(f.*part);
    return column(numbers);
  }

  // int64 [n]. An item whose class the network does not know fails; the others go on beside it.
  at::Tensor labels(const wn::SamplerBatch& batch) const {
    const int64_t classes = net_.config.classes;
    at::Tensor out = at::empty({static_cast<int64_t>(batch.size())}, at::kLong);
    auto* label = out.data_ptr<int64_t>();
    for (size_t i = 0; i < batch.size(); ++i) {
      const int64_t id = batch.class_id(i);
      const bool known = id >= 0 && id < classes;
      label[i] = known ? id : classes;
      if (known || id == -1) continue;
      batch.fail(i, WN_E_INVALID_ARGUMENT,
                 "class " + std::to_string(id) + ", the model knows 0 to " +
                     std::to_string(classes - 1) + " and -1 for none");
    }
    return out.to(device_);
  }

  // The network in its own precision, between latents in float32.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& s, const at::Tensor& label) const {
    return sit::velocity(net_, x.to(precision_), s, label).to(at::kFloat);
  }

  // u at (x, time), one NFE per item.
  template <class Times>
  at::Tensor velocity(const at::Tensor& x, const Times& times, const at::Tensor& label) const {
    const at::Tensor s = 1 - column(times).flatten();
    if (!guided()) return -forward(x, s, label);
    const at::Tensor both = forward(at::cat({x, x}), at::cat({s, s}),
                                    at::cat({label, at::full_like(label, net_.config.classes)}));
    const auto halves = both.chunk(2);
    return -(halves[1] + guidance_ * (halves[0] - halves[1]));
  }

  // The one solver of all items without noise in their steps; the others fail.
  std::optional<flow::Solver> path_solver(const wn::SamplerBatch& batch) const {
    std::optional<flow::Solver> found;
    for (size_t i = 0; i < batch.size(); ++i) {
      const flow::Solver solver = flow::effective_solver(solver_, batch.stochasticity()[i]);
      if (solver != flow::Solver::kEulerMaruyama) {
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
  at::Tensor ode_step(flow::Solver solver, const at::Tensor& x, double from, double to,
                      const at::Tensor& label) const {
    const auto at_time = [&](double t) {
      return std::vector<double>(static_cast<size_t>(x.size(0)), t);
    };
    const at::Tensor u = velocity(x, at_time(from), label);
    const at::Tensor next = x + (to - from) * u;
    if (!flow::has_second_evaluation(solver, to)) return next;
    return x + 0.5 * (to - from) * (u + velocity(next, at_time(to), label));
  }

  // u at the latents where the items stand, out of the carry for those that have it there. The
  // network sees the whole batch or nothing, so that its batch shape, hence its rounding, does not
  // depend on who has it.
  at::Tensor first_velocity(const wn::SamplerBatch& batch, const at::Tensor& x,
                            const at::Tensor& label) const {
    const auto has = batch.has_eval();
    const bool all = std::find(has.begin(), has.end(), 0) == has.end();
    const bool none = std::find(has.begin(), has.end(), 1) == has.end();
    batch.call().check_stop();
    if (none) return velocity(x, batch.from_time(), label);
    const at::Tensor kept = wn::torch_view(*batch.carry_raw()).to(device_).view(x.sizes());
    if (all) return kept;
    return at::where(column(has) > 0, kept, velocity(x, batch.from_time(), label));
  }

  static void clear_evaluations(const wn::SamplerBatch& batch) {
    wn::torch_view(*batch.carry_raw()).zero_();
    std::fill(batch.has_eval().begin(), batch.has_eval().end(), uint8_t{0});
  }

  // A compact CPU tensor of ours, for the host to fill.
  static wn_tensor lend(const at::Tensor& tensor) {
    wn_tensor out{};
    out.data = tensor.data_ptr();
    out.device = {1, 0};
    out.ndim = static_cast<int32_t>(tensor.dim());
    out.dtype = wn::dtype_of<float>();
    out.shape = const_cast<int64_t*>(tensor.sizes().data());
    return out;
  }

  at::Device device_;
  at::ScalarType precision_;
  sit::Network net_;
  flow::Solver solver_;
  double strength_, guidance_;
  int threads_;
  std::vector<double> times_[2];
};

}  // namespace

WN_EXPORT_PLUGINS(Sit)

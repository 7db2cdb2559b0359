// toy_sampler: a closed-form "model" for tests: fast, exact on every CPU up to rounding, and able
// to do all that the ABI knows.
//   clean prediction  D(x, t) = m + (x - m) / (1 + t^2),  m = (class - 4.5) / 9
//   Euler step        x' = x + (to - from) (x - D(x, from)) / from  [+ eta sqrt(from - to) noise,
//   when stochastic] sample            1/2 + x/6, clamped to [0, 1]
// [sampler]
// plugin = "winnow.toy.sampler"
// size = 4          # height and width
// steps = 8         # of the final profile; search_steps of the other
// winnow.toy.plain_sampler is the same model without renoise and vjp, and without options.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <string>

#include "winnow/winnow.hpp"

namespace {

struct Settings {
  std::int64_t size = 4, steps = 8, search_steps = 0, batch = 16;
  double eta = 0, poison = 0, preview_nfe = 1, preview_credit = 1;
  bool mixed_times = true, dies = false;
  std::string poisons = "step";
};

class ToyModel {
 public:
  explicit ToyModel(const Settings& settings)
      : size_(settings.size),
        eta_(settings.eta),
        mixed_(settings.mixed_times),
        batch_(settings.batch),
        poison_(settings.poison),
        dies_(settings.dies),
        poisons_(settings.poisons),
        preview_nfe_(settings.preview_nfe),
        preview_credit_(settings.preview_credit) {
    times_[0] = even(1.0, 0.0, settings.steps);
    times_[1] = even(1.0, 0.0, settings.search_steps ? settings.search_steps : settings.steps);
    scale_[0].assign(times_[0].size() - 1, 1.0);
    scale_[1].assign(times_[1].size() - 1, 1.0);
  }

  wn_sampler_info info(std::uint32_t profile) {
    wn_sampler_info out{};
    out.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT | (mixed_ ? WN_F_MIXED_TIMES : 0u) |
                (eta_ > 0 ? WN_F_STOCHASTIC : 0u);
    out.n_steps = static_cast<std::uint32_t>(times_[profile].size() - 1);
    out.preferred_batch = static_cast<std::uint32_t>(batch_);
    out.latent_dtype = {2, 32, 1};
    for (auto* shape : {out.latent_shape, out.sample_shape}) {
      shape[0] = 1;
      shape[1] = shape[2] = size_;
    }
    out.latent_ndim = out.sample_ndim = 3;
    out.carry_elems = static_cast<std::uint64_t>(size_ * size_);  // the last prediction
    out.times = times_[profile].data();
    out.noise_scale = scale_[profile].data();
    out.preview_nfe = preview_nfe_;
    out.preview_credit = preview_credit_;
    out.backward_nfe = 2;
    out.vjp_forward_nfe = 1;
    out.network_passes = 2;  // as with guidance: never to be mixed up with NFE
    return out;
  }

  wn::Leg leg(std::uint32_t profile, double from, double to, double stochasticity,
              std::uint32_t steps) {
    if (stochasticity > 0 && eta_ == 0)
      throw wn::Error(WN_E_FAILED_PRECONDITION, "eta is 0: there is no noise to multiply");
    wn::Leg leg;
    if (steps) {
      leg.times = even(from, to, steps);
    } else {
      leg.times = {from};
      for (double t : times_[profile])
        if (t < from && t > to) leg.times.push_back(t);
      leg.times.push_back(to);
    }
    leg.nfe.assign(leg.times.size() - 1, 1.0);
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    batch.initial_noise(batch.latents_raw());
    if (poisons_ == "noise") ask_for_far_too_much(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::int64_t wanted = batch.class_id(i);
      if (wanted < -1 || wanted > 9)
        batch.fail(i, WN_E_INVALID_ARGUMENT,
                   "class " + std::to_string(wanted) + " is outside 0 to 9");
    }
  }

  void step(const wn::SamplerBatch& batch) {
    std::vector<float> noise(static_cast<std::size_t>(size_ * size_) * batch.size());
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(batch.size()), 1, size_, size_};
    wn_tensor view{noise.data(), {1, 0}, 4, {2, 32, 1}, shape.data(), nullptr, 0};
    if (eta_ > 0) batch.step_noise(view);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      predict(batch, i);
      auto x = batch.latents().item(i);
      // A fraction of the noises is poisoned, so that tests meet candidates that fail.
      if (poisons_ == "step" && batch.from_time()[i] == 1 && std::fabs(x[0]) < poison_) {
        if (dies_) std::raise(SIGSEGV);
        batch.fail(i, WN_E_INTERNAL, "poisoned noise");
      }
      const auto clean = batch.carry().item(i);
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      const double eta = to == 0 ? 0 : strength(batch.stochasticity()[i]);
      for (std::size_t e = 0; e < x.size(); ++e) {
        const double moved = x[e] + (to - from) * (x[e] - clean[e]) / from;
        x[e] = static_cast<float>(moved + eta * std::sqrt(from - to) * noise[i * x.size() + e]);
      }
      batch.has_eval()[i] = 0;
    }
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    wn::Tensor<float> out(clean);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      predict(batch, i);
      std::ranges::copy(batch.carry().item(i), out.item(i).begin());
      batch.has_eval()[i] = 1;
    }
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    wn::Tensor<float> out(samples);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto x = batch.latents().item(i);
      auto pixels = out.item(i);
      if (poisons_ == "decode" && std::fabs(x[0]) < poison_) {
        if (dies_) {
          for (std::size_t k = 0; k < batch.size(); ++k)
            std::ranges::fill(batch.latents().item(k), 0.0f);
          std::raise(SIGSEGV);
        }
        batch.fail(i, WN_E_INTERNAL, "poisoned noise");
      }
      for (std::size_t e = 0; e < x.size(); ++e)
        pixels[e] = std::clamp(0.5f + x[e] / 6.0f, 0.0f, 1.0f);
    }
  }

 protected:
  static std::vector<double> even(double from, double to, std::int64_t steps) {
    std::vector<double> times;
    for (std::int64_t k = 0; k <= steps; ++k)
      times.push_back(from + (to - from) * static_cast<double>(k) / static_cast<double>(steps));
    times.back() = to;
    return times;
  }

  static void ask_for_far_too_much(const wn::SamplerBatch& batch) {
    const std::size_t each = 100'000;
    std::vector<float> noise(each * batch.size());
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(batch.size()),
                                    static_cast<std::int64_t>(each)};
    wn_tensor view{noise.data(), {1, 0}, 2, {2, 32, 1}, shape.data(), nullptr, 0};
    batch.initial_noise(view);
  }

  static double mean_of(std::int64_t class_id) {
    return (static_cast<double>(class_id) - 4.5) / 9.0;
  }
  double strength(double asked) const { return asked == -1 ? 0 : eta_ * (asked > 0 ? asked : 1); }

  // Into the carry, unless it is there already.
  void predict(const wn::SamplerBatch& batch, std::size_t i) const {
    if (batch.has_eval()[i]) return;
    const double mean = mean_of(batch.class_id(i));
    const double t = batch.from_time()[i];
    const auto x = batch.latents().item(i);
    auto clean = batch.carry().item(i);
    for (std::size_t e = 0; e < x.size(); ++e)
      clean[e] = static_cast<float>(mean + (x[e] - mean) / (1 + t * t));
  }

  std::int64_t size_;
  double eta_;
  bool mixed_;
  std::int64_t batch_;
  double poison_;
  bool dies_;
  std::string poisons_;
  double preview_nfe_, preview_credit_;
  std::vector<double> times_[2], scale_[2];
};

class ToySampler : public ToyModel {
 public:
  static constexpr const char* kId = "winnow.toy.sampler";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_SAMPLER;

  ToySampler(const wn::Host&, const wn::Options& options)
      : ToyModel({.size = options.i64("size"),
                  .steps = options.i64("steps"),
                  .search_steps = options.i64("search_steps"),
                  .batch = options.i64("batch"),
                  .eta = options.f64("eta"),
                  .poison = options.f64("poison"),
                  .preview_nfe = options.f64("preview_nfe"),
                  .preview_credit = options.f64("preview_credit"),
                  .mixed_times = options.boolean("mixed_times"),
                  .dies = options.boolean("dies"),
                  .poisons = options.str("poisons")}) {}

  // Flow matching's kernel: alpha = 1 - t, sigma = t.
  void renoise(const wn::SamplerBatch& batch) {
    std::vector<float> noise(static_cast<std::size_t>(size_ * size_) * batch.size());
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(batch.size()), 1, size_, size_};
    wn_tensor view{noise.data(), {1, 0}, 4, {2, 32, 1}, shape.data(), nullptr, 0};
    batch.initial_noise(view);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      auto x = batch.latents().item(i);
      const double s = batch.from_time()[i], t = batch.to_time()[i];
      const double ratio = (1 - t) / (1 - s);
      const double spread = std::sqrt(std::max(0.0, t * t - ratio * ratio * s * s));
      for (std::size_t e = 0; e < x.size(); ++e)
        x[e] = static_cast<float>(ratio * x[e] + spread * noise[i * x.size() + e]);
      batch.has_eval()[i] = 0;
    }
  }

  wn_sampler_info info(std::uint32_t profile) {
    wn_sampler_info out = ToyModel::info(profile);
    out.flags |= WN_F_PREVIEW_VJP;
    return out;
  }

  // The path without noise is affine: x(0) = m + f (x(1) - m), f the product of the steps' factors.
  // So is the preview, with f = 1 / (1 + t^2).
  void vjp(const wn::SamplerBatch& batch, const wn_tensor& d_samples, const wn_tensor& d_latents) {
    const wn::Tensor<const float> in(d_samples);
    const wn::Tensor<float> out(d_latents);
    const std::vector<double>& times = times_[batch.profile()];
    double path = 1;
    for (std::size_t k = 0; k + 1 < times.size(); ++k)
      path *= 1 + (times[k + 1] - times[k]) * times[k] / (1 + times[k] * times[k]);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const double t = batch.to_time()[i], factor = t > 0 ? 1 / (1 + t * t) : path;
      if (t == 0 && strength(batch.stochasticity()[i]) > 0)
        batch.fail(i, WN_E_FAILED_PRECONDITION, "a path with noise in its steps has no gradient");
      const double mean = mean_of(batch.class_id(i));
      const auto x = batch.latents().item(i);
      for (std::size_t e = 0; e < x.size(); ++e) {
        const double pixel = 0.5 + (mean + factor * (x[e] - mean)) / 6;
        const bool clamped = pixel < 0 || pixel > 1;
        out.item(i)[e] = clamped ? 0.0f : static_cast<float>(in.item(i)[e] * factor / 6);
      }
    }
  }
};

class PlainToySampler : public ToyModel {
 public:
  static constexpr const char* kId = "winnow.toy.plain_sampler";
  PlainToySampler() : ToyModel(Settings{}) {}
};

}  // namespace

WN_EXPORT_PLUGINS(ToySampler, PlainToySampler)

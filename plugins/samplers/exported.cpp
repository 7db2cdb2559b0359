// winnow.exported: any denoiser that was exported from a diffusers pipeline as
// a bundle (docs/bundles.md), without Python.
//
//   [sampler]
//   plugin = "winnow.exported"
//   bundle = "flux.bundle"       # of examples/export/export_diffusers.py
//   trust = "full"               # it is a program; or winnow plugins lock
//   steps = 30
//
// The state is x = alpha data + sigma noise. The network predicts noise, v,
// data or flow; each is turned into a prediction d of the data, and a step is
// linear in x, d, what it was before, and fresh noise: diffusion_solvers.hpp
// has the formulas, diffusion_path.hpp the levels and times, which are those of
// the pipeline's scheduler. Guidance: e = e_null + guidance_scale (e_prompt -
// e_null) where it is classifier-free; a distilled network is told the scale. A
// candidate that asks for stochasticity s > 0 takes ancestral steps with eta s
// (times eta, where that is not 0), or, with solver edm and churn, s times the
// churn; -1 leaves the noise out.
#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <c10/core/InferenceMode.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "samplers/bundle.hpp"
#include "samplers/exported_carry.hpp"
#include "samplers/exported_decoder.hpp"
#include "samplers/exported_denoiser.hpp"
#include "samplers/torch_runtime.hpp"

namespace {

using namespace winnow;
using namespace winnow::diffusion;
using Condition = ExportedDenoiser::Condition;

constexpr uint32_t kPreferredBatch = 16;

// How one candidate steps.
struct Manner {
  Solver solver = Solver::kEuler;
  double eta = 0, churn = 0;
};

// What a step does to one item, and where its network looks.
struct Move {
  Step step;         // from where the network looks
  Factors churn;     // before it looks
  Factors factors;   // of the step, with d
  HeunFactors heun;  // instead, where there is a second look
  bool second = false;
};

Bundle read(const wn::Options& options) {
  const std::string version = std::to_string(TORCH_VERSION_MAJOR) + "." +
                              std::to_string(TORCH_VERSION_MINOR) + "." +
                              std::to_string(TORCH_VERSION_PATCH);
  Bundle bundle = read_bundle(options.path("bundle"), version, at::get_cpu_capability());
  check_files(bundle);
  if (!options.path("prompts").empty()) bundle.prompts = options.path("prompts");
  if (!options.path("prompts").empty() && bundle.condition != ConditionKind::kPrompt)
    throw std::runtime_error("prompts is " + options.path("prompts").string() +
                             ", but the network of this bundle takes no prompts");
  if (const std::string negative = options.str("negative_prompt"); !negative.empty()) {
    if (bundle.guidance != Guidance::kClassifierFree || bundle.condition != ConditionKind::kPrompt)
      throw std::runtime_error("negative_prompt is '" + negative +
                               "', but this bundle has no classifier-free guidance by prompts");
    bundle.null_prompt = negative;
  }
  if (options.str("solver") != "bundle") bundle.solver = parse_solver(options.str("solver"));
  return bundle;
}

class Exported {
 public:
  static constexpr const char* kId = "winnow.exported";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_EXPORTED;

  Exported(const wn::Host& host, const wn::Options& options) try
      : bundle_(read(options)),
        device_(parse_device(options.str("device"))),
        eta_(options.f64("eta")),
        churn_(options.f64("churn")),
        churn_low_(options.f64("churn_low")),
        churn_high_(options.f64("churn_high")),
        churn_noise_(options.f64("churn_noise")),
        threads_(static_cast<int>(options.i64("threads"))),
        paths_{path_of(options.i64("steps")),
               path_of(options.i64("search_steps") ? options.i64("search_steps")
                                                   : options.i64("steps"))},
        decoder_(opened(options.i64("vae_tile"), options.i64("frames"))),
        denoiser_(loaded(host, options.f64("guidance_scale"))) {
  } catch (const wn::Error&) {
    throw;
  } catch (const std::invalid_argument& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }

  wn_sampler_info info(uint32_t profile) {
    const Path& path = this->path(profile);
    const Manner own = manner(0);
    wn_sampler_info out{};
    out.flags = WN_F_MIXED_TIMES | WN_F_DETERMINISTIC;
    if (own.eta > 0 || own.churn > 0) out.flags |= WN_F_STOCHASTIC;
    out.n_steps = static_cast<uint32_t>(path.times().size() - 1);
    out.max_batch =
        static_cast<uint32_t>(std::max<int64_t>(1, bundle_.max_batch / denoiser_.passes()));
    out.preferred_batch = std::min(kPreferredBatch, out.max_batch);
    out.latent_dtype = wn::dtype_of<float>();
    out.latent_ndim = static_cast<uint32_t>(bundle_.latent_shape.size());
    out.sample_ndim = static_cast<uint32_t>(decoder_.shape().size());
    std::copy(bundle_.latent_shape.begin(), bundle_.latent_shape.end(), out.latent_shape);
    std::copy(decoder_.shape().begin(), decoder_.shape().end(), out.sample_shape);
    out.carry_elems = static_cast<uint64_t>(ExportedCarry::size(elements(), slots()));
    out.times = path.times().data();
    out.noise_scale = path.noise_scale().data();
    out.preview_nfe = 1;
    out.preview_credit = own.churn > 0 ? 0 : 1;
    out.network_passes = static_cast<double>(denoiser_.passes());
    out.flops = bundle_.flops;
    return out;
  }

  wn::Leg leg(uint32_t profile, double from, double to, double stochasticity, uint32_t steps) {
    if (!(to >= 0 && to < from && from <= 1))
      throw wn::Error(WN_E_INVALID_ARGUMENT, "a leg from time " + std::to_string(from) + " to " +
                                                 std::to_string(to) +
                                                 ", expected 1 >= from > to >= 0");
    const Path& path = this->path(profile);
    const Manner how = manner(stochasticity);
    if (how.eta > 1)
      throw wn::Error(WN_E_INVALID_ARGUMENT,
                      "eta is " + std::to_string(how.eta) +
                          ", expected at most 1, which renews all noise that "
                          "can be renewed");
    wn::Leg leg;
    leg.times = path.leg(from, to, steps);
    for (size_t k = 1; k < leg.times.size(); ++k)
      leg.nfe.push_back(looks_twice(how, path, leg.times[k - 1], leg.times[k]) ? 2 : 1);
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const std::vector<Asked> items = asked(batch);
    for (size_t i = 0; i < items.size(); ++i) {
      batch.call().check_stop();  // to encode a prompt may take seconds; what is encoded is kept
      if (const std::string why = denoiser_.refusal(items[i]); !why.empty())
        batch.fail(i, WN_E_INVALID_ARGUMENT, why);
    }
    at::Tensor latents = wn::torch_view(batch.latents_raw());
    latents.copy_(initial_noise_of(batch) * path(batch.profile()).initial_scale());
    carry(batch).clear();
  }

  void step(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const Condition condition = denoiser_.conditions(asked(batch));
    at::Tensor x = latents.to(device_);
    std::vector<Move> moves = moves_of(batch);
    const bool churned = any(moves, [](const Move& m) { return m.churn.noise != 0; });
    const bool drawn = any(moves, [](const Move& m) { return m.factors.noise != 0; });
    const at::Tensor noise = churned || drawn ? step_noise_of(batch).to(device_) : at::Tensor();
    if (churned)
      x = column(moves, [](const Move& m) { return m.churn.x; }) * x +
          column(moves, [](const Move& m) { return m.churn.noise; }) * noise;
    std::vector<Level> at;
    for (const Move& move : moves) at.push_back(move.step.from);
    const at::Tensor d = first_data(batch, x, at, condition, !churned);

    at::Tensor next = column(moves, [](const Move& m) { return m.factors.x; }) * x +
                      column(moves, [](const Move& m) { return m.factors.data; }) * d;
    for (size_t k = 0; k < static_cast<size_t>(slots()); ++k)
      if (any(moves, [k](const Move& m) { return m.factors.before[k] != 0; }))
        next = next + column(moves, [k](const Move& m) { return m.factors.before[k]; }) *
                          carry(batch).before(static_cast<int64_t>(k)).to(device_).view(x.sizes());
    if (drawn) next = next + column(moves, [](const Move& m) { return m.factors.noise; }) * noise;
    if (any(moves, [](const Move& m) { return m.second; }))
      next = corrected(batch, moves, x, d, next, condition);
    carry(batch).push(predicted(x, d, at).flatten(1));  // before x, which is the latents, changes
    latents.copy_(next);
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_);
    std::vector<Level> at;
    for (const double time : batch.from_time()) at.push_back(path(batch.profile()).level(time));
    const at::Tensor d = first_data(batch, x, at, denoiser_.conditions(asked(batch)), true);
    wn::torch_view(clean).copy_(d);
    carry(batch).here().copy_(d.flatten(1));
    std::fill(batch.has_eval().begin(), batch.has_eval().end(), uint8_t{1});
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    const c10::InferenceMode guard;
    const ThreadsGuard threads(threads_);
    const at::Tensor x = wn::torch_view(batch.latents_raw()).to(device_);
    // One by one: memory does not grow with the batch, and no sample depends on its neighbours.
    for (int64_t i = 0; i < x.size(0); ++i) {
      batch.call().check_stop();
      wn::torch_view(samples).narrow(0, i, 1).copy_(decoder_(x.narrow(0, i, 1)));
    }
  }

  void renoise(const wn::SamplerBatch& batch) {
    const c10::InferenceMode guard;
    const Path& path = this->path(batch.profile());
    std::vector<Factors> factors;
    for (size_t i = 0; i < batch.size(); ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      if (!(from >= 0 && from < to && to <= 1))
        throw wn::Error(WN_E_INVALID_ARGUMENT, "renoising from time " + std::to_string(from) +
                                                   " to " + std::to_string(to) +
                                                   ", expected 0 <= from < to <= 1");
      const Level low = path.level(from), high = path.level(to);
      const double kept = high.alpha / low.alpha;
      const double added = high.sigma * high.sigma - kept * kept * low.sigma * low.sigma;
      factors.push_back({kept, 0, {}, std::sqrt(std::max(0.0, added))});
    }
    at::Tensor latents = wn::torch_view(batch.latents_raw());
    const at::Tensor noise = initial_noise_of(batch).to(device_);
    latents.copy_(column(factors, [](const Factors& f) { return f.x; }) * latents.to(device_) +
                  column(factors, [](const Factors& f) { return f.noise; }) * noise);
    carry(batch).clear();
  }

 private:
  // ---- what was asked for ----

  Path path_of(int64_t steps) const {
    return Path(bundle_.schedule, bundle_.solver,
                steps ? static_cast<uint32_t>(steps) : bundle_.steps);
  }
  ExportedDecoder opened(int64_t tile, int64_t frames) const {
    const ThreadsGuard threads(threads_);
    return ExportedDecoder(bundle_, device_, tile, frames);
  }
  ExportedDenoiser loaded(const wn::Host& host, double guidance_scale) const {
    if (device_.is_cuda() && bundle_.is_compiled())
      throw std::runtime_error("device is \"" + device_.str() +
                               "\", but the bundle was compiled for the CPU: export the pipeline "
                               "with --format torchscript");
    const ThreadsGuard threads(threads_);
    return ExportedDenoiser(bundle_, device_, guidance_scale,
                            [host](const std::string& text) { host.log(WN_LOG_WARNING, text); });
  }
  const Path& path(uint32_t profile) const {
    return paths_[profile == WN_PROFILE_SEARCH ? WN_PROFILE_SEARCH : WN_PROFILE_FINAL];
  }
  int64_t slots() const {  // predictions of the steps before that a step wants
    return bundle_.solver == Solver::kMultistep ? 1 : bundle_.solver == Solver::kPlms ? 3 : 0;
  }
  int64_t elements() const {
    int64_t n = 1;
    for (const int64_t size : bundle_.latent_shape) n *= size;
    return n;
  }

  Manner manner(double stochasticity) const {
    Manner out{bundle_.solver};
    const bool always = out.solver == Solver::kDdpm || out.solver == Solver::kAncestral;
    const double own = eta_ > 0 ? eta_ : 1;
    if (stochasticity < 0) return out;
    if (stochasticity == 0) {
      out.eta = always ? own : out.solver == Solver::kDdim ? eta_ : 0;
      out.churn = out.solver == Solver::kEdm ? churn_ : 0;
    } else if (out.solver == Solver::kEdm && churn_ > 0) {
      out.churn = churn_ * stochasticity;
    } else {
      out.eta = own * stochasticity;
    }
    return out;
  }

  bool looks_twice(const Manner& how, const Path& path, double from, double to) const {
    const Step step = path.step(from, to);
    if (how.eta > 0 || step.to.sigma == 0) return false;
    if (how.solver == Solver::kPlms) return from == 1 && step.from.alpha > 0;
    if (how.solver != Solver::kHeun && how.solver != Solver::kEdm) return false;
    return bundle_.schedule.flow || step.from.alpha > 0;
  }

  // ---- the network ----

  static std::vector<Asked> asked(const wn::SamplerBatch& batch) {
    std::vector<Asked> out;
    for (size_t i = 0; i < batch.size(); ++i)
      out.push_back({batch.class_id(i), std::string(batch.prompt(i))});
    return out;
  }

  at::Tensor data(const wn::SamplerBatch& batch, const at::Tensor& x, const std::vector<Level>& at,
                  const Condition& condition) const {
    batch.call().check_stop();
    return denoiser_.data(x, at, condition);
  }

  // The same out of the carry for those that have it there. The network sees
  // the whole batch or nothing, so that its batch shape, hence its rounding,
  // does not depend on who has it.
  at::Tensor first_data(const wn::SamplerBatch& batch, const at::Tensor& x,
                        const std::vector<Level>& at, const Condition& condition,
                        bool may_be_kept) const {
    const auto has = batch.has_eval();
    const bool any_kept = std::find(has.begin(), has.end(), 1) != has.end();
    if (!may_be_kept || !any_kept) return data(batch, x, at, condition);
    const at::Tensor kept = carry(batch).here().to(device_).view(x.sizes());
    if (std::find(has.begin(), has.end(), 0) == has.end()) return kept;
    const at::Tensor made = data(batch, x, at, condition);
    return at::where(column(has, [](uint8_t h) { return static_cast<double>(h); }) > 0, kept, made);
  }

  // ---- one step ----

  std::vector<Move> moves_of(const wn::SamplerBatch& batch) const {
    const Path& path = this->path(batch.profile());
    std::vector<Move> moves;
    for (size_t i = 0; i < batch.size(); ++i) {
      const Manner how = manner(batch.stochasticity()[i]);
      Move move;
      move.step = path.step(batch.from_time()[i], batch.to_time()[i]);
      if (how.churn > 0) churn(path, how.churn, move);
      move.second = looks_twice(how, path, batch.from_time()[i], batch.to_time()[i]);
      move.factors = how.eta > 0 ? ddim_factors(move.step, how.eta) : plain(batch, i, move.step);
      if (move.second)
        move.heun = bundle_.schedule.flow ? flow_heun_factors(move.step) : heun_factors(move.step);
      moves.push_back(move);
    }
    return moves;
  }

  void churn(const Path& path, double churn, Move& move) const {
    const double ratio = move.step.from.ratio();
    const auto steps = static_cast<uint32_t>(path.times().size() - 1);
    const double gamma = churn_gamma(ratio, churn, steps, churn_low_, churn_high_);
    if (gamma == 0 || !std::isfinite(ratio)) return;
    const Level hat = path.at_ratio((1 + gamma) * ratio);
    move.churn = churn_factors(move.step.from, hat, churn_noise_);
    move.step.from = hat;
  }

  // Without noise; with the steps before as far as they are known.
  Factors plain(const wn::SamplerBatch& batch, size_t i, const Step& step) const {
    const Path& path = this->path(batch.profile());
    const std::vector<double> times = carry(batch).times(i, batch.from_time()[i]);
    if (times.size() < 2) return euler_factors(step);
    if (bundle_.solver == Solver::kMultistep)
      return step.to.sigma > 0 ? multistep_factors(path.level(times[1]), step)
                               : euler_factors(step);
    std::vector<double> places;
    for (const double time : times) places.push_back(path.place(time));
    return plms_factors(step, places, path.place(batch.to_time()[i]));
  }

  // What the steps behind this one want to know of it.
  at::Tensor predicted(const at::Tensor& x, const at::Tensor& d,
                       const std::vector<Level>& at) const {
    if (bundle_.solver != Solver::kPlms) return d;
    return column(at, [](const Level& l) { return 1 / l.sigma; }) * x -
           column(at, [](const Level& l) { return l.alpha / l.sigma; }) * d;
  }

  at::Tensor corrected(const wn::SamplerBatch& batch, const std::vector<Move>& moves,
                       const at::Tensor& x, const at::Tensor& d, const at::Tensor& end,
                       const Condition& condition) const {
    std::vector<Level> at;  // anywhere that is finite for those that look once
    for (const Move& move : moves) at.push_back(move.second ? move.step.to : move.step.from);
    const at::Tensor end_data = data(batch, end, at, condition);
    const at::Tensor next = column(moves, [](const Move& m) { return m.heun.x; }) * x +
                            column(moves, [](const Move& m) { return m.heun.data; }) * d +
                            column(moves, [](const Move& m) { return m.heun.end; }) * end +
                            column(moves, [](const Move& m) { return m.heun.end_data; }) * end_data;
    return at::where(column(moves, [](const Move& m) { return m.second ? 1.0 : 0.0; }) > 0, next,
                     end);
  }

  ExportedCarry carry(const wn::SamplerBatch& batch) const {
    return ExportedCarry(batch, elements(), slots());
  }

  // ---- numbers per item ----

  template <class Items, class Number>
  at::Tensor column(const Items& items, const Number& number) const {
    const auto dimensions = static_cast<int64_t>(bundle_.latent_shape.size() + 1);
    return per_item(items, dimensions, number).to(device_);
  }
  template <class Predicate>
  static bool any(const std::vector<Move>& moves, const Predicate& predicate) {
    return std::any_of(moves.begin(), moves.end(), predicate);
  }

  Bundle bundle_;
  at::Device device_;
  double eta_, churn_, churn_low_, churn_high_, churn_noise_;
  int threads_;
  Path paths_[2];
  ExportedDecoder decoder_;  // before the network, as its refusals say more
  ExportedDenoiser denoiser_;
};

}  // namespace

WN_EXPORT_PLUGINS(Exported)

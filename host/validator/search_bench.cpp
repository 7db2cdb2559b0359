// search_bench.cpp: see search_bench.hpp. What may be proposed, what it costs and what it is told
// is Task's business, so a search that fails here would fail in a run.
#include "host/validator/search_bench.hpp"

#include <cmath>
#include <limits>

#include "host/gradient.hpp"
#include "host/records.hpp"
#include "host/text.hpp"

namespace winnow::validator {
namespace {

constexpr std::uint32_t kSteps = 10;
constexpr std::size_t kElements = 16;

// An instance that the validator made.
class MadeInstance final : public PluginCode {
 public:
  explicit MadeInstance(Instance& instance) : instance_(instance) {}
  std::uint32_t minor() const override { return WN_ABI_MINOR; }
  wn_status create(const wn_host*, std::span<const wn_option* const>, const wn_call*,
                   wn_instance** out) override {
    *out = instance_.get();
    return WN_OK;
  }
  void destroy(wn_instance*) override {}
  const void* interface(const char* id) const override {
    return instance_.optional_table<void>(id);
  }

 private:
  Instance& instance_;
};

// As much of a sampler as has a price; nothing of it is ever stepped. It draws noise on the way for
// a search that claims to need that.
class ClosedForm final : public PluginCode {
 public:
  explicit ClosedForm(bool stochastic) : stochastic_(stochastic) {
    table_.info = info;
    table_.leg = leg;
    for (std::uint32_t k = 0; k <= kSteps; ++k) times_[k] = time(k);
    std::ranges::fill(scales_, 0.1);
  }
  std::uint32_t minor() const override { return WN_ABI_MINOR; }
  wn_status create(const wn_host*, std::span<const wn_option* const>, const wn_call*,
                   wn_instance** out) override {
    *out = reinterpret_cast<wn_instance*>(this);
    return WN_OK;
  }
  void destroy(wn_instance*) override {}
  const void* interface(const char* id) const override {
    static constexpr wn_sampler_renoise_1 kRenoise = {};
    if (id == std::string_view(WN_SAMPLER_1)) return &table_;
    return id == std::string_view(WN_SAMPLER_RENOISE_1) ? &kRenoise : nullptr;
  }

 private:
  static double time(std::uint32_t k) { return 1 - k / double{kSteps}; }

  static wn_status info(wn_instance* self, std::uint32_t, wn_sampler_info* out) {
    auto& form = *reinterpret_cast<ClosedForm*>(self);
    out->flags = WN_F_DETERMINISTIC | WN_F_MIXED_TIMES | WN_F_RENOISE | WN_F_VJP;
    if (form.stochastic_) out->flags |= WN_F_STOCHASTIC | WN_F_PREVIEW_VJP;
    out->n_steps = kSteps;
    out->latent_dtype = {2, 32, 1};
    out->latent_ndim = out->sample_ndim = 3;
    for (auto* shape : {out->latent_shape, out->sample_shape})
      shape[0] = 1, shape[1] = shape[2] = 4;
    out->times = form.times_;
    out->noise_scale = form.scales_;
    out->preview_nfe = out->network_passes = 1;
    out->backward_nfe = 2;
    return WN_OK;
  }

  static wn_status leg(wn_instance*, std::uint32_t, double from, double to, double,
                       std::uint32_t steps, std::uint32_t room, double* times, double* nfe,
                       std::uint32_t* n) {
    std::vector<double> all = {from};
    for (std::uint32_t k = 1; k < steps; ++k) all.push_back(from + (to - from) * k / steps);
    for (std::uint32_t k = 0; k <= kSteps && !steps; ++k)
      if (time(k) < from && time(k) > to) all.push_back(time(k));
    all.push_back(to);
    *n = static_cast<std::uint32_t>(all.size() - 1);
    if (*n > room) return WN_E_RESOURCE_EXHAUSTED;
    std::ranges::copy(all, times);
    std::fill_n(nfe, *n, 1.0);
    return WN_OK;
  }

  bool stochastic_;
  wn_sampler_1 table_{};
  double times_[kSteps + 1], scales_[kSteps];
};

double target(std::size_t e) { return e % 2 ? 0.75 : -0.5; }

// Of both verifiers: one head each.
ScoreTable judged(std::span<const float> latent) {
  double near = 0, far = 0;
  for (std::size_t e = 0; e < latent.size(); ++e) {
    const double x = latent[e], other = target(e) * static_cast<double>(2 * (e % 3));
    near -= (x - target(e)) * (x - target(e));
    far -= std::abs(x - other);
  }
  return {{static_cast<float>(near)}, {static_cast<float>(far)}};
}

std::vector<float> gradient_at(std::span<const float> latent) {
  std::vector<float> g;
  for (std::size_t e = 0; e < latent.size(); ++e)
    g.push_back(static_cast<float>(-2 * (latent[e] - target(e))));
  return g;
}

}  // namespace

SearchBench::SearchBench(Instance& instance, SearchRules rules)
    : instance_(instance),
      rules_(std::move(rules)),
      use_{instance.bench().manifest().id, {}},
      sampler_(std::make_unique<PluginInstance>(
          std::make_shared<ClosedForm>(instance.bench().manifest().claims_true("needs_stochastic")),
          PluginUse{"the validator's sampler", {}}, "", instance.services())),
      legs_(sampler_),
      selection_(rules_.ranked ? SelectionRule::kMeanRank : SelectionRule::kSingle, {1, 1}),
      frame_{.sampler = sampler_,
             .legs = legs_,
             .selection = selection_,
             .selecting = {0},
             .verifier_flags = WN_F_DETERMINISTIC | WN_F_GRAD,
             .preview_times = {},
             .budget = {.nfe = rules_.budget, .candidates = {}, .seconds = {}},
             .run_seed = rules_.seed,
             .max_n = rules_.max_n,
             .gradients = rules_.gradients && !rules_.ranked} {
  if (rules_.ranked) frame_.selecting.push_back(1);
}

void SearchBench::begin() {
  const Bench& bench = instance_.bench();
  auto search = std::make_unique<Search>(
      std::make_unique<PluginInstance>(std::make_shared<MadeInstance>(instance_), use_,
                                       bench.package().version, instance_.services()));
  search_ = search.get();
  task_.emplace(0, TaskSpec{.class_id = 3, .prompt = {}, .image = {}}, std::move(search), frame_);
}

// Every noise's address must have the task's own seed.
void SearchBench::look_at(const Asked& asked) {
  run_.log += ask_record(*task_, asked) + '\n';
  for (const std::uint64_t id : asked.noises) {
    const Noise& noise = task_->noises().at(id);
    const bool addressed = noise.op == WN_NOISE_FRESH || noise.op == WN_NOISE_ROTATE ||
                           noise.op == WN_NOISE_TENSOR || noise.op == WN_NOISE_SPLICE;
    run_.foreign_seeds += addressed && noise.at.seed != task_seed(rules_.seed, 0);
  }
}

// At position 0.
std::vector<float> SearchBench::noise_of(const Candidate& candidate) {
  std::vector<float> values(kElements);
  const std::uint64_t id = candidate.initial_noise();
  if (!id) return values;
  NoiseGraph& noises = task_->noises();
  while (const std::uint64_t missing = noises.missing(id)) {
    const Noise& recipe = noises.at(missing);
    noises.evaluate(recipe.parents.front(), 0, values);
    const std::vector<float> along = gradient_at(latents_.at(task_->original(recipe.candidate)));
    noises.set(missing, moved_along(values, along, recipe.s));
  }
  noises.evaluate(id, 0, values);
  return values;
}

void SearchBench::make_twist(std::uint64_t id) {
  NoiseGraph& noises = task_->noises();
  const Noise& recipe = noises.at(id);
  if (recipe.op != WN_NOISE_TWIST || !recipe.made.empty()) return;
  std::vector<float> values(kElements);
  noises.evaluate(recipe.parents.front(), recipe.position, values);
  const std::vector<float> along = gradient_at(latents_.at(task_->original(recipe.candidate)));
  noises.set(id, shifted_along(values, along, recipe.s));
}

void SearchBench::work_on(std::uint64_t id) {
  const Candidate& c = task_->candidate(id);
  const std::uint64_t ordinal = run_.pushed++;
  if (c.state != CandidateState::kOpen) return;  // a RESCORE, or its parent failed
  if (rules_.fails && rules_.fails(ordinal)) {
    task_->fail(id, "as the test wants it");
    return;
  }
  const std::vector<float> z = noise_of(c);
  std::vector<float> latent = c.op == WN_CAND_START ? z : latents_.at(task_->original(c.parent));
  std::vector<float> noise(kElements);
  const double keep = 1 - c.from_time;
  for (std::size_t e = 0; e < kElements; ++e) {
    const double x = latent[e];
    if (c.op == WN_CAND_RENOISE)
      latent[e] = static_cast<float>(keep * x + std::sqrt(1 - keep * keep) * z[e]);
    if (c.op == WN_CAND_JITTER) latent[e] = static_cast<float>(x + c.s * 0.1 * z[e]);
  }
  if (c.op == WN_CAND_CONTINUE && c.own_noise && c.stop_time < c.start_time) {
    make_twist(c.noise);
    task_->noises().evaluate(c.noise, c.first_position, noise);
    for (std::size_t e = 0; e < kElements; ++e)
      latent[e] = static_cast<float>(latent[e] + 0.1 * noise[e]);
  }
  const ScoreTable scores = judged(latent);
  if (c.scored && c.stop_time == 0) run_.best_told = std::max<double>(run_.best_told, scores[0][0]);
  latents_[id] = std::move(latent);
  task_->succeed(id, c.scored ? scores : ScoreTable{});
}

void SearchBench::name_best() {
  instance_.bench().stage("asking for the best");
  const std::vector<std::uint64_t> ids = search_->best(1);
  if (ids.empty()) return;
  run_.best = ids.front();
  if (!task_->has_candidate(run_.best) || task_->candidate(run_.best).forgotten)
    fail("best names candidate {}, which was never pushed, or forgotten", run_.best);
  const Candidate& c = task_->candidate(run_.best);
  run_.best_failed = c.state == CandidateState::kFailed;
  run_.best_finished = c.stop_time == 0 && c.scored && !run_.best_failed;
  if (run_.best_finished) run_.best_score = judged(latents_.at(task_->original(run_.best)))[0][0];
}

SearchRun SearchBench::run() {
  Bench& bench = instance_.bench();
  run_.best_told = run_.best_score = -std::numeric_limits<double>::infinity();
  std::size_t rounds = 0;
  try {
    bench.stage("beginning a search");
    begin();
    while (!task_->done() && rounds < rules_.most_rounds) {
      bench.stage("asking in round {}", rounds);
      while (task_->wants_ask()) {
        const Asked asked = task_->ask([](std::size_t) { return false; });
        if (bench.stop().load() != WN_OK) throw Cancelled{};
        look_at(asked);
        for (const std::uint64_t id : asked.candidates) work_on(id);
      }
      bench.stage("telling the results of round {}", rounds);
      if (task_->round_complete()) task_->tell();
      ++rounds;
    }
    if (task_->done()) name_best();
  } catch (const Stopped&) {
    throw Cancelled{};
  } catch (const Error& error) {
    run_.error = printable_lines(error.what());
  }
  if (task_) run_.spent = task_->spent_nfe();
  if (task_) run_.failed = task_->failed();
  return run_;
}

SearchRun run_search(Bench& bench, SearchRules rules) {
  Instance instance(bench);
  return SearchBench(instance, std::move(rules)).run();
}

std::string use_search(Instance& instance) {
  const SearchRun run = SearchBench(instance, {}).run();
  if (!run.error.empty()) fail("{}", run.error);
  return run.log;
}

}  // namespace winnow::validator

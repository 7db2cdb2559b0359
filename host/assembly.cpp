// assembly.cpp: see assembly.hpp.
#include "host/assembly.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "host/code_trust.hpp"
#include "host/noise.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMaxBatch = 65536;

bool schedules_differ(const Sampler& sampler) {
  const SamplerInfo& final = sampler.info(WN_PROFILE_FINAL);
  const SamplerInfo& search = sampler.info(WN_PROFILE_SEARCH);
  return final.times != search.times || final.nfe != search.nfe;
}

}  // namespace

Assembly::Assembly(const RunConfig& config, const Registry& registry,
                   const std::atomic<wn_status>* stop)
    : config_(config),
      registry_(registry),
      stop_(stop),
      services_(stop),
      provider_(config.execution.isolation) {
  sampler_ = std::make_unique<Sampler>(instance(PluginKind::kSampler, config.sampler));
  const SamplerInfo& info = sampler_->info(WN_PROFILE_FINAL);
  batch_ = config.execution.batch ? config.execution.batch : info.preferred_batch;
  for (std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH})
    if (const std::uint32_t most = sampler_->info(profile).max_batch)
      batch_ = std::min(batch_, most);
  batch_ = std::clamp(batch_, 1u, kMaxBatch);

  std::vector<std::unique_ptr<Verifier>> verifiers;
  std::vector<double> weights;
  std::vector<std::size_t> selecting;
  std::uint32_t common_flags = ~0u;
  for (const VerifierUse& use : config.verifiers) {
    verifiers.push_back(std::make_unique<Verifier>(instance(PluginKind::kVerifier, use.use), use));
    if (use.role != VerifierRole::kSelect) continue;
    selecting.push_back(verifiers.size() - 1);
    weights.push_back(use.weight);
    common_flags &= verifiers.back()->info().flags;
  }
  scorer_ = std::make_unique<Scorer>(std::move(verifiers), batch_, config.deterministic);
  legs_ = std::make_unique<LegTable>(*sampler_);
  selection_ = std::make_unique<Selection>(config.rule, weights);
  frame_ = std::make_unique<Frame>(Frame{.sampler = *sampler_,
                                         .legs = *legs_,
                                         .selection = *selection_,
                                         .selecting = selecting,
                                         .verifier_flags = common_flags,
                                         .preview_times = scorer_->preview_times(),
                                         .budget = config.budget,
                                         .run_seed = config.seed,
                                         .profiles_differ = schedules_differ(*sampler_),
                                         .gradients = no_gradient_because().empty()});
  fixed_cost_ =
      registry.find(PluginKind::kSearch, config.search.id).plugin().claims_true("fixed_cost");
  check_fit();
  make_search();  // options that only create() can judge are refused before anything is spent
}

Assembly::~Assembly() = default;

std::unique_ptr<PluginInstance> Assembly::instance(PluginKind kind, const PluginUse& use) {
  const FoundPlugin& found = registry_.find(kind, use.id);
  return std::make_unique<PluginInstance>(provider_.code(found, use), use, found.package->version,
                                          services_);
}

std::unique_ptr<Search> Assembly::make_search() {
  return std::make_unique<Search>(instance(PluginKind::kSearch, config_.search));
}

// Why no gradient of the score can be taken; empty: it can.
std::string Assembly::no_gradient_because() const {
  if (!sampler_->can_vjp()) return fmt::format("{} has no vjp", sampler_->id());
  if (selection_->pooled())
    return "selection.rule ranks within a pool, and ranks have no gradient; take \"weighted-sum\"";
  for (std::size_t v = 0; v < scorer_->size(); ++v) {
    const Verifier& verifier = scorer_->verifier(v);
    if (!scorer_->selects(v)) continue;
    if (!verifier.has_grad()) return fmt::format("{} has no grad", verifier.id());
    if (verifier.wants_previews())
      return fmt::format("{} looks at previews, which gradients do not go through", verifier.id());
  }
  return "";
}

void Assembly::check_fit() const {
  const SamplerInfo& info = sampler_->info(WN_PROFILE_FINAL);
  const auto& shape = info.sample_shape;
  if (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3))
    throw Error(Exit::kPlugin, fmt::format("{} makes samples of shape [{}]; expected [1 or 3, "
                                           "height, width]",
                                           sampler_->id(), fmt::join(shape, ", ")));
  if (config_.keep == Keep::kNone && scorer_->set_level())
    throw Error(Exit::kUsage,
                "output.keep = \"none\", but a set-level verifier is shown the samples of finished "
                "tasks again when a run goes on; take \"best\"");
  const PluginManifest& search = registry_.find(PluginKind::kSearch, config_.search.id).plugin();
  if (search.claims_true("needs_magnitudes") && selection_->pooled())
    throw Error(Exit::kUsage, fmt::format("{} needs scores on a fixed scale, but selection.rule "
                                          "judges within a pool; take \"weighted-sum\"",
                                          search.id));
  const bool of_previews = search.claims_true("needs_preview_gradient");
  if (of_previews || search.claims_true("needs_gradient")) {
    std::string why = no_gradient_because();
    if (why.empty() && !of_previews && info.flags & WN_F_STOCHASTIC)
      why = fmt::format("{} draws noise on the way, as it is configured", sampler_->id());
    if (why.empty() && of_previews && !(info.flags & WN_F_PREVIEW_VJP))
      why = fmt::format("the vjp of {} does not go through previews", sampler_->id());
    if (!why.empty())
      throw Error(Exit::kUsage, fmt::format("{} follows gradients, but {}", search.id, why));
  }
  if (search.claims_true("needs_renoise") && !sampler_->can_renoise())
    throw Error(Exit::kUsage, fmt::format("{} goes back to noise, but {} has no renoise", search.id,
                                          sampler_->id()));
}

namespace {

// Noise of no task, for conditions that are only judged.
class AnyNoise final : public NoiseSource {
 public:
  void normal(std::uint64_t, std::uint32_t position, std::span<float> out) override {
    fill_normal({.seed = 0, .stream = 0, .domain = 254}, position, 0, out);
  }
};

}  // namespace

void Assembly::check_conditions() {
  constexpr std::size_t kMostConditions = 1024;
  std::set<std::tuple<std::int64_t, std::string, std::string>> seen;
  const SamplerInfo& info = sampler_->info(WN_PROFILE_FINAL);
  Tensor latents(1, info.latent_shape), carry;
  if (info.carry_elements) {
    const std::int64_t shape[] = {static_cast<std::int64_t>(info.carry_elements)};
    carry = Tensor(1, shape);
  }
  AnyNoise noise;
  for (std::size_t t = 0; t < config_.tasks.size() && seen.size() < kMostConditions; ++t) {
    const TaskSpec& spec = config_.tasks[t];
    if (!seen.emplace(spec.class_id, spec.prompt, spec.image.string()).second) continue;
    const Condition condition(spec, t);
    SamplerBatch batch;
    batch.conditions = {&condition.table};
    batch.latents = &latents;
    batch.carry = info.carry_elements ? &carry : nullptr;
    batch.has_eval = {0};
    batch.from_time = batch.to_time = {1.0};
    batch.stochasticity = {0.0};
    batch.noise = {0};
    batch.position = {0};
    const ItemFailure failure = sampler_->init(batch, noise)[0];
    if (failure.status == WN_E_INVALID_ARGUMENT || failure.status == WN_E_NOT_FOUND)
      throw Error(Exit::kUsage, fmt::format("task {} cannot be made: {}", t, failure.text));
  }
}

void Assembly::check_verifiers() {
  const auto& shape = sampler_->info(WN_PROFILE_FINAL).sample_shape;
  const Condition condition(config_.tasks.front(), 0);
  for (std::size_t v = 0; v < scorer_->size(); ++v) {
    Verifier& verifier = scorer_->verifier(v);
    if (registry_.find(PluginKind::kVerifier, verifier.id()).package->network) continue;
    Tensor gray(1, shape, verifier.memory());
    gray.fill(128 / 255.0f);  // as it would be written: sets see no others
    VerifierBatch batch;
    batch.samples = &gray;
    batch.conditions = {&condition.table};
    batch.candidates = {0};
    if (verifier.wants_previews()) batch.previews = &gray;
    if (verifier.set_level()) verifier.reset();
    if (const std::string why = verifier.refusal(batch); !why.empty())
      throw Error(Exit::kUsage,
                  fmt::format("{} cannot judge a gray sample [{}] of {} for task 0: {}",
                              verifier.id(), fmt::join(shape, ", "), sampler_->id(), why));
    if (verifier.set_level()) verifier.reset();
  }
}

std::string Assembly::lock_json() const {
  nlohmann::ordered_json lock;
  lock["format"] = 1;
  // Not by its name: where that is replaced while a study runs, this still is the running program.
  lock["program"] = sha256_hex_of_file("/proc/self/exe");
  auto& plugins = lock["plugins"] = nlohmann::ordered_json::object();
  auto& files = lock["files"] = nlohmann::ordered_json::object();
  const auto note = [&](PluginKind kind, const PluginUse& use) {
    const FoundPlugin& found = registry_.find(kind, use.id);
    plugins[use.id] = {{"version", found.package->version}, {"sha256", found.variant().sha256}};
    for (const OptionValue& option : use.options) {
      const auto* path = std::get_if<std::string>(&option.data);
      if (option.type == WN_OPT_PATH && path && fs::is_regular_file(*path))
        files[*path] = sha256_hex_of_file(*path);
    }
    for (const NamedCode& code : code_of(found, use))
      files[code.path.string()] = sha256_hex_of_code(code.path);
  };
  note(PluginKind::kSampler, config_.sampler);
  note(PluginKind::kSearch, config_.search);
  for (const VerifierUse& verifier : config_.verifiers) note(PluginKind::kVerifier, verifier.use);
  for (const TaskSpec& task : config_.tasks)
    if (!task.image.empty()) files[task.image.string()] = sha256_hex_of_file(task.image);
  return lock.dump(2) + "\n";
}

}  // namespace winnow

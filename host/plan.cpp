// plan.cpp: see plan.hpp and run.hpp.
#include "host/plan.hpp"

#include <fmt/format.h>

#include <chrono>

#include "host/preview_plan.hpp"
#include "host/walker.hpp"

namespace winnow {
namespace {

constexpr std::uint64_t kMaxPretended = 200'000;  // candidates; more are extrapolated by the caps
constexpr std::uint64_t kRecordBytes = 300;       // of the journal, per candidate
constexpr std::uint64_t kPngOverhead = 1500;

ScoreTable zero_scores(const Scorer& scorer) {
  ScoreTable table(scorer.size());
  for (std::size_t v = 0; v < scorer.size(); ++v)
    table[v].assign(scorer.verifier(v).info().n_heads, 0.0f);
  return table;
}

struct Pretended {
  Ledger ledger;  // of one task, without verifiers
  std::uint64_t samples_at_zero = 0;
  bool ended = true, has_first = false;
  FinalMode mode = FinalMode::kAsItIs;
};

// One task, walked by nobody, until it ends or has accepted `most` candidates. Throws Stopped.
Pretended pretend(const RunConfig& config, Assembly& assembly, std::uint64_t most) {
  Pretended result;
  Task task(0, config.tasks.front(), assembly.make_search(), assembly.frame());
  const ScoreTable zero = zero_scores(assembly.scorer());
  for (std::uint64_t asks = 0; !task.done(); ++asks) {
    if (assembly.stopped()) throw Stopped();
    if (task.accepted() >= most || asks >= kMaxPretended) {
      result.ended = false;
      return result;
    }
    const Asked asked = task.ask([](std::size_t) { return false; });
    for (std::uint64_t id : asked.candidates) {
      const Candidate& c = task.candidate(id);
      if (c.state != CandidateState::kOpen) continue;
      if (c.scored) ++(c.stop_time > 0 ? result.ledger.previews : result.ledger.decoded);
      result.samples_at_zero += c.scored && c.stop_time == 0;
      result.has_first |= c.first;
      task.succeed(id, c.scored ? zero : ScoreTable{});
    }
    if (task.round_complete()) task.tell();
  }
  result.ledger.search_nfe = task.spent_nfe();
  result.ledger.backward_nfe = task.backward_nfe();
  result.ledger.candidates = task.accepted();
  if (const auto plan = task.final_plan()) {
    result.ledger.final_nfe = plan->nfe;
    result.mode = plan->mode;
  }
  return result;
}

double total_nfe(const SamplerInfo& info) {
  double total = 0;
  for (double nfe : info.nfe) total += nfe;
  return total;
}

// Where the cost hangs on scores, only the caps are certain.
Pretended bound(const RunConfig& config, Assembly& assembly, Pretended pretended) {
  const SamplerInfo& info = assembly.sampler().info(WN_PROFILE_SEARCH);
  const Budget& budget = config.budget;
  if (!budget.nfe && !budget.candidates)
    throw Error(Exit::kUsage, fmt::format("{} does not end by itself: give budget.nfe or "
                                          "budget.candidates",
                                          config.search.id));
  Ledger& ledger = pretended.ledger;
  const double price = std::max(1.0, total_nfe(info));
  if (budget.nfe) ledger.search_nfe = static_cast<double>(*budget.nfe);
  if (budget.candidates) {
    const auto candidates = static_cast<double>(*budget.candidates);
    ledger.search_nfe =
        std::min(budget.nfe ? ledger.search_nfe : candidates * price, candidates * price);
  }
  // A candidate costs one evaluation at least.
  ledger.candidates =
      budget.candidates ? *budget.candidates : static_cast<std::uint64_t>(ledger.search_nfe);
  ledger.decoded = pretended.samples_at_zero = ledger.candidates;
  ledger.previews = 0;
  const Frame& frame = assembly.frame();
  ledger.final_nfe = leg_price(*frame.legs.get(WN_PROFILE_FINAL, 1.0, 0.0, 0.0, 0),
                               frame.preview_times, frame.sampler.info(WN_PROFILE_FINAL), false);
  pretended.mode = FinalMode::kRegenerate;
  pretended.has_first = true;
  return pretended;
}

void count_verifiers(const RunConfig& config, const Scorer& scorer, const Pretended& task,
                     Ledger& ledger) {
  const bool anew = task.mode != FinalMode::kAsItIs;
  const bool keep_all = config.keep == Keep::kAll;
  for (std::size_t v = 0; v < scorer.size(); ++v) {
    const VerifierUse& use = scorer.verifier(v).use();
    std::uint64_t calls = task.ledger.decoded + task.ledger.previews + anew;
    if (use.role == VerifierRole::kReport && scorer.verifier(v).wants_previews())
      calls = task.samples_at_zero + anew;
    else if (use.role == VerifierRole::kReport)
      calls = keep_all ? task.samples_at_zero + anew : (task.has_first ? 1 : 0) + 1;
    ledger.verifier_calls[use.name] = calls;
  }
  if (anew) ++ledger.decoded;
}

Ledger times(const Ledger& one, std::uint64_t tasks) {
  Ledger all = one;
  const auto n = static_cast<double>(tasks);
  all.search_nfe *= n;
  all.final_nfe *= n;
  all.backward_nfe *= n;
  all.network_passes *= n;
  all.candidates *= tasks;
  all.previews *= tasks;
  all.decoded *= tasks;
  for (auto& [name, calls] : all.verifier_calls) calls *= tasks;
  return all;
}

// Seconds of one full batch: its first step, and its way from latent to scores.
struct BatchTimes {
  double step = 0, judge = 0;
};

BatchTimes measure_batch(const RunConfig& config, Assembly& assembly) {
  using Clock = std::chrono::steady_clock;
  Task task(0, config.tasks.front(), assembly.make_search(), assembly.frame());
  wn_noise_recipe fresh{};
  fresh.struct_size = WN_SIZE(wn_noise_recipe, reserved0);
  fresh.id = 1u << 30;  // beyond what the search may have pushed
  task.noises().push(fresh);
  const SamplerInfo& info = assembly.sampler().info(WN_PROFILE_SEARCH);
  const auto leg = std::make_shared<const Leg>(
      assembly.sampler().leg(WN_PROFILE_SEARCH, 1.0, info.times[1], 0.0, 0));
  BatchTimes best;
  for (int repeat = 0; repeat < 3; ++repeat) {  // the first one warms up
    Walker walker(assembly.sampler(), assembly.batch(), config.deterministic);
    for (std::uint32_t i = 0; i < assembly.batch(); ++i) {
      auto walk = std::make_unique<Walk>();
      walk->task = &task;
      walk->profile = WN_PROFILE_SEARCH;
      walk->noise = fresh.id;
      walk->leg = leg;
      walk->wants_sample = true;
      walk->stage = Stage::kInit;
      walker.add(std::move(walk));
    }
    std::vector<std::unique_ptr<Walk>> finished;
    walker.advance(finished);
    const auto start = Clock::now();
    walker.advance(finished);
    const auto stepped = Clock::now();
    const SampleBatch batch = walker.advance(finished);
    std::vector<Exhibit> exhibits(batch.walks.size());
    for (std::size_t i = 0; i < exhibits.size(); ++i) {
      exhibits[i].row = i;
      exhibits[i].condition = task.condition();
      for (std::size_t v = 0; v < assembly.scorer().size(); ++v)
        exhibits[i].asked.push_back(assembly.scorer().selects(v));
    }
    assembly.scorer().judge(*batch.samples, exhibits);
    best = {std::chrono::duration<double>(stepped - start).count() / std::max(1.0, leg->nfe[0]),
            std::chrono::duration<double>(Clock::now() - stepped).count()};
  }
  return best;
}

}  // namespace

Plan plan_run(const RunConfig& config, Assembly& assembly, bool measure) {
  assembly.check_conditions();
  Plan plan;
  plan.tasks = config.tasks.size();
  const bool whole = assembly.fixed_cost() || !(config.budget.nfe || config.budget.candidates);
  // The price of the first candidate hangs on no score.
  Pretended one = pretend(config, assembly, whole ? kMaxPretended : 1);
  if (one.ended && one.ledger.candidates == 0)
    throw Error(Exit::kUsage,
                fmt::format("the budget of {} NFE does not reach for one candidate of {} NFE",
                            config.budget.nfe.value_or(0),
                            total_nfe(assembly.sampler().info(WN_PROFILE_SEARCH))));
  if (!whole) one = {};
  one.ended = one.ended && whole;
  plan.exact = assembly.fixed_cost() && one.ended && !config.budget.seconds;
  const bool clock_only = config.budget.seconds && !config.budget.nfe && !config.budget.candidates;
  if (clock_only && !one.ended)
    one = {};  // nothing is known beforehand but the clock
  else if (!assembly.fixed_cost() || !one.ended)
    one = bound(config, assembly, std::move(one));
  count_verifiers(config, assembly.scorer(), one, one.ledger);
  const SamplerInfo& info = assembly.sampler().info(WN_PROFILE_FINAL);
  one.ledger.network_passes = (one.ledger.search_nfe + one.ledger.final_nfe) * info.network_passes;
  plan.ledger = times(one.ledger, plan.tasks);

  const std::uint64_t latent = 4 * (info.latent_elements + info.carry_elements);
  const std::uint64_t batch = assembly.batch();
  plan.memory_bytes = config.execution.cache_bytes + 8 * batch * (latent + 128) +
                      2 * batch * 4 * (info.latent_elements + info.sample_elements);
  const std::uint64_t kept = config.keep == Keep::kAll    ? plan.ledger.decoded + 2 * plan.tasks
                             : config.keep == Keep::kNone ? 0
                                                          : 2 * plan.tasks;
  // In double: caps may be as large as 10^12 candidates a task.
  const double disk =
      static_cast<double>(kept) * static_cast<double>(info.sample_elements + kPngOverhead) +
      static_cast<double>(plan.ledger.candidates) * kRecordBytes;
  plan.disk_bytes = static_cast<std::uint64_t>(std::min(disk, 1e18));
  if (measure) {
    const BatchTimes times = measure_batch(config, assembly);
    const auto b = static_cast<double>(batch);
    plan.seconds =
        (plan.ledger.search_nfe + plan.ledger.final_nfe) * times.step / b +
        static_cast<double>(plan.ledger.decoded + plan.ledger.previews) * times.judge / b;
  }
  return plan;
}

Plan make_plan(const RunConfig& config, const Registry& registry, bool measure) {
  Assembly assembly(config, registry, nullptr);
  assembly.check_verifiers();
  return plan_run(config, assembly, measure);
}

}  // namespace winnow

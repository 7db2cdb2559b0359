// verify.cpp: see verify.hpp.
#include "host/verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "host/remake.hpp"
#include "host/run_directory.hpp"

namespace winnow {
namespace {

struct Pick {
  std::uint64_t task, candidate;
  auto operator<=>(const Pick&) const = default;
};

// Those with scores, in the order of their ids: a replayed search goes forward only.
std::vector<Pick> with_results(const History& history) {
  std::vector<Pick> picks;
  for (const auto& [task, done] : history.done)
    for (const auto& [candidate, record] : done)
      if (record.error.empty() && !record.scores.empty()) picks.push_back({task, candidate});
  std::ranges::sort(picks);
  return picks;
}

std::vector<Pick> choose(const std::vector<Pick>& all, const VerifyRequest& request) {
  const double wanted = std::ceil(request.share * static_cast<double>(all.size()));
  const auto count = std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1, all.size());
  std::vector<Pick> picks;
  std::mt19937_64 random(request.seed);
  std::ranges::sample(all, std::back_inserter(picks), static_cast<std::ptrdiff_t>(count), random);
  return picks;  // std::ranges::sample keeps the order
}

std::string name_of(const Pick& pick) {
  return fmt::format("task {}, candidate {}", pick.task, pick.candidate);
}

// Reorders `values`. 0 when there are none.
double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The standard deviation of each verifier's scores in a run.
std::vector<double> spreads(const History& history, std::size_t verifiers) {
  std::vector<double> count(verifiers, 0), mean(verifiers, 0), squares(verifiers, 0);
  for (const auto& [task, done] : history.done)
    for (const auto& [candidate, record] : done)
      for (std::size_t v = 0; v < std::min(verifiers, record.scores.size()); ++v) {
        if (record.scores[v].empty()) continue;
        const double score = record.scores[v].front(), before = score - mean[v];
        mean[v] += before / ++count[v];
        squares[v] += before * (score - mean[v]);
      }
  for (std::size_t v = 0; v < verifiers; ++v)
    squares[v] = count[v] > 1 ? std::sqrt(squares[v] / (count[v] - 1)) : 0;
  return squares;
}

// A claim being tried.
class Trial {
 public:
  Trial(const PluginManifest& plugin, const char* claim)
      : verdict_{plugin.id, claim, plugin.claims_true(claim), 0, 0, ""} {}
  void add(bool held, const Pick& pick) {
    ++verdict_.tried;
    verdict_.held += held;
    if (!held && verdict_.counterexample.empty()) verdict_.counterexample = name_of(pick);
  }
  const ClaimVerdict& verdict() const { return verdict_; }

 private:
  ClaimVerdict verdict_;
};

struct Trials {
  Trial deterministic, batch_invariant;
  explicit Trials(const PluginManifest& plugin)
      : deterministic(plugin, "deterministic"), batch_invariant(plugin, "batch_invariant") {}
};

class Verifying {
 public:
  Verifying(const RunConfig& config, const Registry& registry, const std::filesystem::path& run)
      : run_(config, registry, run),
        changed_(files_changed_since(run, run_.assembly().lock_json())),
        same_files_(changed_.empty()),
        sampler_(registry.find(PluginKind::kSampler, config.sampler.id).plugin()) {
    for (std::size_t v = 0; v < scorer().size(); ++v)
      verifiers_.emplace_back(
          registry.find(PluginKind::kVerifier, scorer().verifier(v).use().use.id).plugin());
    differences_.resize(scorer().size());
    spreads_ = spreads(run_.history(), scorer().size());
  }

  Verification go(const VerifyRequest& request) {
    const std::vector<Pick> all = with_results(run_.history());
    if (all.empty()) throw Error(Exit::kUsage, "no candidate of this run has a result");
    Verification result;
    result.candidates = all.size();
    result.hashes_must_be_equal = config().deterministic && run_.one_batch_size() && same_files_;
    if (!run_.notice().empty()) result.notes.push_back(run_.notice());
    if (!same_files_)
      result.notes.push_back("the run was made with other plugins or models:\n" + changed_);
    for (const Pick& pick : choose(all, request)) try_one(pick, result);
    sum_up(request, result);
    return result;
  }

 private:
  const RunConfig& config() const { return run_.config(); }
  Scorer& scorer() { return run_.assembly().scorer(); }

  void try_one(const Pick& pick, Verification& result) {
    const DoneRecord known = run_.find(pick.task, pick.candidate);
    const Remade once = run_.make(), again = run_.make();
    ++result.made;
    for (const Remade* made : {&once, &again})
      if (!made->failure.empty())
        return result.faults.push_back(
            fmt::format("{} failed when it was made again: {}", name_of(pick), made->failure));
    const bool same = once.hash == again.hash, equal = once.hash == known.hash;
    result.hashes_equal += equal;
    sampler_.deterministic.add(same, pick);
    if (same) try_batches(sampler_, equal, pick);
    for (std::size_t v = 0; v < scorer().size(); ++v) {
      if (scorer().verifier(v).set_level()) continue;
      const bool was_scored = v < known.scores.size() && !known.scores[v].empty();
      if (once.scores[v].empty() || again.scores[v].empty()) {
        if (was_scored)
          result.faults.push_back(fmt::format("{} did not score {} again",
                                              scorer().verifier(v).use().name, name_of(pick)));
        continue;
      }
      const bool same_scores = once.scores[v] == again.scores[v];
      if (same) verifiers_[v].deterministic.add(same_scores, pick);
      if (!was_scored) continue;
      if (same_scores && equal) try_batches(verifiers_[v], once.scores[v] == known.scores[v], pick);
      const double was = known.scores[v].front(), is = once.scores[v].front();
      const double scale = std::max(std::abs(was), spreads_[v]);
      differences_[v].push_back(is == was ? 0 : std::abs(is - was) / (scale > 0 ? scale : 1));
    }
  }

  // Of what came out the same twice. The batches of a deterministic run are padded to one shape, so
  // that equal bits say nothing there; others do.
  void try_batches(Trials& trials, bool equal, const Pick& pick) const {
    if (same_files_ && (!equal || !config().deterministic)) trials.batch_invariant.add(equal, pick);
  }

  void add(const Trial& trial, Verification& result) const {
    const ClaimVerdict& verdict = trial.verdict();
    if (verdict.untried() && !(verdict.claimed && same_files_)) return;
    if (verdict.refuted())
      result.faults.push_back(fmt::format("{} claims to be {}, but was so in {} of {} trials; {}",
                                          verdict.plugin, verdict.claim, verdict.held,
                                          verdict.tried, verdict.counterexample));
    result.claims.push_back(verdict);
  }

  void sum_up(const VerifyRequest& request, Verification& result) {
    add(sampler_.deterministic, result);
    add(sampler_.batch_invariant, result);
    for (std::size_t v = 0; v < verifiers_.size(); ++v) {
      add(verifiers_[v].deterministic, result);
      add(verifiers_[v].batch_invariant, result);
      auto& all = differences_[v];
      const std::string name = scorer().verifier(v).use().name;
      const double largest = all.empty() ? 0 : *std::ranges::max_element(all);
      const double middle = median(all);
      result.differences.push_back({name, all.size(), largest, middle});
      if (middle > request.tolerance)
        result.faults.push_back(
            fmt::format("half of the scores by {} differ by {:.3g} or more "
                        "from the journal's; expected at most {:.3g}",
                        name, middle, request.tolerance));
    }
    if (result.hashes_must_be_equal && result.hashes_equal < result.made)
      result.faults.push_back(
          fmt::format("{} of {} samples of a deterministic run came out with other bits",
                      result.made - result.hashes_equal, result.made));
  }

  RemadeRun run_;
  std::string changed_;
  bool same_files_;
  Trials sampler_;
  std::vector<Trials> verifiers_;
  std::vector<std::vector<double>> differences_;  // by verifier
  std::vector<double> spreads_;                   // of its scores in the run
};

}  // namespace

bool Verification::same_bits() const {
  return hashes_equal == made &&
         std::ranges::all_of(differences, [](const Difference& each) { return each.largest == 0; });
}

Verification verify_run(const RunConfig& config, const Registry& registry,
                        const std::filesystem::path& run, const VerifyRequest& request) {
  return Verifying(config, registry, run).go(request);
}

}  // namespace winnow

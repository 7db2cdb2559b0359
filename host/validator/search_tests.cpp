// search_tests.cpp: what every search owes: lawful proposals within the budget, the same ones for
// the same tells, and an answer among what it was told.
#include <cmath>

#include "host/validator/search_bench.hpp"

namespace winnow::validator {
namespace {

SearchRun must_end(Bench& bench, SearchRules rules) {
  const SearchRun run = run_search(bench, std::move(rules));
  if (!run.error.empty()) fail("{}", run.error);
  return run;
}

void ends(Bench& bench) {
  const SearchRun run = must_end(bench, {});
  if (run.pushed == 0) fail("it ended without a candidate, with a budget of 120 NFE");
  bench.remark(fmt::format("{} candidates, {:.0f} of 120 NFE", run.pushed, run.spent));
}

// Task refuses what it refuses in a run.
void lawful(Bench& bench) {
  for (const std::uint64_t seed : {1, 2, 3}) must_end(bench, {.budget = 400, .seed = seed});
}

void max_n(Bench& bench) {
  for (const std::uint64_t n : {1, 2, 5, 300}) must_end(bench, {.max_n = n, .budget = 300});
}

void replay(Bench& bench) {
  const std::string first = must_end(bench, {}).log;
  if (must_end(bench, {}).log != first)
    fail("told the same, a second instance asks otherwise: a run could not be continued");
}

// What was cut off leaves nothing behind that others see.
void interrupted(Bench& bench) {
  const std::string whole = must_end(bench, {}).log;
  for (const std::size_t rounds : {0, 1, 2, 5}) {
    Instance cut(bench);
    const SearchRun part = SearchBench(cut, {.most_rounds = rounds}).run();
    if (!whole.starts_with(part.log))
      fail("its first {} rounds differ from those of a run", rounds);
    bench.stage("destroying a search after {} rounds", rounds);
    cut.destroy();
    if (must_end(bench, {}).log != whole)
      fail("after another search was cut off in round {} it asks otherwise", rounds);
  }
}

// Scattered, so that paths of several candidates are not hit every time.
bool a_third(std::uint64_t k) { return ((k + 1) * 0x9E3779B97F4A7C15u >> 40) % 3 == 0; }

void failures(Bench& bench) {
  const SearchRun run =
      must_end(bench, {.budget = 300, .fails = [](std::uint64_t k) { return a_third(k); }});
  if (run.failed == 0 || run.failed == run.pushed)
    fail("{} of {} candidates failed, expected a third", run.failed, run.pushed);
  if (run.best == 0)
    fail("best names nothing, though {} candidates succeeded", run.pushed - run.failed);
  if (run.best_failed) fail("best names candidate {}, which failed", run.best);
}

void all_fail(Bench& bench) {
  const SearchRun run = must_end(bench, {.fails = [](std::uint64_t) { return true; }});
  if (run.best && run.best_failed) fail("best names candidate {}, which failed", run.best);
}

void best_told(Bench& bench) {
  const SearchRun run = must_end(bench, {});
  if (run.best == 0) fail("best names nothing after {} candidates", run.pushed);
  if (run.best_failed) fail("best names candidate {}, which failed", run.best);
}

void best_is_best(Bench& bench) {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    const SearchRun run = must_end(bench, {.budget = 300, .seed = seed});
    if (!run.best_finished) {
      bench.warn("best names a candidate without a score at time 0");
      return;
    }
    if (run.best_score < run.best_told)
      fail("best names a candidate of score {}, it was told {}", run.best_score, run.best_told);
  }
}

void small_budgets(Bench& bench) {
  for (const std::uint64_t budget : {0, 1, 7, 9, 10, 11, 23, 57}) {
    const SearchRun run = run_search(bench, {.budget = budget});  // or it says that it is too small
    if (budget < 10 && run.best_finished)
      fail("with {} NFE it names a finished candidate, which costs 10", budget);
  }
}

void ranked(Bench& bench) {
  for (const char* claim : {"needs_magnitudes", "needs_gradient", "needs_preview_gradient"})
    if (bench.manifest().claims_true(claim)) skip("it claims {}", claim);
  const SearchRun run = must_end(bench, {.budget = 300, .ranked = true});
  if (run.best == 0 || run.best_failed) fail("under ranks best names no candidate that succeeded");
}

void task_seed(Bench& bench) {
  const SearchRun run = must_end(bench, {.seed = 0xABCDEF});
  if (run.foreign_seeds)
    fail("{} noises have an address with another seed than the task's: tasks would share noise",
         run.foreign_seeds);
}

void no_gradients(Bench& bench) {
  const SearchRun run = run_search(bench, {.gradients = false});
  if (run.error.empty()) return;
  if (bench.manifest().claims_true("needs_gradient") ||
      bench.manifest().claims_true("needs_preview_gradient"))
    return bench.remark("refuses, as it claims: " + run.error);
  fail("without gradients it ends, and the manifest does not claim needs_gradient: {}", run.error);
}

constexpr Test kTests[] = {
    {"search-ends", 1, kSearch, "It proposes candidates and ends within its budget.", ends,
     Needs::kInstance},
    {"search-lawful", 2, kSearch,
     "Ids grow, parents are there, times and numbers are in range, in everything it proposes.",
     lawful},
    {"search-best", 2, kSearch, "best names a candidate that was pushed, kept and did not fail.",
     best_told},
    {"search-max-n", 3, kSearch, "Asks of 1, 2, 5 and 300 candidates at most do for it.", max_n},
    {"search-replay", 3, kSearch, "Told the same, another instance asks the same.", replay},
    {"search-failures", 3, kSearch, "Candidates that fail stop it not, and are not its best.",
     failures},
    {"search-all-fail", 4, kSearch, "It ends when every candidate fails.", all_fail},
    {"search-interrupted", 4, kSearch, "Cut off in any round, it starts anew as if nothing was.",
     interrupted},
    {"search-small-budgets", 4, kSearch, "Budgets for nothing, and for almost one, end it too.",
     small_budgets},
    {"search-ranked", 4, kSearch, "It works with scores that are ranks within a round.", ranked},
    {"search-task-seed", 4, kSearch, "Every noise address has the seed of the task.", task_seed},
    {"search-no-gradients", 5, kSearch,
     "Without gradients it works, or says that it cannot and claims needs_gradient.", no_gradients},
    {"search-best-is-best", 6, kSearch,
     "best names the best sample that it was told of; one without a score is a warning.",
     best_is_best},
};

}  // namespace

Tests search_tests() { return kTests; }

}  // namespace winnow::validator

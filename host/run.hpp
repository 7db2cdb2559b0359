// run.hpp: a whole run: from a checked config through plugins and engine to the run directory.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "host/config.hpp"
#include "host/ledger.hpp"
#include "host/registry.hpp"
#include "winnow/winnow.h"

namespace winnow {

// For the progress line. Numbers of the whole run, earlier parts included.
struct Progress {
  std::uint64_t tasks = 0, tasks_done = 0;
  double nfe = 0;        // search NFE charged, less what of it is still to be walked
  double nfe_total = 0;  // planned search NFE; 0: not known
  double mean_best = 0;  // over finished tasks, before that over running ones; NaN: no score yet
  double mean_gain = 0;  // mean of best minus first over finished tasks
  double seconds = 0;    // this part
  double nfe_this_part = 0;
};

// Often enough for a line that people watch.
inline constexpr double kProgressEvery = 0.05;

class PoolCache;

struct RunRequest {
  const RunConfig& config;
  const Registry& registry;
  std::filesystem::path directory;
  // Set to WN_E_CANCELLED (SIGTERM, SIGINT): the run commits what it has and returns early. May be
  // null.
  const std::atomic<wn_status>* stop = nullptr;
  std::function<void(const Progress&)> on_progress;   // called often; may be empty
  double progress_every = 0;                          // seconds; and once at the end
  std::function<void(const std::string&)> on_notice;  // one line for the user; may be empty
  // Where [execution] pool is read through, so that a process that executes many runs reads each
  // pool once (host/pool.hpp). Null: it is read for this run alone.
  PoolCache* pools = nullptr;
};

struct RunOutcome {
  Exit exit = Exit::kDone;         // kDone, kCandidates, kCheckpointed (stopped)
  bool was_finished = false;       // nothing was left to do
  nlohmann::ordered_json summary;  // as in summary.json; null when not finished
  nlohmann::ordered_json effort;   // as in execution.json
};

// Throws Error for everything that is refused; the run directory is then as it was, or can be
// continued by the same call.
RunOutcome execute_run(const RunRequest& request);

// The cost of a run before it is made.
struct Plan {
  Ledger ledger;      // of all tasks
  bool exact = true;  // false: an upper bound (the search's cost depends on scores)
  std::uint64_t tasks = 0;
  std::uint64_t memory_bytes = 0;  // latents in flight, cache, batches; without weights
  std::uint64_t disk_bytes = 0;    // upper bound of samples and journal
  double seconds = 0;              // from one timed batch; 0: not measured
};
// `measure`: time one batch of the sampler and the verifiers. Throws Error when no cap ends the
// search.
Plan make_plan(const RunConfig& config, const Registry& registry, bool measure);

// One candidate of a run made again from its recipe.
struct Shown {
  nlohmann::ordered_json recipe;
  nlohmann::ordered_json scores;          // by verifier name, made now
  nlohmann::ordered_json journal_scores;  // of those that it has
  std::string hash, journal_hash, note;   // note: the run had other plugins or models
  double largest_score_difference = 0;    // to the journal's
  bool hash_equal = false;
  std::filesystem::path file;  // where the sample was written; empty: nowhere
};
// `candidate` 0: the task's best. `png`: where to write the sample; may be empty.
Shown show_candidate(const RunConfig& config, const Registry& registry,
                     const std::filesystem::path& directory, std::uint64_t task,
                     std::uint64_t candidate, const std::filesystem::path& png);

// What a live or dead run has done, from its journal alone.
struct RunStatus {
  std::uint64_t tasks = 0, tasks_done = 0, candidates_done = 0, candidates_failed = 0,
                candidates_open = 0;
  double seconds = 0, walked_nfe = 0;
  bool finished = false, locked = false;  // locked: a writer is at work
  std::string notice;                     // about a torn tail
};
RunStatus read_status(const std::filesystem::path& directory);

}  // namespace winnow

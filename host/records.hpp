// records.hpp: what stands in the journal, as JSON. Kinds ("k"):
//   run    format, config (SHA-256 of run.toml), tasks, batch size          first, and whenever the
//   run is started again ask    t, asked noises and candidates, status                before any of
//   it is worked on done   t, c, scores per verifier, sample hash                a candidate is
//   finished fail   t, c, why grad   t, n, values of a gradient noise (hexadecimal)  before any
//   candidate that draws on it final  t, its entry of summary.json, its ledger              a task
//   is finished clock  seconds, NFE walked, NFE of it made again, candidates and NFE from pools per
//   commit
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/ledger.hpp"
#include "host/task.hpp"

namespace winnow {

// Scores of one sample: all heads by verifier (in the order of the config); empty: that verifier
// did not judge it.
using ScoreTable = std::vector<std::vector<float>>;

struct DoneRecord {
  std::uint64_t task = 0, candidate = 0;
  ScoreTable scores;
  std::string hash;   // of the sample's float32 bits, 16 hex digits; empty: not decoded
  std::string error;  // not empty: it failed
  // By name of a verifier that only looks on: why it gave no score.
  std::map<std::string, std::string> unscored;
};

std::string run_record(const std::string& config_hash, std::uint64_t tasks, std::uint32_t batch);
std::string ask_record(Task& task, const Asked& asked);
std::string done_record(const DoneRecord& record);
std::string gradient_record(std::uint64_t task, std::uint64_t noise, std::span<const float> values);
std::string final_record(std::uint64_t task, const nlohmann::ordered_json& entry,
                         const Ledger& ledger);

// How far the work has come, over all parts of the run.
struct ClockRecord {
  double seconds = 0, walked_nfe = 0, recomputed_nfe = 0;
  std::uint64_t replayed_candidates = 0;  // taken from pools
  double replayed_nfe = 0;
};
std::string clock_record(const ClockRecord& clock);

// A journal read back; what a resumed run, `status` and `show` need.
struct History {
  // `keep_finished`: asks and results of finished tasks too (a resumed run needs only their final
  // record).
  explicit History(bool keep_finished = false) : keep_finished(keep_finished) {}
  bool keep_finished;
  std::string config_hash;
  std::uint64_t tasks = 0;
  std::map<std::uint64_t, std::vector<std::string>> asks;  // by task, payloads in order
  std::map<std::uint64_t, std::unordered_map<std::uint64_t, DoneRecord>>
      done;                                                                 // by task, candidate
  using Gradients = std::unordered_map<std::uint64_t, std::vector<float>>;  // by noise
  std::map<std::uint64_t, Gradients> gradients;                             // by task
  struct Final {
    nlohmann::ordered_json entry;
    Ledger ledger;
  };
  std::map<std::uint64_t, Final> finals;  // what came before them is not kept
  ClockRecord clock;                      // the last one
  std::uint64_t records = 0;
  std::uint32_t parts = 0;  // times the run was started
  // Of those parts, in order; 0: a journal that does not say. (With deterministic = true the bits
  // hang on it.)
  std::vector<std::uint32_t> batches;

  // Adds one record. Throws Error(Exit::kJournal) when it is not one of the above.
  void add(std::string_view payload);
};

// The values of a gradient noise as its record holds them.
std::vector<float> gradient_of(const nlohmann::json& record);

// The recipes of one ask record, as the search gave them: a candidate that inherits its parent's
// noise has none, and what the host worked out beside (price, positions) is missing. Throws
// nlohmann::json::exception when a part is missing.
struct AskedRecipes {
  std::vector<Noise> noises;
  std::vector<Candidate> candidates;
};
AskedRecipes recipes_of(const nlohmann::json& ask);

// Throws Error(Exit::kPlugin) that names the search, with where they differ, unless what was asked
// now is what the journal has.
void require_same_ask(const Task& task, const std::string& record, const std::string& expected);

// From an ask record: after how many accepted candidates the clock ran out (-1: it did not).
std::int64_t time_up_after(const std::string& ask_payload);

// The recipe of one candidate as JSON: its noises and parents, all the way to the roots; this
// stands in the PNG and the summary.
nlohmann::ordered_json recipe_json(Task& task, std::uint64_t candidate);

// FNV-1a over the float bits, 16 hex digits.
std::string sample_hash(std::span<const float> sample);

}  // namespace winnow

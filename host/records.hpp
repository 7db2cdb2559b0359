// records.hpp: what stands in the journal, as JSON. Kinds ("k"):
//   run    format, config (SHA-256 of run.toml), tasks          the first record
//   ask    t, asked noises and candidates, status                before any of it is worked on
//   done   t, c, scores per verifier, sample hash                a candidate is finished
//   fail   t, c, why
//   final  t, best, mode, scores, sample hash, files             a task is finished
//   clock  seconds and NFE walked so far                         once per commit
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
};

struct FinalRecord {
  std::uint64_t task = 0, best = 0;
  FinalMode mode = FinalMode::kAsItIs;
  double nfe = 0;
  ScoreTable scores;
  std::string hash, file;
  std::string error;  // not empty: the task has no sample
};

std::string run_record(const std::string& config_hash, std::uint64_t tasks);
std::string ask_record(Task& task, const Asked& asked);
std::string done_record(const DoneRecord& record);
std::string final_record(const FinalRecord& record);
std::string clock_record(double seconds, double walked_nfe);

// A journal read back; what a resumed run, `status` and `show` need.
struct History {
  std::string config_hash;
  std::uint64_t tasks = 0;
  std::map<std::uint64_t, std::vector<std::string>> asks;  // by task, payloads in order
  std::map<std::uint64_t, std::unordered_map<std::uint64_t, DoneRecord>>
      done;  // by task, candidate
  std::map<std::uint64_t, FinalRecord> finals;
  double seconds = 0, walked_nfe = 0;  // the last clock
  std::uint64_t records = 0;

  // Adds one record. Throws Error(Exit::kJournal) when it is not one of the above.
  void add(std::string_view payload);
};

// From an ask record: after how many accepted candidates the clock ran out (-1: it did not).
std::int64_t time_up_after(const std::string& ask_payload);

// The recipe of one candidate as JSON: its noises and parents, all the way to the roots; this
// stands in the PNG and the summary.
nlohmann::ordered_json recipe_json(Task& task, std::uint64_t candidate);

// FNV-1a over the float bits, 16 hex digits.
std::string sample_hash(std::span<const float> sample);

}  // namespace winnow

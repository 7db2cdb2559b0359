// saved_run.hpp: what a finished run directory keeps of its samples: the pictures, what the run's
// verifiers gave them, and what was asked for. Read without any plugin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/config.hpp"

namespace winnow {

struct SavedSample {
  std::uint64_t candidate = 0;
  std::filesystem::path file;  // a PNG
  std::vector<double> scores;  // head 0 by verifier of the run; NaN: it did not judge it
};

struct SavedTask {
  std::uint64_t index = 0;
  TaskSpec condition;
  // The candidates that were decoded at time 0, by number, when all were kept; else the first one
  // and the chosen one.
  std::vector<SavedSample> samples;
  std::optional<std::size_t> first, chosen;  // among `samples`; no chosen one: the task failed
};

struct SavedRun {
  std::filesystem::path directory;
  std::vector<std::string> verifiers;  // their names, in the order of its config
  bool keeps_all = false;              // output.keep = "all"
  std::vector<SavedTask> tasks;        // by index
};

// Reads and changes nothing. A finished search profile that was walked again on the final one is
// compared by its search sample, like the candidates it was chosen among. Throws
// Error(Exit::kUsage) for what is no finished run directory and for a condition's picture that is
// not the one of the run, Error(Exit::kJournal) for damage.
SavedRun read_saved_run(const std::filesystem::path& directory);

// Throws Error(Exit::kUsage) where the run keeps no samples (output.keep = "none"). No run
// directory, or one without lock.json: nothing is said.
void require_samples(const std::filesystem::path& directory);

// The summary of a run directory; nothing when the run is not finished or it is no run directory.
// Throws Error(Exit::kUsage) when it is damaged.
std::optional<nlohmann::ordered_json> read_summary(const std::filesystem::path& directory);

}  // namespace winnow

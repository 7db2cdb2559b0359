// study_run.hpp: makes the runs of a study, one after the other, and knows which are there already.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "host/run.hpp"
#include "host/study_points.hpp"

namespace winnow {

// Where runs of all studies live under one --out, and where one study's results go.
std::filesystem::path runs_folder(const std::filesystem::path& out);
std::filesystem::path study_folder(const std::filesystem::path& out, const Study& study);

// Looks whether runs are finished, without loading plugins. Not thread-safe.
class FinishedRuns {
 public:
  // The run directory holds a summary of this very config. Throws Error(Exit::kUsage) when a file
  // that the config names (weights) is another one than when the run was made. Another program or
  // another build of a plugin is let pass: a finished run is a record of what it was made with.
  bool has(const std::filesystem::path& run, const RunConfig& config);
  // The same, but false for a run that was made with other files.
  bool has_with_these_files(const std::filesystem::path& run, const RunConfig& config);

 private:
  std::map<std::string, std::string> hashes_;  // of files, by path
};

struct StudyRequest {
  const Study& study;
  const std::vector<StudyPoint>& points;
  const Registry& registry;
  std::filesystem::path out;
  std::string only;  // the sweep to make, with the pools it names; empty: all
  const std::atomic<wn_status>* stop = nullptr;       // as in RunRequest
  std::function<void(const Progress&)> on_progress;   // of the run at work; may be empty
  std::function<void(const std::string&)> on_notice;  // one line for the user; may be empty
};

struct FailedPoint {
  std::string label, why;
  Exit exit;
};

struct StudyOutcome {
  // kDone; kCheckpointed: stopped, the same call goes on; else that of the first failure.
  Exit exit = Exit::kDone;
  std::size_t made = 0, were_finished = 0;
  std::vector<FailedPoint> failed;  // the others went on, but for a full disk
};

StudyOutcome execute_study(const StudyRequest& request);

}  // namespace winnow

// study_run.hpp: makes the runs of a study, one after the other, and knows which are there already.
// Several at once: host/study_jobs.hpp.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "host/pool.hpp"
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
  double progress_every = 0;                          // seconds (host/run.hpp)
  std::function<void(const std::string&)> on_notice;  // one line for the user; may be empty
};

struct FailedPoint {
  std::size_t index;
  std::string label, why;
  Exit exit;
};

struct StudyOutcome {
  // kDone; kCheckpointed: stopped, the same call goes on; else that of the first failure.
  Exit exit = Exit::kDone;
  std::size_t made = 0, were_finished = 0;
  std::vector<FailedPoint> failed;  // the others went on, but for a full disk
};

// What became of one point.
struct PointResult {
  enum Kind { kMade, kWasFinished, kStopped, kFailed };
  Kind kind = kMade;
  Exit exit = Exit::kDone;  // kMade: perhaps kCandidates; kFailed: why not
  std::string why;          // of kFailed
};

// Makes points of one request, which it borrows. Not thread-safe.
class PointMaker {
 public:
  explicit PointMaker(const StudyRequest& request) : request_(request) {}
  PointResult make(std::size_t index);

 private:
  RunConfig with_pools(const StudyPoint& point);

  const StudyRequest& request_;
  FinishedRuns finished_;
  PoolCache pools_;
};

// Adds results up. Borrows the request.
class StudyTally {
 public:
  explicit StudyTally(const StudyRequest& request) : request_(request) {}
  // False: a pool that its sweep names has failed, and so has it now.
  bool may_begin(std::size_t index);
  // False: nothing more can be done now.
  bool add(std::size_t index, const PointResult& result);
  StudyOutcome outcome() const;

 private:
  const StudyRequest& request_;
  std::set<std::size_t> failed_;
  StudyOutcome outcome_;
};

// "study [3/12]: label", before a point is made.
std::string point_notice(const StudyRequest& request, std::size_t index);

StudyOutcome execute_study(const StudyRequest& request);

}  // namespace winnow

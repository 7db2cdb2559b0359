// study_run.cpp: the loop over the points.
#include "host/study_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "host/code_trust.hpp"
#include "host/in_shell.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

fs::path directory(const StudyRequest& request, const StudyPoint& point) {
  return runs_folder(request.out) / point.folder;
}

}  // namespace

fs::path runs_folder(const fs::path& out) { return out / "runs"; }

fs::path study_folder(const fs::path& out, const Study& study) { return out / study.name; }

bool FinishedRuns::has(const fs::path& run, const RunConfig& config) {
  if (text_of(run / "run.toml") != resolved_toml(config)) return false;
  if (!json::accept(text_of(run / "summary.json"))) return false;
  const json lock = json::parse(text_of(run / "lock.json"), nullptr, /*allow_exceptions=*/false);
  if (!lock.is_object() || !lock.contains("files")) return false;
  for (const auto& [file, hash] : lock["files"].items()) {
    auto known = hashes_.find(file);
    if (known == hashes_.end()) known = hashes_.emplace(file, sha256_hex_of_code(file)).first;
    if (hash == known->second) continue;
    throw Error(Exit::kUsage,
                fmt::format("'{}' was made with another '{}': give another folder with --out, or "
                            "delete the run",
                            run.string(), file));
  }
  return true;
}

bool FinishedRuns::has_with_these_files(const fs::path& run, const RunConfig& config) try {
  return has(run, config);
} catch (const Error&) {
  return false;
}

PointResult PointMaker::make(std::size_t index) try {
  const StudyPoint& point = request_.points[index];
  if (finished_.has(directory(request_, point), point.config))
    return {PointResult::kWasFinished, Exit::kDone, ""};
  // Again, for hours may have passed since the study was read.
  require_trust(request_.study.base, code_of_config(point.config, request_.registry),
                in_shell(request_.study.file));
  if (request_.on_notice) request_.on_notice(point_notice(request_, index));
  const RunConfig config = with_pools(point);
  const RunOutcome run = execute_run({.config = config,
                                      .registry = request_.registry,
                                      .directory = directory(request_, point),
                                      .stop = request_.stop,
                                      .on_progress = request_.on_progress,
                                      .progress_every = request_.progress_every,
                                      .on_notice = request_.on_notice,
                                      .pools = &pools_});
  if (run.exit == Exit::kCheckpointed) return {PointResult::kStopped, run.exit, ""};
  return {PointResult::kMade, run.exit, ""};
} catch (const Error& error) {
  return {PointResult::kFailed, error.exit(), error.what()};
}

// What is not there (it failed, or --only left it out) is made instead.
RunConfig PointMaker::with_pools(const StudyPoint& point) {
  RunConfig config = point.config;
  for (const std::size_t pool : point.pools) {
    const StudyPoint& source = request_.points[pool];
    if (source.folder != point.folder &&
        finished_.has_with_these_files(directory(request_, source), source.config))
      config.execution.pools.push_back(directory(request_, source));
  }
  return config;
}

bool StudyTally::may_begin(std::size_t index) {
  const StudyPoint& point = request_.points[index];
  for (std::size_t i = 0; i < point.named_pools; ++i)
    if (failed_.contains(point.pools[i])) {
      add(index, {PointResult::kFailed, Exit::kUsage,
                  fmt::format("its pool failed: {}", request_.points[point.pools[i]].label)});
      return false;
    }
  return true;
}

bool StudyTally::add(std::size_t index, const PointResult& result) {
  const std::string& label = request_.points[index].label;
  switch (result.kind) {
    case PointResult::kWasFinished:
      ++outcome_.were_finished;
      return true;
    case PointResult::kMade:
      ++outcome_.made;
      if (result.exit == Exit::kCandidates)
        outcome_.failed.push_back({index, label, "some of its tasks failed", Exit::kCandidates});
      return true;
    case PointResult::kStopped:
      outcome_.exit = Exit::kCheckpointed;
      return false;
    case PointResult::kFailed:
      outcome_.failed.push_back({index, label, result.why, result.exit});
      failed_.insert(index);
      return result.exit != Exit::kResources;
  }
  return true;
}

StudyOutcome StudyTally::outcome() const {
  StudyOutcome outcome = outcome_;
  std::ranges::stable_sort(outcome.failed, {}, &FailedPoint::index);
  if (outcome.exit == Exit::kDone && !outcome.failed.empty())
    outcome.exit = outcome.failed.front().exit;
  return outcome;
}

std::string point_notice(const StudyRequest& request, std::size_t index) {
  return fmt::format("{} [{}/{}]: {}", request.study.name, index + 1, request.points.size(),
                     request.points[index].label);
}

StudyOutcome execute_study(const StudyRequest& request) {
  PointMaker maker(request);
  StudyTally tally(request);
  for (const std::size_t i : wanted_points(request.points, request.only))
    if (tally.may_begin(i) && !tally.add(i, maker.make(i))) break;
  return tally.outcome();
}

}  // namespace winnow

// study_run.cpp: the loop over the points.
#include "host/study_run.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <set>

#include "host/pool.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class StudyRunner {
 public:
  explicit StudyRunner(const StudyRequest& request) : request_(request) {}

  StudyOutcome run() {
    for (const std::size_t i : wanted_points(request_.points, request_.only)) {
      const bool goes_on = attempt(i);
      if (outcome_.exit == Exit::kDone && !outcome_.failed.empty())
        outcome_.exit = outcome_.failed.front().exit;
      if (!goes_on) break;
    }
    return std::move(outcome_);
  }

 private:
  fs::path directory(const StudyPoint& point) const {
    return runs_folder(request_.out) / point.folder;
  }

  // False: nothing more can be done now.
  bool attempt(std::size_t index) {
    const StudyPoint& point = request_.points[index];
    try {
      for (std::size_t i = 0; i < point.named_pools; ++i)
        if (failed_.contains(point.pools[i]))
          throw Error(Exit::kUsage,
                      fmt::format("its pool failed: {}", request_.points[point.pools[i]].label));
      if (finished_.has(directory(point), point.config)) {
        ++outcome_.were_finished;
        return true;
      }
      return make(index);
    } catch (const Error& error) {
      outcome_.failed.push_back({point.label, error.what(), error.exit()});
      failed_.insert(index);
      return error.exit() != Exit::kResources;
    }
  }

  bool make(std::size_t index) {
    const StudyPoint& point = request_.points[index];
    if (request_.on_notice)
      request_.on_notice(fmt::format("{} [{}/{}]: {}", request_.study.name, index + 1,
                                     request_.points.size(), point.label));
    const RunConfig config = with_pools(point);
    const RunOutcome run = execute_run({.config = config,
                                        .registry = request_.registry,
                                        .directory = directory(point),
                                        .stop = request_.stop,
                                        .on_progress = request_.on_progress,
                                        .on_notice = request_.on_notice,
                                        .pools = &pools_});
    if (run.exit == Exit::kCheckpointed) {
      outcome_.exit = Exit::kCheckpointed;
      return false;
    }
    ++outcome_.made;
    if (run.exit == Exit::kCandidates)
      outcome_.failed.push_back({point.label, "some of its tasks failed", Exit::kCandidates});
    return true;
  }

  // What is not there (it failed, or --only left it out) is made instead.
  RunConfig with_pools(const StudyPoint& point) {
    RunConfig config = point.config;
    for (const std::size_t pool : point.pools) {
      const StudyPoint& source = request_.points[pool];
      if (source.folder != point.folder &&
          finished_.has_with_these_files(directory(source), source.config))
        config.execution.pools.push_back(directory(source));
    }
    return config;
  }

  const StudyRequest& request_;
  FinishedRuns finished_;
  PoolCache pools_;
  std::set<std::size_t> failed_;
  StudyOutcome outcome_;
};

}  // namespace

fs::path runs_folder(const fs::path& out) { return out / "runs"; }

fs::path study_folder(const fs::path& out, const Study& study) { return out / study.name; }

bool FinishedRuns::has(const fs::path& run, const RunConfig& config) {
  if (text_of(run / "run.toml") != resolved_toml(config)) return false;
  if (!json::accept(text_of(run / "summary.json"))) return false;
  const json lock = json::parse(text_of(run / "lock.json"), nullptr, /*allow_exceptions=*/false);
  if (!lock.is_object() || !lock.contains("files")) return false;
  for (const auto& [file, hash] : lock["files"].items()) {
    auto [known, is_new] = hashes_.try_emplace(file);
    if (is_new) known->second = sha256_hex_of_file(file);
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

StudyOutcome execute_study(const StudyRequest& request) { return StudyRunner(request).run(); }

}  // namespace winnow

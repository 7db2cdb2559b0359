// saved_run.cpp: see saved_run.hpp.
#include "host/saved_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/journal.hpp"
#include "host/records.hpp"
#include "host/run_directory.hpp"
#include "host/run_identity.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::uint64_t kLargestSummary = std::uint64_t{1} << 30;
constexpr std::uint64_t kLargestText = std::uint64_t{64} << 20;

// What the run was asked for must be what the verifier is shown now.
class Pictures {
 public:
  explicit Pictures(const ordered_json& lock) : files_(lock.at("files")) {}

  void check(const std::string& file) {
    if (!seen_.emplace(file, true).second || !files_.contains(file)) return;
    if (!fs::exists(file))
      throw Error(Exit::kUsage,
                  fmt::format("'{}', which a task asks for, is not there any more", file));
    const std::string found = sha256_hex_of_file(file), wanted = files_.at(file);
    if (found != wanted)
      throw Error(Exit::kUsage, fmt::format("'{}', which a task asks for, has changed since the "
                                            "run: its sha256 is {}, lock.json says {}",
                                            file, found, wanted));
  }

 private:
  const ordered_json& files_;
  std::map<std::string, bool> seen_;
};

class Reader {
 public:
  Reader(const fs::path& directory, const ordered_json& summary) : summary_(summary) {
    run_.directory = directory;
    const std::string lock_json = disk::read_all(directory / "lock.json", kLargestText);
    const RunIdentity identity =
        identity_of(disk::read_all(directory / "run.toml", kLargestText), lock_json);
    for (const RunIdentity::Judge& judge : identity.verifiers) run_.verifiers.push_back(judge.name);
    run_.keeps_all = identity.keeps_all;
    lock_ = ordered_json::parse(lock_json);
  }

  SavedRun read() {
    if (run_.keeps_all)
      read_journal(
          journal_path(run_.directory), [&](std::string_view payload) { history_.add(payload); },
          nullptr);
    Pictures pictures(lock_);
    for (const ordered_json& entry : summary_.at("tasks")) {
      SavedTask task;
      task.index = entry.at("task");
      task.condition = condition_of(entry.at("condition"));
      if (!task.condition.image.empty()) pictures.check(task.condition.image.string());
      if (run_.keeps_all) add_candidates(task);
      if (entry.contains("first")) task.first = add(task, entry.at("first"), entry.at("first"));
      if (entry.contains("best")) task.chosen = add(task, entry.at("best"), entry);
      run_.tasks.push_back(std::move(task));
    }
    return std::move(run_);
  }

 private:
  static TaskSpec condition_of(const ordered_json& asked) {
    TaskSpec spec;
    spec.class_id = asked.value("class", std::int64_t{-1});
    spec.prompt = asked.value("prompt", std::string());
    spec.image = asked.value("image", std::string());
    return spec;
  }

  void add_candidates(SavedTask& task) {
    for (const auto& [candidate, record] : history_.done[task.index]) {
      SavedSample sample{
          candidate,
          run_.directory / "samples" / fmt::format("t{:05}-c{:06}.png", task.index, candidate),
          {}};
      if (!record.error.empty() || !fs::exists(sample.file)) continue;
      for (std::size_t v = 0; v < run_.verifiers.size(); ++v)
        sample.scores.push_back(v < record.scores.size() && !record.scores[v].empty()
                                    ? static_cast<double>(record.scores[v].front())
                                    : std::nan(""));
      task.samples.push_back(std::move(sample));
    }
    std::ranges::sort(task.samples, {}, &SavedSample::candidate);
  }

  // The place of a sample that the summary names; it is appended when it is not there yet.
  std::size_t add(SavedTask& task, const ordered_json& named, const ordered_json& judged) const {
    SavedSample sample{named.at("candidate"), run_.directory / judged.at("sample"), {}};
    const auto there = std::ranges::find(task.samples, sample.candidate, &SavedSample::candidate);
    const bool same =
        there != task.samples.end() && (run_.keeps_all || named.value("made", "") == "as it is");
    if (same) return static_cast<std::size_t>(there - task.samples.begin());
    for (const std::string& name : run_.verifiers)
      sample.scores.push_back(judged.at("scores").value(name, std::nan("")));
    task.samples.push_back(std::move(sample));
    return task.samples.size() - 1;
  }

  const ordered_json& summary_;
  ordered_json lock_;
  History history_{/*keep_finished=*/true};
  SavedRun run_;
};

}  // namespace

std::optional<ordered_json> read_summary(const fs::path& directory) {
  const fs::path file = directory / "summary.json";
  if (!fs::exists(directory / "run.toml") || !fs::exists(file)) return std::nullopt;
  ordered_json summary = ordered_json::parse(disk::read_all(file, kLargestSummary), nullptr, false);
  if (!summary.is_object())
    throw Error(Exit::kUsage, fmt::format("'{}' is no summary of a run", file.string()));
  return summary;
}

void require_samples(const fs::path& directory) {
  if (!fs::exists(directory / "run.toml") || !fs::exists(directory / "lock.json")) return;
  const RunIdentity identity = identity_of(disk::read_all(directory / "run.toml", kLargestText),
                                           disk::read_all(directory / "lock.json", kLargestText));
  if (identity.keeps_none)
    throw Error(Exit::kUsage,
                fmt::format("the run in '{}' kept no samples (output.keep = \"none\"); make it "
                            "again in another folder with output.keep=best",
                            directory.string()));
}

SavedRun read_saved_run(const fs::path& directory) try {
  const auto summary = read_summary(directory);
  if (!summary && fs::exists(directory / "run.toml"))
    throw Error(Exit::kUsage, fmt::format("the run in '{}' is not finished; winnow run {} goes on",
                                          directory.string(), directory.string()));
  if (!summary)
    throw Error(Exit::kUsage, fmt::format("'{}' is no run directory", directory.string()));
  require_samples(directory);
  return Reader(directory, *summary).read();
} catch (const nlohmann::json::exception& error) {
  throw Error(Exit::kJournal,
              fmt::format("the run in '{}' is damaged: {}", directory.string(), error.what()));
}

}  // namespace winnow

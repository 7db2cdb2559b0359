// toy_run.hpp: whole runs over the toy sampler, for tests of the engine.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "host/run.hpp"
#include "host/run_directory.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow::test {

inline const Registry& toy_plugins() {
  static const Registry registry = [] {
    SearchPath path;
    path.entries = {{PLUGINS, "build", true}, {TEST_PLUGINS, "tests", true}};
    return Registry::scan(path, host_facts());
  }();
  return registry;
}

struct ToyRun {
  explicit ToyRun(Medium medium = Medium::kDisk) : folder(medium) {}

  TemporaryFolder folder;
  std::string text = R"(
[run]
name = "toy"
seed = 7
deterministic = true
[execution]
isolate = "none"
[budget]
nfe = 160
[tasks]
classes = [0, 3, 9]
repeat = 2
[sampler]
plugin = "winnow.toy.sampler"
steps = 8
[[verifier]]
plugin = "winnow.brightness"
target = 0.6
[search]
plugin = "winnow.random"
round = 5
)";

  RunConfig config(const std::vector<std::string>& overrides = {}) {
    const auto file = folder.path() / "run.toml";
    std::ofstream(file) << text;
    return load_config(file, overrides, toy_plugins());
  }

  RunOutcome run(const std::string& out, const std::vector<std::string>& overrides = {},
                 const std::atomic<wn_status>* stop = nullptr,
                 std::function<void(const Progress&)> on_progress = {}) {
    const RunConfig checked = config(overrides);
    return execute_run({.config = checked,
                        .registry = toy_plugins(),
                        .directory = folder.path() / out,
                        .stop = stop,
                        .on_progress = std::move(on_progress),
                        .on_notice = {}});
  }
};

using Overrides = std::vector<std::string>;

// Searches that together use every way a candidate can be made.
inline const std::map<std::string, Overrides>& searches() {
  static const std::map<std::string, Overrides> all{
      {"random", {}},
      {"zero_order", {"search={plugin=\"winnow.zero_order\", neighbours=3}"}},
      {"every_operation", {"search={plugin=\"winnow.toy.every_operation\"}"}},
      {"paths", {"search={plugin=\"winnow.paths\", paths=2, branches=3, leg_steps=2}"}},
      {"first_order",
       {"search={plugin=\"winnow.first_order\", chains=2}",
        "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"}},
      {"every_gradient",
       {"search={plugin=\"winnow.toy.every_gradient\"}",
        "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]", "budget.nfe=320"}},
      {"previews",
       {"search={plugin=\"winnow.toy.every_operation\"}",
        "verifier=[{plugin=\"winnow.toy.preview_pixel\", time=0.3}, "
        "{plugin=\"winnow.toy.preview_pixel\", name=\"early\", time=0.8, role=\"report\"}]"}},
      {"sets",
       {"search={plugin=\"winnow.zero_order\", neighbours=3}",
        "verifier=[{plugin=\"winnow.toy.balance\"}]"}}};
  return all;
}

// Every ask and every result of a journal, sorted within a task; what must not depend on how a run
// is executed.
inline std::vector<std::string> logical_records(const std::filesystem::path& run) {
  std::vector<std::string> records;
  std::string notice;
  read_journal(
      journal_path(run),
      [&](std::string_view payload) {
        const auto record = nlohmann::json::parse(payload);
        if (record["k"] != "clock" && record["k"] != "run") records.emplace_back(payload);
      },
      &notice);
  std::ranges::sort(records);
  return records;
}

// The records of each task, in the order in which they were written.
inline std::map<std::uint64_t, std::vector<nlohmann::json>> records_by_task(
    const std::filesystem::path& run) {
  std::map<std::uint64_t, std::vector<nlohmann::json>> found;
  std::string notice;
  read_journal(
      journal_path(run),
      [&](std::string_view payload) {
        auto record = nlohmann::json::parse(payload);
        if (record.contains("t")) found[record["t"]].push_back(std::move(record));
      },
      &notice);
  return found;
}

}  // namespace winnow::test

// replay_test.cpp: recorded tables instead of a network: a run is exported, and searches over the
// table find what the run found; broken tables are refused with what is wrong.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <set>

#include "host/replay_export.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

// A run over the toy sampler that was judged at four times, and its table.
struct Recording {
  ToyRun toy;
  std::filesystem::path table;
  ReplayExport made;

  Recording() {
    const Overrides how{"search.candidates=40", "search.preview_times=[0.75, 0.5, 0.25]",
                        "budget.nfe=400"};
    REQUIRE(toy.run("recording", how).exit == Exit::kDone);
    table = toy.folder.path() / "pool.safetensors";
    made = export_replay(toy.folder.path() / "recording", toy.config(how), toy_plugins(), table);
  }

  Overrides over_table(Overrides more) const {
    more.push_back("sampler={plugin=\"winnow.replay\", table=\"" + table.string() + "\"}");
    more.push_back("verifier=[{plugin=\"winnow.replay_scores\", name=\"brightness\", table=\"" +
                   table.string() + "\"}]");
    return more;
  }
};

std::map<double, std::vector<double>, std::greater<>> scores_by_time(
    const std::vector<json>& records) {
  std::map<std::uint64_t, double> to;
  std::map<double, std::vector<double>, std::greater<>> scores;
  for (const json& record : records) {
    if (record["k"] == "ask")
      for (const json& c : record["c"]) to[c["id"]] = c["to"];
    if (record["k"] == "done" && !record["s"].empty())
      scores[to.at(record["c"].get<std::uint64_t>())].push_back(record["s"][0][0].get<double>());
  }
  return scores;
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

}  // namespace

TEST_CASE("a run's table holds every path at every time, at the sampler's prices", "[replay]") {
  const Recording recording;
  CHECK(recording.made.tasks == 6);
  CHECK(recording.made.seeds == 40);
  CHECK(recording.made.times == std::vector<double>{0.75, 0.5, 0.25, 0});
  CHECK(recording.made.verifiers == std::vector<std::string>{"brightness"});
  CHECK(recording.made.incomplete == 0);
}

TEST_CASE("a search over the table sees the recorded scores, at the recorded price", "[replay]") {
  Recording recording;
  const auto found =
      recording.toy.run("replayed", recording.over_table({"search={plugin=\"winnow.random\", "
                                                          "preview_times=[0.75, 0.5, 0.25]}"}));
  REQUIRE(found.exit == Exit::kDone);
  CHECK(found.summary["ledger"]["candidates"] == 6 * 20 * 4);  // 160 NFE of 8 a path
  const auto before = records_by_task(recording.toy.folder / "recording");
  std::size_t different = 0;
  for (const auto& [task, records] : records_by_task(recording.toy.folder / "replayed")) {
    const auto replayed = scores_by_time(records), recorded = scores_by_time(before.at(task));
    REQUIRE(replayed.size() == 4);
    for (const auto& [time, scores] : replayed)
      for (const double score : scores) CHECK(std::ranges::count(recorded.at(time), score) > 0);
    different += std::set<double>(replayed.at(0).begin(), replayed.at(0).end()).size();
  }
  CHECK(different > 6 * 12);  // 20 draws of 40, with replacement: 15.9 on average
}

TEST_CASE("pruning over the table gives up and finishes the paths that were recorded", "[replay]") {
  Recording recording;
  // Stops at 1 and 2 of 4 steps (8 NFE): (2 + 1) n + 2 n / 2 + 3 n / 4 ... whatever: never beyond.
  const auto found =
      recording.toy.run("replayed", recording.over_table({"search={plugin=\"winnow.pruned\"}"}));
  REQUIRE(found.exit == Exit::kDone);
  CHECK(found.summary["ledger"]["search_nfe"] <= 6 * 160);
  CHECK(found.summary["ledger"]["search_nfe"] > 6 * 150);
  CHECK(found.summary["ledger"]["failed_candidates"] == 0);
  // Each path is one of those that were recorded, from its first preview to its sample.
  const auto paths_of = [](const std::vector<json>& records) {
    std::map<std::uint64_t, std::uint64_t> parent;
    std::map<std::uint64_t, double> scores;
    std::map<std::uint64_t, double> at;
    for (const json& record : records) {
      if (record["k"] == "ask")
        for (const json& c : record["c"]) {
          parent[c["id"]] = c["p"];
          at[c["id"]] = c["to"];
        }
      if (record["k"] == "done" && !record["s"].empty()) scores[record["c"]] = record["s"][0][0];
    }
    std::map<std::uint64_t, std::map<double, double>> paths;  // of the last candidate, by time
    for (const auto& [id, score] : scores)
      for (std::uint64_t c = id; c != 0; c = parent.at(c)) paths[id][at.at(c)] = scores.at(c);
    return paths;
  };
  const auto recorded = records_by_task(recording.toy.folder / "recording");
  std::size_t whole = 0;
  for (const auto& [task, records] : records_by_task(recording.toy.folder / "replayed")) {
    const auto there = paths_of(recorded.at(task));
    for (const auto& [id, path] : paths_of(records)) {
      whole += path.size() == 3;
      CHECK(std::ranges::any_of(there, [&](const auto& other) {
        return std::ranges::all_of(path, [&](const auto& stop) {
          const auto found = other.second.find(stop.first);
          return found != other.second.end() && found->second == stop.second;
        });
      }));
    }
  }
  CHECK(whole > 6 * 5);
}

TEST_CASE("a table of CSV says the same as the one of safetensors", "[replay]") {
  Recording recording;
  const auto binary = recording.toy.run("binary", recording.over_table({}));
  std::string text = "task,seed,time,brightness\n";
  for (const auto& [task, records] : records_by_task(recording.toy.folder / "recording"))
    for (const auto& [time, scores] : scores_by_time(records))
      for (std::size_t seed = 0; seed < scores.size(); ++seed)
        text += fmt::format("{},{},{},{}\n", task, seed, time, static_cast<float>(scores[seed]));
  recording.table = recording.toy.folder.path() / "pool.csv";
  write(recording.table, text);
  // Its steps cost 1 each instead of 2.
  const auto csv = recording.toy.run("csv", recording.over_table({"budget.nfe=80"}));
  for (std::size_t task = 0; task < 6; ++task)
    CHECK(csv.summary["tasks"][task]["scores"] == binary.summary["tasks"][task]["scores"]);
  // As Python's csv module ends lines.
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  write(recording.table, crlf);
  CHECK(recording.toy.run("crlf", recording.over_table({"budget.nfe=80"}))
            .summary["tasks"][0]["scores"] == csv.summary["tasks"][0]["scores"]);
}

TEST_CASE("a table holds independent seeds alone, not what a search moved or chose", "[replay]") {
  ToyRun toy;
  toy.text.replace(toy.text.find("round = 5\n"), 10, "");
  const auto table = toy.folder.path() / "pool.safetensors";
  const auto exported = [&](const std::string& name, const Overrides& how, bool survivors) {
    if (!std::filesystem::exists(toy.folder.path() / name))
      REQUIRE(toy.run(name, how).exit == Exit::kDone);
    return export_replay(toy.folder.path() / name, toy.config(how), toy_plugins(), table,
                         survivors);
  };
  // 20 paths a task, of which the first pivot alone is no neighbour of another noise.
  const Overrides moves{"search={plugin=\"winnow.zero_order\", neighbours=4}"};
  const ReplayExport moved = exported("moved", moves, false);
  CHECK(moved.paths == 6 * 20);
  CHECK(moved.moved == 6 * 19);
  CHECK(moved.seeds == 1);
  CHECK(moved.incomplete == 0);
  // 32 are begun and 8 finished, the best ones.
  const Overrides prunes{"search={plugin=\"winnow.pruned\"}"};
  CHECK_THROWS_WITH(exported("pruned", prunes, false),
                    Catch::Contains("144 of 192 paths") && Catch::Contains("--survivors"));
  const ReplayExport chosen = exported("pruned", prunes, true);
  CHECK(chosen.seeds == 8);
  CHECK(chosen.incomplete == 6 * 24);
  CHECK(chosen.surplus == 0);
}

TEST_CASE("a recording begins no path that its budget cannot finish", "[replay]") {
  ToyRun toy;
  const Overrides how{"search.preview_times=[0.75, 0.25]", "budget.nfe=165"};
  const RunOutcome outcome = toy.run("recording", how);
  CHECK(outcome.summary["ledger"]["search_nfe"] == 6 * 160);
  const ReplayExport made = export_replay(toy.folder.path() / "recording", toy.config(how),
                                          toy_plugins(), toy.folder.path() / "pool.safetensors");
  CHECK(made.seeds == 20);
  CHECK(made.incomplete == 0);
}

TEST_CASE("what a table does not hold is refused or fails, with the place", "[replay]") {
  Recording recording;
  const auto file = recording.toy.folder.path() / "pool.csv";
  recording.table = file;
  const auto refused = [&](const std::string& text, const std::string& says) {
    write(file, text);
    CHECK_THROWS_WITH(recording.toy.run("bad", recording.over_table({})), Catch::Contains(says));
  };
  refused("task,seed,score\n", "expected task,seed,time");
  refused("task,seed,time,v\n0,0,0.5,1,2\n", "line 2 has 5 cells");
  refused("task,seed,time,v,w,v\n0,0,0,1,2,3\n", "two verifiers 'v'");
  refused("task,seed,time,v\n0,0,0.5,1\n0,0,0,1e300\n", "a score is infinite");
  refused("\xEF\xBB\xBFtask,seed,time,v\n0,0,half,1\n", "found 'half', expected a number");
  refused("task,seed,time,v\n0,70000,0,1\n", "to 65535");
  refused("task,seed,time,v\n0,0,half,1\n", "found 'half', expected a number");
  refused("task,seed,time,v\n0,0,0.5,1\n", "must end with 0");
  for (const char* time : {"1.5", "-0.5", "nan", "inf"})
    refused(fmt::format("task,seed,time,v\n0,0,{},1\n0,0,0,1\n", time),
            fmt::format("line 2: found time '{}', expected a number from 0 to 1", time));
  refused("task,seed,time,v\n0,0,0.5,1\n0,60000,0,1\n", "only 2 rows");
  refused("task,seed,time,v\n", "expected some of each");
  refused("task,seed,time,v\n0,0,0.5,1\n0,0,0,2\n0,0,0.5,3\n",
          "line 4 has the task, seed and time of line 2");
  // One task of six, and a hole: the others fail by name, the run goes on.
  write(file, "task,seed,time,v\n0,0,0.5,1\n0,0,0,2\n0,1,0.5,3\n");
  const auto outcome = recording.toy.run("holes", recording.over_table({"budget.nfe=40"}));
  CHECK(outcome.exit == Exit::kCandidates);
  CHECK(outcome.summary["tasks"][0]["scores"]["brightness"] == 2);
  CHECK_THAT(outcome.summary["tasks"][1].dump(),
             Catch::Contains("was not recorded: the table has 1 tasks"));
  // Pictures are not what the table speaks of.
  CHECK_THROWS_WITH(recording.toy.run("pictures", {recording.over_table({}).back()}),
                    Catch::Contains("winnow.replay_scores cannot judge a gray sample"));
  // Noise on the way, going back and legs of own steps are not in a table.
  CHECK_THROWS_WITH(
      recording.toy.run("paths", recording.over_table({"search={plugin=\"winnow.paths\"}"})),
      Catch::Contains("has no renoise"));
  CHECK_THROWS_WITH(
      recording.toy.run("svdd", recording.over_table({"search={plugin=\"winnow.svdd\"}"})),
      Catch::Contains("draws no noise on the way"));
  for (const char* search : {"svdd", "fk"}) {
    INFO(search);
    try {
      recording.toy.run("sde", recording.over_table({fmt::format(
                                   "search={{plugin=\"winnow.{}\", stochasticity=1}}", search)}));
      FAIL("copies were paid for");
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::kUsage);
      CHECK_THAT(error.what(), Catch::Contains("winnow.replay has no noise on the way"));
    }
  }
}

TEST_CASE("a round in which every particle fails ends no run", "[replay]") {
  Recording recording;
  recording.table = recording.toy.folder.path() / "pool.csv";
  std::string text = "task,seed,time,v\n";  // samples alone were judged
  for (int task = 0; task < 6; ++task)
    for (int seed = 0; seed < 8; ++seed)
      for (const double time : {0.75, 0.5, 0.25, 0.0})
        text += fmt::format("{},{},{},{}\n", task, seed, time,
                            time > 0 ? "" : fmt::format("{}", seed + task));
  write(recording.table, text);
  for (const char* search : {"fk", "bfs", "svdd", "code", "beam", "dsearch"}) {
    INFO(search);
    const auto outcome = recording.toy.run(
        search, recording.over_table(
                    {fmt::format("search={{plugin=\"winnow.{}\", stochasticity=-1}}", search)}));
    CHECK(outcome.exit == Exit::kCandidates);
    CHECK(outcome.summary["ledger"]["failed_candidates"] > 6);
    CHECK(outcome.summary["ledger"]["search_nfe"] >
          6 * 150);  // it went on to the end of the budget
  }
}

TEST_CASE("a round that costs nothing and fails is not repeated for ever", "[replay]") {
  Recording recording;
  // Previews for nothing, and none was recorded at time 1.
  std::ifstream in(recording.table, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const std::string price = "\"preview_nfe\":\"1\"";
  REQUIRE(bytes.find(price) != std::string::npos);
  bytes.replace(bytes.find(price), price.size(), "\"preview_nfe\":\"0\"");
  write(recording.table, bytes);
  for (const char* search : {"svdd", "rbf", "demon"}) {
    INFO(search);
    const auto outcome = recording.toy.run(
        search, recording.over_table(
                    {fmt::format("search={{plugin=\"winnow.{}\", stochasticity=-1}}", search)}));
    CHECK(outcome.exit == Exit::kCandidates);
    CHECK(outcome.summary["ledger"]["search_nfe"] == 0);
  }
}

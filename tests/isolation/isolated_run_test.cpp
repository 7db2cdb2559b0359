// isolated_run_test.cpp: whole runs with plugins in processes of their own: the same journal as
// without, also when samplers, verifiers and searches die on the way.
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "host/guard.hpp"
#include "host/plan.hpp"
#include "host/plugin_provider.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
using Catch::Contains;

namespace {

const Registry& plugins() {
  static const Registry registry = [] {
    SearchPath path;
    path.entries = {
        {PLUGINS, "build", true}, {TEST_PLUGINS, "tests", true}, {DEADLY, "tests", true}};
    return Registry::scan(path, host_facts());
  }();
  return registry;
}

using Overrides = std::vector<std::string>;

Overrides with(Overrides some, const Overrides& more) {
  some.insert(some.end(), more.begin(), more.end());
  return some;
}

struct Runs : ToyRun {
  Runs() : ToyRun(Medium::kMemory) {}

  RunOutcome make(const std::string& out, const Overrides& overrides,
                  const std::atomic<wn_status>* stop = nullptr) {
    std::ofstream(folder / "run.toml") << text;
    const RunConfig config = load_config(folder / "run.toml", overrides, plugins());
    return execute_run({.config = config,
                        .registry = plugins(),
                        .directory = folder / out,
                        .stop = stop,
                        .on_progress = {},
                        .on_notice = {}});
  }
  std::vector<std::string> records(const std::string& out) const {
    return logical_records(folder / out);
  }
};

// Where test.stubborn leaves its mark.
struct Mark {
  Mark() { ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1); }
  ~Mark() { ::unsetenv("XDG_CACHE_HOME"); }
  std::filesystem::path path() const { return cache / "winnow/plugins/test.stubborn/marks/once"; }
  Overrides stubborn(const std::string& how) const {
    return {"search={plugin=\"test.stubborn\", how=\"" + how + "\", mark=\"" + path().string() +
                "\", isolate=\"plugin\"}",
            "tasks.repeat=1"};
  }
  TemporaryFolder cache;
};

// Failures say in one case how a process died, in the other what the plugin said.
std::string without_texts(const std::string& record) {
  auto json = nlohmann::json::parse(record);
  const std::function<void(nlohmann::json&)> clean = [&](nlohmann::json& node) {
    for (auto& [key, value] : node.items()) {
      if (key == "why" || key == "error") value = value.is_string() && !value.empty() ? "x" : value;
      if (key == "u" || key == "unscored") value = "x";
      if (value.is_structured()) clean(value);
    }
  };
  clean(json);
  return json.dump();
}

std::vector<std::string> without_texts(std::vector<std::string> records) {
  for (std::string& record : records) record = without_texts(record);
  std::ranges::sort(records);
  return records;
}

}  // namespace

TEST_CASE("a run gives the same journal wherever its plugins run", "[isolation]") {
  const std::vector<Overrides> kinds{
      {},
      {"sampler.eta=0.5", "search={plugin=\"winnow.zero_order\"}"},
      {"search={plugin=\"winnow.toy.every_operation\"}", "sampler.eta=0.3", "tasks.repeat=1"},
      {"search={plugin=\"winnow.toy.every_gradient\"}",
       "verifier=[{plugin=\"winnow.toy.target\"}]"},
      {"verifier=[{plugin=\"winnow.toy.preview_pixel\", time=0.5}]"},
      {"verifier=[{plugin=\"winnow.toy.balance\"}]"},
      {"sampler={plugin=\"winnow.shapes\"}", "verifier=[{plugin=\"winnow.sharpness\"}]",
       "tasks.classes=[0, 1, 3]"}};
  Runs runs;
  int number = 0;
  for (const Overrides& kind : kinds) {
    const std::string name = std::to_string(number++);
    INFO("kind " << name);
    const RunOutcome here = runs.make(name + "-here", kind);
    const RunOutcome there =
        runs.make(name + "-there", with(kind, {"execution.isolate=\"plugin\""}));
    CHECK(runs.records(name + "-here") == runs.records(name + "-there"));
    CHECK(here.summary == there.summary);
  }
  const RunOutcome each = runs.make("each", {"execution.isolate=\"instance\"", "tasks.repeat=1"});
  const RunOutcome none = runs.make("none", {"tasks.repeat=1"});
  CHECK(runs.records("each") == runs.records("none"));
}

TEST_CASE("candidates that kill the sampler fail, and the ledger is right", "[isolation]") {
  Runs runs;
  const Overrides poison{"sampler.poison=0.12", "execution.restarts=1000"};
  const RunOutcome said = runs.make("said", poison);
  REQUIRE(said.summary["ledger"]["failed_candidates"] > 1);
  const RunOutcome died =
      runs.make("died", with(poison, {"sampler.dies=true", "sampler.isolate=\"plugin\""}));
  CHECK(said.summary["ledger"] == died.summary["ledger"]);
  CHECK(without_texts(runs.records("said")) == without_texts(runs.records("died")));
  bool named = false;
  for (const auto& task : died.summary["tasks"])
    for (const auto& failure : task.value("failures", nlohmann::json::array()))
      named |= failure["why"].get<std::string>().find(
                   "winnow.toy.sampler: killed by SIGSEGV in "
                   "step, item") == 0;
  CHECK(named);
}

TEST_CASE("what a sampler spoils before it dies is as it was when it is done again",
          "[isolation]") {
  Runs runs;
  const Overrides poison{"sampler.poison=0.12", "sampler.poisons=\"decode\"",
                         "execution.restarts=1000", "tasks.repeat=1"};
  const RunOutcome said = runs.make("said", poison);
  REQUIRE(said.summary["ledger"]["failed_candidates"] > 1);
  runs.make("died", with(poison, {"sampler.dies=true", "sampler.isolate=\"plugin\""}));
  CHECK(without_texts(runs.records("said")) == without_texts(runs.records("died")));
}

TEST_CASE("a sampler that asks for far more memory than it needs is refused", "[isolation]") {
  Runs runs;
  CHECK_THROWS_WITH(runs.make("greedy", {"sampler.poisons=\"noise\"", "tasks.repeat=1",
                                         "sampler.isolate=\"plugin\""}),
                    Contains("winnow.toy.sampler") && Contains("malformed message in init"));
  CHECK_THROWS_WITH(runs.make("huge", {"sampler.size=10000", "execution.plugin_memory=\"1 GiB\"",
                                       "sampler.isolate=\"plugin\""}),
                    Contains("bytes for one item, more than the 1073741824"));
}

TEST_CASE("samples that kill a verifier fail, and the ledger is right", "[isolation]") {
  Runs runs;
  const auto use = [](const std::string& how) {
    return Overrides{
        "verifier=[{plugin=\"test.deadly\", above=0.6, how=\"" + how + "\", isolate=\"plugin\"}]",
        "execution.restarts=1000", "tasks.repeat=1"};
  };
  const RunOutcome said = runs.make("said", use("status"));
  REQUIRE(said.summary["ledger"]["failed_candidates"] > 1);
  const RunOutcome died = runs.make("died", use("segv"));
  CHECK(said.summary["ledger"] == died.summary["ledger"]);
  CHECK(without_texts(runs.records("said")) == without_texts(runs.records("died")));
}

TEST_CASE("a verifier that dies of the gray sample has all its restarts for the run",
          "[isolation]") {
  Runs runs;
  const Overrides deadly{
      "verifier=[{plugin=\"test.deadly\", above=-1, how=\"segv\", isolate=\"plugin\"}]"};
  for (const std::string restarts : {"0", "1"}) {
    INFO(restarts);
    Overrides overrides = deadly;
    overrides.push_back("execution.restarts=" + restarts);
    std::ofstream(runs.folder / "run.toml") << runs.text;
    CHECK_NOTHROW(make_plan(load_config(runs.folder / "run.toml", overrides, plugins()), plugins(),
                            /*measure=*/false));
    CHECK_THROWS_WITH(runs.make("run" + restarts, overrides),
                      Contains(restarts == "0" ? "test.deadly" : "started again 1 time before"));
  }
}

TEST_CASE("a search that dies is led back to where it was", "[isolation]") {
  Runs runs;
  const TemporaryFolder cache;
  ::setenv("XDG_CACHE_HOME", cache.path().c_str(), 1);
  const std::string mark = cache / "winnow/plugins/test.deadly/marks/once";
  const auto use = [&](const std::string& file) {
    return Overrides{"search={plugin=\"test.deadly_search\", mark=\"" + file +
                     "\", isolate=\"plugin\"}"};
  };
  const RunOutcome whole = runs.make("whole", use(""));
  const RunOutcome died = runs.make("died", use(mark));
  CHECK(std::filesystem::exists(mark));
  CHECK(whole.summary == died.summary);
  CHECK(runs.records("whole") == runs.records("died"));
  ::unsetenv("XDG_CACHE_HOME");
  // Without a mark that can be made it dies whenever it is asked; nothing else is harmed.
  CHECK_NOTHROW(runs.make("again", {"tasks.repeat=1"}));
}

TEST_CASE("a run that is asked to stop does not wait for a plugin that hangs", "[isolation]") {
  const auto stopped_in = [](const std::string& where, const std::string& above) {
    Runs runs;
    std::atomic<wn_status> stop{WN_OK};
    std::thread asks([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1000));
      stop = WN_E_CANCELLED;
    });
    std::string end = "finished";
    try {
      const RunOutcome outcome =
          runs.make("stopped",
                    {"verifier=[{plugin=\"test.deadly\", above=" + above +
                     ", how=\"deadlock\", where=\"" + where + "\", isolate=\"plugin\"}]"},
                    &stop);
      if (outcome.exit == Exit::kCheckpointed) end = "checkpointed";
    } catch (const Stopped&) {
      end = "stopped";
    }
    asks.join();
    return end;
  };
  CHECK(stopped_in("score", "0.6") == "checkpointed");
  // Before the run has begun; in score, where one gray sample is tried.
  CHECK(stopped_in("score", "-1") == "checkpointed");
  CHECK(stopped_in("info", "-1") == "checkpointed");
}

TEST_CASE("a run that is asked to stop while a search is led back stops", "[isolation]") {
  for (const char* how : {"slow", "deaf"}) {
    INFO(how);
    Runs runs;
    const Mark mark;
    std::atomic<wn_status> stop{WN_OK};
    std::thread asks([&] {
      for (int i = 0; i < 2000 && !std::filesystem::exists(mark.path()); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      stop = WN_E_CANCELLED;
    });
    const RunOutcome outcome = runs.make("stopped", mark.stubborn(how), &stop);
    asks.join();
    CHECK(std::filesystem::exists(mark.path()));
    CHECK(outcome.exit == Exit::kCheckpointed);
  }
}

TEST_CASE("a tell that came back too late is not told twice", "[isolation]") {
  Runs runs;
  const Mark mark;
  const RunOutcome plain = runs.make("plain", mark.stubborn("none"));
  const RunOutcome late =
      runs.make("late", with(mark.stubborn("late"), {"execution.call_timeout=0.5"}));
  CHECK(std::filesystem::exists(mark.path()));
  CHECK(plain.summary["ledger"] == late.summary["ledger"]);
}

TEST_CASE("a search that asks without end is stopped like any other", "[isolation]") {
  Runs runs;
  const Mark mark;
  CHECK_THROWS_WITH(
      runs.make("chatter", with(mark.stubborn("chatter"), {"execution.call_timeout=0.3"})),
      Contains("did not come back from ask within 0.3 s, and again in a fresh process"));
}

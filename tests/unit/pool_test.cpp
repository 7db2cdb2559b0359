// pool_test.cpp: runs that take their results from recorded runs.
#include "host/pool.hpp"

#include <atomic>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
namespace fs = std::filesystem;

namespace {

using Overrides = std::vector<std::string>;

Overrides operator+(Overrides a, const Overrides& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct PoolRun : ToyRun {
  PoolRun() { text += "[[verifier]]\nplugin = \"winnow.toy.first_pixel\"\nrole = \"report\"\n"; }

  void record(const std::string& out, const Overrides& overrides = {}) {
    REQUIRE(run(out, Overrides{"output.keep='all'"} + overrides).exit == Exit::kDone);
  }
  Overrides from(const std::string& pool) const {
    return {"execution.pool=['" + (folder.path() / pool).string() + "']"};
  }
  double walked(const std::string& out) const {
    return read_status(folder.path() / out).walked_nfe;
  }

  // Live and from the pool: everything but the effort is equal, to the last bit.
  RunOutcome check_equal(const std::string& name, const std::string& pool,
                         const Overrides& overrides) {
    INFO(name);
    const std::string live = name + "-live", served = name + "-pool";
    const RunOutcome a = run(live, overrides), b = run(served, overrides + from(pool));
    CHECK(a.exit == b.exit);
    CHECK(a.summary.dump() == b.summary.dump());
    CHECK(logical_records(folder / live) == logical_records(folder / served));
    for (const auto& file : fs::directory_iterator(folder / live / "samples"))
      CHECK(read_bytes(file.path()) ==
            read_bytes(folder / served / "samples" / file.path().filename()));
    return b;
  }
  void check_served_whole(const std::string& name, const std::string& pool,
                          const Overrides& overrides = {}) {
    const RunOutcome outcome = check_equal(name, pool, overrides);
    INFO(name);
    CHECK(walked(name + "-pool") == 0);
    CHECK(outcome.effort["replayed_candidates"] == outcome.summary["ledger"]["candidates"]);
    CHECK(outcome.effort["replayed_nfe"] ==
          outcome.summary["ledger"]["search_nfe"].get<double>() +
              outcome.summary["ledger"]["final_nfe"].get<double>());
  }
};

}  // namespace

TEST_CASE("a run whose candidates are all recorded is the same and walks nothing", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  toy.check_served_whole("same", "pool");
  toy.check_served_whole("fewer", "pool", {"budget.nfe=40"});
  toy.check_served_whole("rounds", "pool", {"search.round=2"});
  toy.check_served_whole("all", "pool", {"output.keep='all'"});
  toy.check_served_whole("fewer-tasks", "pool", {"tasks.repeat=1"});
}

TEST_CASE("a run that keeps no samples is served without pictures, and serves none", "[pool]") {
  PoolRun toy;
  const Overrides none{"output.keep='none'"};
  toy.record("pool");
  toy.check_served_whole("none", "pool", none);
  toy.record("scores", none);
  toy.check_served_whole("from-none", "scores", none);
  CHECK(toy.check_equal("pictures", "scores", {}).effort["replayed_candidates"] == 114);
}

TEST_CASE("other selections over the recorded verifiers are served too", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  const auto with_roles = [&](const std::string& rule, const std::string& brightness) {
    PoolRun other;
    other.text += "[selection]\nrule = \"" + rule + "\"\n";
    const auto role = other.text.find("role = \"report\"");
    other.text.replace(role, 15, "role = \"select\"");
    const auto target = other.text.find("target = 0.6");
    other.text.insert(target, "role = \"" + brightness + "\"\n");
    return other.text;
  };
  toy.text = with_roles("single", "report");
  toy.check_served_whole("swapped", "pool");
  for (const std::string rule : {"weighted-sum", "mean-rank", "z-sum"}) {
    toy.text = with_roles(rule, "select");
    toy.check_served_whole(rule, "pool", {"budget.nfe=96"});
  }
}

TEST_CASE("every search is served from its own recording, whatever its operations", "[pool]") {
  const std::map<std::string, Overrides> searches{
      {"zero_order", {"search={plugin=\"winnow.zero_order\", neighbours=3}"}},
      {"paths", {"search={plugin=\"winnow.paths\"}"}},
      {"every_operation", {"search={plugin=\"winnow.toy.every_operation\"}"}}};
  for (const auto& [name, search] : searches) {
    PoolRun toy;
    // The rounds of paths are made to fit the budget, so another budget is another search.
    toy.record("pool", name == "paths" ? search : search + Overrides{"budget.nfe=320"});
    toy.check_served_whole(name, "pool", search);
  }
}

TEST_CASE("gradient noises are taken with their values", "[pool]") {
  PoolRun toy;
  const Overrides search{"search={plugin=\"winnow.first_order\"}",
                         "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"};
  toy.record("pool", search);
  toy.check_served_whole("first_order", "pool", search);
  // The gradient of another score is another noise.
  const Overrides other{search[0], "verifier=[{plugin=\"winnow.toy.target\", value=0.3}]"};
  CHECK(toy.check_equal("other", "pool", other).effort["replayed_candidates"] == 0);
}

TEST_CASE("a score that looks at previews is taken from legs that began where its own does",
          "[pool]") {
  PoolRun toy;
  const Overrides looking{
      "verifier=[{plugin=\"winnow.toy.preview_pixel\", time=0.3}, "
      "{plugin=\"winnow.toy.preview_pixel\", name=\"early\", time=0.8, role=\"report\"}]"};
  const Overrides stopping = looking + Overrides{"search.preview_times=[0.5]"};
  toy.record("whole", looking);
  toy.check_served_whole("same", "whole", looking);
  toy.record("stopped", stopping);
  toy.check_served_whole("stops", "stopped", stopping);
  CHECK(toy.check_equal("other", "stopped", looking).effort["replayed_candidates"] == 0);
}

TEST_CASE("with a set-level verifier all is made", "[pool]") {
  PoolRun toy;
  const Overrides sets{"verifier=[{plugin=\"winnow.toy.balance\"}]"};
  toy.record("pool", sets);
  CHECK(toy.check_equal("run", "pool", sets).effort["replayed_candidates"] == 0);
}

TEST_CASE("what two searches share is served from either's recording", "[pool]") {
  PoolRun toy;
  toy.record("pool", {"search={plugin=\"winnow.zero_order\", neighbours=3}"});
  const RunOutcome outcome = toy.check_equal("random", "pool", {"budget.nfe=24"});
  CHECK(outcome.effort["replayed_candidates"] >= 6);  // the first noise of each task
  CHECK(toy.walked("random-pool") > 0);
}

TEST_CASE("only what a pool lacks is walked", "[pool]") {
  PoolRun toy;
  toy.record("pool", {"budget.nfe=80"});
  const RunOutcome outcome = toy.check_equal("larger", "pool", {});
  CHECK(outcome.effort["replayed_candidates"] == 60);
  CHECK(outcome.effort["replayed_nfe"] == 480);
  // Winners among the recorded ones need no latent, so nothing is made again.
  CHECK(toy.walked("larger-pool") == 480);

  SECTION("and several pools are taken together") {
    toy.record("rest", {"budget.nfe=160", "tasks.repeat=1"});
    const std::string dir = (toy.folder / "rest").string();
    Overrides both = toy.from("pool");
    both[0].insert(both[0].size() - 1, ", '" + dir + "'");
    const RunOutcome two = toy.run("two", both);
    CHECK(two.summary == outcome.summary);
    CHECK(toy.walked("two") == 240);
  }
}

TEST_CASE("a child of a recorded parent is walked from the parent made again", "[pool]") {
  PoolRun toy;
  const Overrides search{"search={plugin=\"winnow.paths\"}"};
  toy.record("pool", search + Overrides{"budget.nfe=80"});
  toy.check_equal("longer", "pool", search);
}

TEST_CASE("a run that is stopped while it replays goes on to the identical result", "[pool]") {
  PoolRun toy;
  const Overrides many{"budget.nfe=1600", "search.round=1"};
  toy.record("pool", {"budget.nfe=1200", "search.round=1"});
  const RunOutcome whole = toy.run("whole", many);
  RunOutcome last;
  int parts = 0;
  do {
    std::atomic<wn_status> stop{WN_OK};
    int turns = 0;
    last = toy.run("parts", many + toy.from("pool"), &stop, [&](const Progress&) {
      if (++turns == 1 + 2 * parts) stop = WN_E_CANCELLED;
    });
    ++parts;
    REQUIRE(parts < 400);
  } while (last.exit == Exit::kCheckpointed);
  CHECK(parts > 2);
  CHECK(last.summary == whole.summary);
  CHECK(last.effort["replayed_candidates"] == 6 * 150);
  CHECK(logical_records(toy.folder / "whole") == logical_records(toy.folder / "parts"));
}

TEST_CASE("a pool of another sampler is refused with the first difference", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  try {
    toy.run("other", Overrides{"sampler.steps=4"} + toy.from("pool"));
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kUsage);
    CHECK(error.what() == "pool '" + (toy.folder / "pool").string() +
                              "' was made by another sampler than this run's: steps = 8 -> 4; a "
                              "pool serves runs of the same sampler, options and model files");
  }
  CHECK_FALSE(fs::exists(toy.folder / "other"));
}

TEST_CASE("model files are compared by content, plugins by version, and places do not count",
          "[pool]") {
  const auto identity = [](const std::string& file, const std::string& hash,
                           const std::string& version, const std::string& library) {
    return identity_of("[run]\n[tasks]\nclasses = [1]\n[sampler]\nplugin = \"m\"\nweights = \"" +
                           file + "\"\nsteps = 3\n[[verifier]]\nplugin = \"v\"\nname = \"v\"\n",
                       R"({"files": {")" + file + R"(": ")" + hash +
                           R"("}, "plugins": {"m": {"version": ")" + version + R"(", "sha256": ")" +
                           library + R"("}, "v": {"version": "1"}}})");
  };
  const auto base = identity("/a/w", "aa", "1.0", "x").sampler;
  CHECK(first_difference(base, identity("/b/w", "aa", "1.0", "y").sampler) == "");
  CHECK(first_difference(base, identity("/a/w", "bb", "1.0", "x").sampler) ==
        "weights = the file aa -> the file bb");
  CHECK(first_difference(base, identity("/a/w", "aa", "1.1", "x").sampler) ==
        "version = 1.0 -> 1.1");
  CHECK_THROWS_WITH(identity_of("[sampler]\n", "{}"), Catch::Contains("lock.json is damaged"));
}

TEST_CASE("scores of a verifier with other options are not taken", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  const RunOutcome outcome = toy.check_equal("target", "pool", {"verifier.brightness.target=0.3"});
  CHECK(outcome.effort["replayed_candidates"] == 0);
}

TEST_CASE("another seed or class finds nothing in a pool", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  CHECK(toy.check_equal("seed", "pool", {"run.seed=8"}).effort["replayed_candidates"] == 0);
  CHECK(toy.check_equal("class", "pool", {"tasks.classes=[1, 2]", "tasks.repeat=1"})
            .effort["replayed_candidates"] == 0);
}

TEST_CASE("a candidate whose parent fails fails with it, whatever a pool knows of it", "[pool]") {
  PoolRun toy;
  const Overrides picky{"verifier.0={plugin=\"winnow.toy.sometimes_nan\", name=\"nan\"}"};
  toy.record("pool", picky);
  const RunOutcome outcome =
      toy.check_equal("run", "pool", picky + Overrides{"search.preview_times=[0.8, 0.5]"});
  CHECK(outcome.summary["ledger"]["failed_candidates"] > 0);
}

TEST_CASE("a recorded sample without its picture is made", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  fs::remove_all(toy.folder / "pool" / "samples");
  const RunOutcome outcome = toy.check_equal("run", "pool", {});
  CHECK(outcome.effort["replayed_candidates"] == 19 * 6);  // all but the first of each task
  CHECK(toy.walked("run-pool") > 0);
}

TEST_CASE("a pool with a damaged picture is as one without it", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  for (const auto& file : fs::directory_iterator(toy.folder / "pool" / "samples"))
    write_bytes(file.path(), "no picture");
  toy.check_equal("run", "pool", {});
}

TEST_CASE("pools that cannot be read are refused by name", "[pool]") {
  PoolRun toy;
  toy.record("pool");
  const std::string pool = (toy.folder / "pool").string();
  SECTION("a damaged journal") {
    std::string bytes = read_bytes(toy.folder / "pool" / "journal.wnj");
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_bytes(toy.folder / "pool" / "journal.wnj", bytes);
    CHECK_THROWS_WITH(toy.run("run", toy.from("pool")),
                      Catch::StartsWith("pool '" + pool + "' cannot be used: journal '") &&
                          Catch::Contains("is damaged at byte"));
    CHECK_FALSE(fs::exists(toy.folder / "run"));
  }
  SECTION("a torn tail is no damage") {
    std::string bytes = read_bytes(toy.folder / "pool" / "journal.wnj");
    write_bytes(toy.folder / "pool" / "journal.wnj", bytes.substr(0, bytes.size() - 3));
    CHECK(toy.run("run", toy.from("pool")).effort["replayed_candidates"] == 120);
    CHECK(read_bytes(toy.folder / "pool" / "journal.wnj").size() == bytes.size() - 3);
  }
  SECTION("another run's journal") {
    toy.run("stranger", {"budget.nfe=16"});
    fs::copy_file(toy.folder / "stranger" / "journal.wnj", toy.folder / "pool" / "journal.wnj",
                  fs::copy_options::overwrite_existing);
    CHECK_THROWS_WITH(toy.run("run", toy.from("pool")),
                      Catch::Contains("belongs to another run.toml"));
  }
  SECTION("no folder, or a foreign one") {
    CHECK_THROWS_WITH(toy.run("run", toy.from("nowhere")),
                      Catch::Contains("nowhere' is no run directory: it is not there"));
    fs::create_directory(toy.folder / "foreign");
    CHECK_THROWS_WITH(toy.run("run", toy.from("foreign")),
                      Catch::Contains("foreign' is no run directory: it has no run.toml"));
  }
  SECTION("the run itself") {
    fs::remove(toy.folder / "pool" / "summary.json");
    CHECK_THROWS_WITH(toy.run("pool", Overrides{"output.keep='all'"} + toy.from("pool")),
                      Catch::Contains("as a pool for itself"));
  }
}

TEST_CASE("a pool with previews serves searches without them", "[pool]") {
  PoolRun toy;
  const Overrides previews{"search.preview_times=[0.8, 0.5]"};
  toy.record("pool", previews);
  toy.check_served_whole("plain", "pool");
  toy.check_served_whole("same", "pool", previews);
  toy.check_served_whole("one", "pool", {"search.preview_times=[0.5]"});
}

TEST_CASE("previews on the way change neither price nor choice of random search", "[pool]") {
  PoolRun toy;
  const Overrides previews{"search.preview_times=[0.8, 0.5]"};
  const RunOutcome plain = toy.run("plain"), with = toy.run("with", previews);
  for (std::size_t t = 0; t < 6; ++t) {
    CHECK(plain.summary["tasks"][t]["hash"] == with.summary["tasks"][t]["hash"]);
    CHECK(plain.summary["tasks"][t]["scores"] == with.summary["tasks"][t]["scores"]);
  }
  CHECK(plain.summary["ledger"]["search_nfe"] == with.summary["ledger"]["search_nfe"]);
  CHECK(with.summary["ledger"]["previews"] == 2 * 120);
  const Plan plan = make_plan(toy.config(previews), toy_plugins(), false);
  CHECK(plan.exact);
  CHECK(to_json(plan.ledger) == with.summary["ledger"]);
}

TEST_CASE("preview times that do not fall between 1 and 0 are refused", "[pool]") {
  PoolRun toy;
  for (const std::string times : {"[0.5, 0.8]", "[0.5, 0.5]", "[1.0]", "[0.5, 0.0]", "[-0.5]"}) {
    INFO(times);
    CHECK_THROWS_WITH(toy.run("run", {"search.preview_times=" + times}),
                      Catch::Contains("expected falling times between 1 and 0"));
    CHECK_FALSE(fs::exists(toy.folder / "run"));
  }
}

TEST_CASE("final samples of another schedule are taken from recorded finals", "[pool]") {
  PoolRun toy;
  const Overrides cheap{"sampler.search_steps=2"};
  toy.record("pool", cheap);
  toy.check_served_whole("same", "pool", cheap);
  // Other winners have no recorded final sample; they are walked.
  toy.check_equal("fewer", "pool", cheap + Overrides{"budget.nfe=8"});
}

TEST_CASE("a held-out score of the winner that is not recorded is made", "[pool]") {
  PoolRun toy;
  toy.run("pool");  // keep = "best": first and best samples only
  const RunOutcome outcome = toy.check_equal("fewer", "pool", {"budget.nfe=80"});
  CHECK(outcome.effort["replayed_candidates"] == 60);
}

TEST_CASE("a process reads each pool once, and again when it has grown", "[pool]") {
  PoolRun toy;
  toy.record("pool", {"budget.nfe=40"});
  const Schedules schedules{{{1.0, 0.0}, {1.0, 0.0}}};
  PoolCache cache;
  const auto first = cache.get(toy.folder / "pool", schedules);
  CHECK(cache.get(toy.folder / "pool" / ".." / "pool", schedules) == first);
  CHECK(first->size() == 30 + 6);  // candidates, and final samples
  fs::remove_all(toy.folder / "pool");
  toy.record("pool", {"budget.nfe=80"});
  const auto second = cache.get(toy.folder / "pool", schedules);
  CHECK(second != first);
  CHECK(second->size() == 60 + 6);

  const RunConfig config = toy.config(toy.from("pool"));
  for (const std::string out : {"a", "b"}) {
    const RunOutcome outcome = execute_run({.config = config,
                                            .registry = toy_plugins(),
                                            .directory = toy.folder / out,
                                            .stop = nullptr,
                                            .on_progress = {},
                                            .on_notice = {},
                                            .pools = &cache});
    CHECK(outcome.effort["replayed_candidates"] == 60);
  }
}

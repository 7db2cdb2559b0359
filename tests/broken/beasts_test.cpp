// beasts_test.cpp: every beast of beasts.cpp in a process of its own, and in this one where it does
// no harm there: the host survives, says who did what, and loses nothing of the others' work.
#include <fstream>
#include <vector>

#include "tests/support/judge.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

Registry winnow::test::plugins_to_judge() { return scan({BEASTS, PLUGINS, TEST_PLUGINS}); }

namespace {

// What is said of a flaw. In this process the same unless told; nullptr: it is not survivable
// there.
struct Flaw {
  const char* name;
  const char* isolated;
  const char* here;
};
constexpr const char* kSame = "";
constexpr const char* kDeadly = nullptr;
constexpr const char* kHarmless = "harmless";

void check_text(const Flaw& flaw, const std::string& where, const char* expected,
                const std::string& text) {
  INFO(flaw.name << ", " << where << ": " << text);
  CHECK_THAT(text, Contains(expected));
  CHECK(text.size() < 100'000);
}

template <class Try>
void check_flaws(const std::vector<Flaw>& flaws, Try attempt) {
  for (const Flaw& flaw : flaws) {
    check_text(flaw, "isolated", flaw.isolated, attempt(flaw.name, isolated(5)));
    if (!flaw.here) continue;
    const char* expected = flaw.here == kSame ? flaw.isolated : flaw.here;
    check_text(flaw, "in process", expected, attempt(flaw.name, in_process()));
  }
}

// What is said of item 1, or of the whole call. All others must be right.
std::string judged(const std::string& flaw, const Isolation& isolation) try {
  Judge judge("test.beast.verifier", {text("flaw", flaw)}, isolation, 3);
  judge.poison(1);
  judge.score();
  const ItemFailures failures = judge.score();  // some strike at the second time only
  for (std::size_t i : {0, 2}) {
    if (flaw == "writes nothing") continue;
    CHECK(failures[i].text == "");
    CHECK(judge.scores[i] == static_cast<float>(i) / 10);
  }
  if (failures[1].status == WN_OK) {
    CHECK(judge.scores[1] == 1);
    return kHarmless;
  }
  CHECK_THAT(failures[1].text, Contains("test.beast.verifier"));
  return failures[1].text;
} catch (const Error& error) {
  CHECK(error.exit() == Exit::kPlugin);
  CHECK_THAT(error.what(), Contains("test.beast.verifier"));
  return error.what();
}

const Registry& all_plugins() {
  static const Registry registry = plugins_to_judge();
  return registry;
}

// How a run ends that uses the plugin with the flaw; what it says of failed candidates.
struct Runs : ToyRun {
  Runs() : ToyRun(Medium::kMemory) {}

  std::string end(const std::vector<std::string>& overrides, const Isolation& isolation,
                  const std::string& id) try {
    std::ofstream(folder / "run.toml") << text;
    RunConfig config = load_config(folder / "run.toml", overrides, all_plugins());
    config.execution.isolation = isolation;
    std::filesystem::remove_all(folder / "out");
    const RunOutcome outcome = execute_run({.config = config,
                                            .registry = all_plugins(),
                                            .directory = folder / "out",
                                            .stop = nullptr,
                                            .on_progress = {},
                                            .on_notice = {}});
    std::string said;
    for (const auto& task : outcome.summary["tasks"])
      for (const auto& failure : task.value("failures", nlohmann::json::array()))
        said += failure["why"].get<std::string>() + "\n";
    return said.empty() ? kHarmless : said;
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kPlugin);
    CHECK_THAT(error.what(), Contains(id));
    return error.what();
  }
};

std::string searched(const std::string& flaw, const Isolation& isolation) {
  return Runs().end({"search={plugin=\"test.beast.search\", flaw=\"" + flaw + "\"}",
                     "tasks.repeat=1", "budget.nfe=64"},
                    isolation, "test.beast.search");
}

std::string sampled(const std::string& flaw, const Isolation& isolation) {
  return Runs().end({"sampler={plugin=\"test.beast.sampler\", flaw=\"" + flaw + "\"}",
                     "tasks.repeat=1", "budget.nfe=8"},
                    isolation, "test.beast.sampler");
}

}  // namespace

TEST_CASE("verifiers with one flaw: the host survives, names them, and keeps the others' scores",
          "[broken]") {
  check_flaws({{"", kHarmless, kSame},
               {"no instance", "returned OK but no instance", kSame},
               {"odd create", "status 7777", kSame},
               {"refuses", "no licence (not found)", kSame},
               {"no info", "info failed", kSame},
               {"no heads", "0 heads; expected", kSame},
               {"many heads", "2147483648 heads; expected", kSame},
               {"late preview", "a preview time of 7", kSame},
               {"preview at NaN", "a preview time of nan", kSame},
               {"odd status", "score failed: returned status 7777 without a message", kSame},
               {"says WAIT", "score failed: returned status 200", kSame},
               {"cancelled by nobody", "score failed: returned status 1 without", kSame},
               {"writes nothing", "the score is not finite", kSame},
               {"NaN", "the score is not finite", kSame},
               {"infinite", "the score is not finite", kSame},
               {"odd item", "returned status 7777 without a message", kSame},
               {"huge text", "xxxxxxxxxx", kSame},
               {"no UTF-8", "???", kSame},
               {"many texts", "x; x; x", kSame},
               {"wrong item", "returned status 13 without a message", kSame},
               {"keeps a pointer", kHarmless, kDeadly},
               {"past the end", kHarmless, kDeadly},
               {"before the start", kHarmless, kDeadly},
               {"far past the end", "far behind the tensors that it was lent", kDeadly},
               {"fast mode", kHarmless, kDeadly},
               {"other folder", kHarmless, kDeadly},
               {"writes inputs", "killed by SIGSEGV in score, item 1 alone", kDeadly},
               {"frees", "in score, item 1 alone", kDeadly},
               {"throws", "terminate called after throwing", kDeadly},
               {"throws text", "terminate called after throwing", kDeadly},
               {"segfaults", "killed by SIGSEGV in score, item 1 alone", kDeadly},
               {"unaligned call", "killed by SIGSEGV in score, item 1 alone", kDeadly},
               {"divides", "killed by SIGFPE in score, item 1 alone", kDeadly},
               {"exits", "exited with status 0 in score, item 1 alone", kDeadly}},
              judged);
}

TEST_CASE("searches with one flaw end the run with who did what", "[broken]") {
  check_flaws({{"", kHarmless, kSame},
               {"no instance", "returned OK but no instance", kSame},
               {"odd begin", "begin failed: returned status 7777", kSame},
               {"odd ask", "ask failed: what?", kSame},
               {"odd tell", "tell failed: returned status 7777", kSame},
               {"odd best", "best failed: no best candidate", kSame},
               {"too many best", "2 ids, room for 1", kSame},
               {"stranger is best", kHarmless, kSame},
               {"duplicate ids", "ids must grow, the last one was 1", kSame},
               {"id 0", "ids must grow", kSame},
               {"no such parent", "its parent 99 is not there", kSame},
               {"own parent", "its parent 1 is not there", kSame},
               {"no such noise", "its noise 4711 is not there", kSame},
               {"stops at NaN", "stop time nan is outside [0, 1]", kSame},
               {"odd operation", "unknown operation 4242", kSame},
               {"odd profile", "unknown profile 5", kSame},
               {"small candidate", "candidate 0", "struct_size is too small"},
               {"endless leg", "a leg of 4294967295 steps", kSame},
               {"cycle of parents", "noise 1", kSame},
               {"parents nowhere", "noise 1", kSame},
               {"rotates nothing", "noise 1", kSame},
               {"cosine of 2", "noise 1", kSame},
               {"small noise", "noise 0", "struct_size is too small"},
               {"same noise twice", "noise 1", kSame},
               {"forgets strangers", "forgotten, but it is not there", kSame},
               {"asks for nothing", "proposed nothing", kSame},
               {"waits for nothing", "round without candidates", kSame},
               {"does not listen", "round without candidates", kSame},
               {"endless parents", "in ask, and again in a fresh process", "1099511627776 parents"},
               {"throws", "killed by SIGABRT", kDeadly},
               {"dies when told", "killed by SIGABRT in tell, and again", kDeadly},
               {"dies and asks for another", "it is not deterministic", kDeadly}},
              searched);
}

TEST_CASE("samplers with one flaw: the host survives and names them", "[broken]") {
  check_flaws({{"", kHarmless, kSame},
               {"no info", "info failed", kSame},
               {"no steps", "0 steps; expected 1 to", kSame},
               {"endless steps", "4294967295 steps; expected 1 to", kSame},
               {"no times", "2 steps; expected 1 to", kSame},
               {"rising times", "the schedule must fall from 1 to 0", kSame},
               {"times at NaN", "the schedule must fall from 1 to 0", kSame},
               {"half floats", "latents must be float32", kSame},
               {"many dimensions", "1 to 6 dimensions", kSame},
               {"negative latents", "an extent of -2", kSame},
               {"huge latents", "bytes for one item, more than the", "more than 2^32 elements"},
               {"huge carry", "bytes for one item, more than the", "a carry of"},
               {"costs NaN", "a cost of nan", kSame},
               {"odd leg", "leg failed", kSame},
               {"leg elsewhere", "asked from 1 to 0, got 1 to 0.25", kSame},
               {"leg too long", "steps written, room for", kSame},
               {"costs less than nothing", "a cost below 0", kSame},
               {"odd init", "init failed: returned status 7777", kSame},
               {"odd step", "step failed: returned status 7777", kSame},
               {"odd items", "returned status 7777", kSame},
               {"NaN", "the sample is not finite", kSame},
               {"past the end", kHarmless, kDeadly},
               {"throws", "terminate called after throwing", kDeadly},
               {"segfaults", "killed by SIGSEGV in step", kDeadly}},
              sampled);
}

TEST_CASE("a table with a hole is refused before it is called", "[broken]") {
  for (const Isolation& isolation : {isolated(), in_process()})
    CHECK_THAT(Runs().end({"search={plugin=\"test.beast.hole\"}"}, isolation, "test.beast.hole"),
               Contains("function 2 of its wn.search/1 is NULL"));
}

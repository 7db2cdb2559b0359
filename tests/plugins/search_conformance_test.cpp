// search_conformance_test.cpp: what every search must do, over every search plugin that the
// registry finds, by whole runs over the toy sampler. A new search needs no line here. Those called
// winnow.odd.* misbehave on purpose and are left out.
//
// A search whose manifest says that it needs what a run lacks (needs_gradient, needs_magnitudes,
// needs_renoise) conforms by being refused, with its name, before anything is spent. Those that
// need noise on the way (needs_stochastic) have it.
#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

using Overrides = std::vector<std::string>;

constexpr double kBudget = 120;  // NFE per task; a path has 8

// Options for searches that do not work by their defaults over the toy sampler.
const std::map<std::string, std::string>& needed_options() {
  static const std::map<std::string, std::string> options;
  return options;
}

struct Subject {
  std::string id;
  Overrides base;
  bool may_be_refused;
};

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const std::string& id : toy_plugins().ids(PluginKind::kSearch)) {
    if (id.starts_with("winnow.odd.")) continue;
    const auto found = needed_options().find(id);
    const std::string options = found == needed_options().end() ? "" : ", " + found->second;
    const auto& claims = toy_plugins().find(PluginKind::kSearch, id).plugin().claims;
    const bool needs = std::ranges::any_of(
        claims, [](const auto& claim) { return claim.first.starts_with("needs_"); });
    all.push_back({id, {"search={plugin=\"" + id + "\"" + options + "}"}, needs});
    if (claims.contains("needs_stochastic")) all.back().base.push_back("sampler.eta=0.4");
  }
  return all;
}

struct Laboratory {
  ToyRun toy;
  const Subject& subject;

  explicit Laboratory(const Subject& subject, const std::string& more = "") : subject(subject) {
    const auto replace = [&](const std::string& from, const std::string& to) {
      toy.text.replace(toy.text.find(from), from.size(), to);
    };
    replace("nfe = 160", "nfe = 120");
    replace("repeat = 2", "repeat = 1");
    replace("plugin = \"winnow.brightness\"\ntarget = 0.6", "plugin = \"winnow.toy.target\"");
    replace("round = 5\n", "");  // an option of winnow.random; defaults are examined
    toy.text += more;
  }

  // Nothing: lawfully refused.
  std::optional<RunOutcome> run(const std::string& out, Overrides how = {},
                                const std::atomic<wn_status>* stop = nullptr,
                                std::function<void(const Progress&)> on_progress = {}) {
    how.insert(how.begin(), subject.base.begin(), subject.base.end());
    try {
      return toy.run(out, how, stop, std::move(on_progress));
    } catch (const Error& error) {
      INFO(error.what());
      REQUIRE(subject.may_be_refused);
      CHECK(error.exit() == Exit::kUsage);
      CHECK_THAT(error.what(), Catch::Contains(subject.id));
      CHECK_FALSE(std::filesystem::exists(toy.folder / out));
      return std::nullopt;
    }
  }

  std::filesystem::path at(const std::string& out) const { return toy.folder / out; }
};

void check_equal(const Laboratory& lab, const RunOutcome& a, const std::string& at_a,
                 const RunOutcome& b, const std::string& at_b) {
  CHECK(a.summary == b.summary);
  CHECK(logical_records(lab.at(at_a)) == logical_records(lab.at(at_b)));
}

const char* kTwoVerifiersByRank =
    "[[verifier]]\nplugin = \"winnow.toy.first_pixel\"\n[selection]\nrule = \"mean-rank\"\n";

}  // namespace

TEST_CASE("there are searches to examine", "[conformance]") {
  std::set<std::string> ids;
  for (const Subject& subject : subjects()) ids.insert(subject.id);
  for (const char* id : {"winnow.random", "winnow.zero_order", "winnow.paths", "winnow.first_order",
                         "winnow.toy.every_operation", "winnow.toy.every_gradient"})
    CHECK(ids.contains(id));
}

TEST_CASE("a search told the same asks the same, whole, repeated or interrupted", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    const auto once = lab.run("once");
    if (!once) continue;
    REQUIRE(once->exit == Exit::kDone);
    check_equal(lab, *once, "once", *lab.run("again"), "again");
    std::optional<RunOutcome> last;
    int parts = 0;
    do {
      std::atomic<wn_status> stop{WN_OK};
      int turns = 0;
      ++parts;
      last = lab.run("parts", {}, &stop, [&](const Progress&) {
        if (++turns == 5 * parts) stop = WN_E_CANCELLED;
      });
      REQUIRE(parts < 200);
    } while (last->exit == Exit::kCheckpointed);
    CHECK(parts > 1);
    check_equal(lab, *once, "once", *last, "parts");
  }
}

TEST_CASE("a search in a process of its own asks the same", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    const auto here = lab.run("here");
    if (!here) continue;
    check_equal(lab, *here, "here", *lab.run("there", {"execution.isolate=plugin"}), "there");
  }
}

TEST_CASE("no budget is ever passed, whatever the number", "[conformance]") {
  for (const Subject& subject : subjects()) {
    for (const int nfe : {1, 7, 8, 9, 23, 31, 57, 161}) {
      INFO(subject.id << ", " << nfe << " NFE");
      Laboratory lab(subject);
      Overrides how = subject.base;
      how.push_back("budget.nfe=" + std::to_string(nfe));
      try {
        lab.toy.run("run", how);
      } catch (const Error& error) {
        CHECK(error.exit() == Exit::kUsage);
        const bool lawful = subject.may_be_refused &&
                            std::string(error.what()).find(subject.id) != std::string::npos;
        if (!lawful) {
          CHECK(nfe < 8);
          CHECK_THAT(error.what(), Catch::Contains("does not reach for one candidate"));
        }
        continue;
      }
      for (const auto& [task, records] : records_by_task(lab.at("run"))) {
        const json& final = records.back();
        REQUIRE(final["k"] == "final");
        CHECK(final["ledger"]["search_nfe"] <= nfe);
        // No path ends below 8 NFE: there is no sample, unless the final generation completes one.
        const json& entry = final["entry"];
        if (nfe < 8) CHECK((entry.contains("error") || entry["best"]["made"] == "completed"));
      }
    }
  }
}

TEST_CASE("the batch size changes no record of any search", "[conformance]") {
  for (const Subject& subject : subjects()) {
    for (const std::string rule : {"", kTwoVerifiersByRank}) {
      INFO(subject.id << (rule.empty() ? "" : ", by rank"));
      Laboratory lab(subject, rule);
      const auto sixteen = lab.run("16", {"execution.batch=16"});
      if (!sixteen) continue;
      CHECK(sixteen->exit == Exit::kDone);
      for (const std::string batch : {"1", "3"})
        check_equal(lab, *sixteen, "16", *lab.run(batch, {"execution.batch=" + batch}), batch);
    }
  }
}

TEST_CASE("a candidate that fails stops no search", "[conformance]") {
  for (const Subject& subject : subjects()) {
    for (const Overrides& trouble :
         {Overrides{"sampler.poison=0.4"},
          Overrides{"verifier.0={plugin=\"winnow.toy.sometimes_nan\", name=\"target\"}"}}) {
      INFO(subject.id << ", " << trouble.front());
      Laboratory lab(subject);
      Overrides how = trouble;
      how.push_back("tasks.repeat=4");
      const auto outcome = lab.run("run", how);
      if (!outcome) continue;
      CHECK(outcome->summary["ledger"]["failed_candidates"] > 0);
      std::size_t gone_on = 0, answered = 0;
      for (const auto& [task, records] : records_by_task(lab.at("run"))) {
        bool failed = false;
        for (const json& record : records) {
          gone_on += failed && record["k"] == "done";
          failed |= record["k"] == "fail";
        }
        answered += records.back()["entry"].contains("sample");
      }
      CHECK(gone_on > 12);
      CHECK(outcome->summary["ledger"]["search_nfe"] > 12 * kBudget / 2);
      CHECK(answered > 6);  // of 12 tasks
    }
  }
}

TEST_CASE("the answer of every search is the best sample that it was told of", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    const auto outcome = lab.run("run", {"tasks.repeat=4", "sampler.poison=0.1"});
    if (!outcome) continue;
    std::size_t not_the_first = 0, finished = 0;
    for (const auto& [task, records] : records_by_task(lab.at("run"))) {
      std::set<std::uint64_t> samples;
      double best = -std::numeric_limits<double>::infinity();
      for (const json& record : records) {
        if (record["k"] == "ask")
          for (const json& c : record["c"])
            if (c["to"] == 0 && c["score"] == 1) samples.insert(c["id"].get<std::uint64_t>());
        if (record["k"] == "done" && samples.contains(record["c"].get<std::uint64_t>()))
          best = std::max(best, record["s"][0][0].get<double>());
      }
      finished += samples.size();
      const json& entry = records.back()["entry"];
      REQUIRE(entry.contains("best"));
      CHECK(entry["best"]["made"] == "as it is");
      CHECK(entry["scores"]["target"].get<float>() == static_cast<float>(best));
      not_the_first +=
          !entry.contains("first") || entry["best"]["candidate"] != entry["first"]["candidate"];
    }
    // Of 12 tasks; a search that puts all into one sample has no other.
    if (finished > 3 * 12) CHECK(not_the_first > 4);
  }
}

TEST_CASE("ids of candidates and noises grow, and each candidate has one result", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    if (!lab.run("run", {"sampler.poison=0.2"})) continue;
    for (const auto& [task, records] : records_by_task(lab.at("run"))) {
      std::uint64_t last[2] = {0, 0};
      std::map<std::uint64_t, int> results;
      for (const json& record : records) {
        if (record["k"] == "ask")
          for (const int kind : {0, 1})
            for (const json& made : record[kind ? "n" : "c"]) {
              CHECK(made["id"] > last[kind]);
              last[kind] = made["id"];
            }
        if (record["k"] == "done" || record["k"] == "fail")
          CHECK(++results[record["c"].get<std::uint64_t>()] == 1);
      }
      CHECK(results.size() > 4);
    }
  }
}

TEST_CASE("another seed gives other samples, in every search", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    const auto seven = lab.run("seven");
    if (!seven) continue;
    const auto eight = lab.run("eight", {"run.seed=8"});
    for (std::size_t task = 0; task < 3; ++task)
      CHECK(seven->summary["tasks"][task]["first"] != eight->summary["tasks"][task]["first"]);
  }
}

TEST_CASE("a plan of every search bounds what the run then spends", "[conformance]") {
  for (const Subject& subject : subjects()) {
    INFO(subject.id);
    Laboratory lab(subject);
    const auto outcome = lab.run("run");
    if (!outcome) continue;
    const Plan plan = make_plan(lab.toy.config(subject.base), toy_plugins(), false);
    const double spent = outcome->summary["ledger"]["search_nfe"];
    CHECK(spent <= plan.ledger.search_nfe);
    if (plan.exact) CHECK(spent == plan.ledger.search_nfe);
    CHECK(spent <= 3 * kBudget);
    CHECK(spent > 3 * kBudget / 2);  // a budget is there to be used
  }
}

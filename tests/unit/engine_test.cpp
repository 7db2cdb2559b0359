// engine_test.cpp: whole runs over the toy sampler: the same result however they are executed,
// exact budgets, resume.
#include <atomic>
#include <cstring>
#include <map>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

Overrides with(Overrides base, std::initializer_list<std::string> more) {
  base.insert(base.end(), more.begin(), more.end());
  return base;
}

void check_equal_runs(const RunOutcome& a, const std::filesystem::path& at_a, const RunOutcome& b,
                      const std::filesystem::path& at_b) {
  CHECK(a.summary == b.summary);
  CHECK(logical_records(at_a) == logical_records(at_b));
  for (const auto& task : a.summary["tasks"])
    if (task.contains("sample"))
      CHECK(read_bytes(at_a / task["sample"].get<std::string>()) ==
            read_bytes(at_b / task["sample"].get<std::string>()));
}

}  // namespace

TEST_CASE("recipes, scores and samples are the same for every batch size and cache", "[engine]") {
  for (const auto& [name, search] : searches()) {
    for (const std::string rule : {"single", "mean-rank"}) {
      INFO(name << ", " << rule);
      const bool gradients = name == "first_order" || name == "every_gradient";
      if (gradients && rule == "mean-rank") continue;  // ranks have none
      ToyRun toy;
      toy.text += "[selection]\nrule = \"" + rule + "\"\n";
      const Overrides base = with(search, {"sampler.poison=0.1"});  // some candidates fail
      const RunOutcome reference = toy.run("reference", with(base, {"execution.batch=16"}));
      REQUIRE(reference.exit == Exit::kDone);
      int n = 0;
      for (const Overrides& how : {Overrides{"execution.batch=1"}, Overrides{"execution.batch=7"},
                                   Overrides{"execution.cache=0"},
                                   Overrides{"execution.cache=512", "execution.batch=3"}}) {
        const std::string out = "other" + std::to_string(n++);
        Overrides all = base;
        all.insert(all.end(), how.begin(), how.end());
        const RunOutcome other = toy.run(out, all);
        check_equal_runs(reference, toy.folder / "reference", other, toy.folder / out);
      }
    }
  }
}

TEST_CASE("mixing times in a batch changes nothing but the number of batches", "[engine]") {
  for (const auto& [name, search] : searches()) {
    INFO(name);
    ToyRun toy;
    const auto mixed = toy.run("mixed", search);
    const auto apart = toy.run("apart", with(search, {"sampler.mixed_times=false"}));
    CHECK(mixed.summary["tasks"] == apart.summary["tasks"]);
  }
}

TEST_CASE("the budget is never passed, and the ledger counts every step once", "[engine]") {
  for (const auto& [name, search] : searches()) {
    INFO(name);
    ToyRun toy;
    const auto outcome = toy.run("run", with(search, {"execution.cache=0"}));
    const double spent = outcome.summary["ledger"]["search_nfe"];
    CHECK(spent <= (name == "every_gradient" ? 320 : 160) * 6);
    if (name == "zero_order") CHECK(spent > 0.8 * 160 * 6);
    if (name == "random") CHECK(spent == 160 * 6);
  }
}

TEST_CASE("evicted latents are made again, counted apart and never capped", "[engine]") {
  ToyRun toy;
  const Overrides& paths = searches().at("paths");
  const auto kept = toy.run("kept", paths);
  const auto evicted = toy.run("evicted", with(paths, {"execution.cache=0"}));
  CHECK(kept.effort["recomputed_nfe"] == 0);
  CHECK(evicted.effort["recomputed_nfe"] > 0);
  CHECK(kept.summary["ledger"] == evicted.summary["ledger"]);
}

TEST_CASE("a run that is stopped at any turn goes on to the identical result", "[engine]") {
  for (const auto& [name, search] : searches()) {
    INFO(name);
    ToyRun toy;
    const auto whole = toy.run("whole", search);
    for (int every : {1, 3, 10}) {
      const std::string out = "parts" + std::to_string(every);
      RunOutcome last;
      int parts = 0;
      do {
        std::atomic<wn_status> stop{WN_OK};
        int turns = 0;
        last = toy.run(out, search, &stop, [&](const Progress&) {
          if (++turns == every * (parts + 1)) stop = WN_E_CANCELLED;
        });
        ++parts;
        REQUIRE(parts < 400);
      } while (last.exit == Exit::kCheckpointed);
      CHECK(parts > 1);
      CHECK(last.effort["parts"] == parts);
      check_equal_runs(whole, toy.folder / "whole", last, toy.folder / out);
    }
  }
}

TEST_CASE("progress counts the NFE that were walked, not those that were promised", "[engine]") {
  for (const Overrides& how : {Overrides{}, Overrides{"search={plugin=\"winnow.zero_order\"}"},
                               Overrides{"search={plugin=\"winnow.paths\"}"},
                               Overrides{"search={plugin=\"winnow.first_order\"}",
                                         "verifier=[{plugin=\"winnow.toy.target\", value=0.6}]"},
                               Overrides{"execution.batch=2", "search.round=20"}}) {
    ToyRun toy;
    double last = 0, first = -1;
    const auto outcome = toy.run("run", how, nullptr, [&](const Progress& p) {
      if (first < 0) first = p.nfe;
      CHECK(p.nfe <= p.nfe_this_part);
      CHECK(p.nfe >= last);
      last = p.nfe;
    });
    CHECK(first < 0.2 * last);
    CHECK(last == outcome.summary["ledger"]["search_nfe"].get<double>());
  }
}

TEST_CASE("a finished run says so and keeps its summary", "[engine]") {
  ToyRun toy;
  const auto first = toy.run("run");
  const auto again = toy.run("run");
  CHECK_FALSE(first.was_finished);
  CHECK(again.was_finished);
  CHECK(again.summary == first.summary);
}

TEST_CASE("a changed config is refused with the difference, but execution may change", "[engine]") {
  ToyRun toy;
  toy.run("run");
  CHECK_THROWS_WITH(toy.run("run", {"budget.nfe=168"}), Catch::Contains("budget.nfe"));
  CHECK_NOTHROW(toy.run("run", {"execution.batch=2"}));
}

TEST_CASE("the winner is made again on the final schedule from its noise", "[engine]") {
  ToyRun toy;
  const auto outcome = toy.run("run", {"sampler.search_steps=2"});
  CHECK(outcome.summary["ledger"]["final_nfe"] == 8 * 6);
  CHECK(outcome.summary["tasks"][0]["best"]["made"] == "regenerated");
  // What search and final generation share is the noise; the sample is that of an 8-step run with
  // the same winner's noise.
  CHECK(outcome.summary["tasks"][0]["scores"]["brightness"] !=
        outcome.summary["tasks"][0]["first"]["scores"]["brightness"]);
}

TEST_CASE("a stochastic winner is handed out as it is", "[engine]") {
  ToyRun toy;
  const auto outcome = toy.run("run", {"sampler.search_steps=2", "sampler.eta=0.5"});
  CHECK(outcome.summary["ledger"]["final_nfe"] == 0);
  CHECK(outcome.summary["tasks"][0]["best"]["made"] == "as it is");
}

TEST_CASE("more candidates never give a worse best, and contain those of smaller runs",
          "[engine]") {
  ToyRun toy;
  const auto few = toy.run("few", {"budget.nfe=32"});
  const auto many = toy.run("many", {"budget.nfe=320"});
  for (std::size_t t = 0; t < 6; ++t) {
    const auto &a = few.summary["tasks"][t], &b = many.summary["tasks"][t];
    CHECK(b["scores"]["brightness"] >= a["scores"]["brightness"]);
    CHECK(a["first"] == b["first"]);
  }
}

TEST_CASE("a failed candidate is paid for, reported, and does not stop the search", "[engine]") {
  ToyRun toy;
  for (const auto& [name, search] : searches()) {
    INFO(name);
    const auto outcome = toy.run(name, with(search, {"sampler.poison=0.3"}));
    CHECK(outcome.exit == Exit::kDone);
    CHECK(outcome.summary["ledger"]["failed_candidates"] > 0);
    bool explained = false;
    for (const auto& task : outcome.summary["tasks"])
      if (task.contains("failures"))
        explained |= task["failures"][0]["why"].get<std::string>().find("poisoned noise") !=
                     std::string::npos;
    CHECK(explained);
  }
  const auto all = toy.run("all", {"sampler.poison=10"});
  CHECK(all.exit == Exit::kCandidates);
  CHECK(all.summary["tasks"][0]["error"] == "every candidate failed");
}

TEST_CASE("what is walked is what was priced, whatever a preview costs and saves", "[engine]") {
  // A budget of 5 ends where only a preview is there, which the final generation completes.
  const std::vector<std::pair<std::string, int>> runs{{"every_operation", 160},
                                                      {"every_operation", 5},
                                                      {"previews", 160},
                                                      {"paths", 160},
                                                      {"first_order", 160}};
  for (const auto& [name, budget] : runs) {
    for (const auto& [nfe, credit] : std::map<int, int>{{0, 0}, {1, 0}, {2, 1}, {3, 2}}) {
      CAPTURE(name, budget, nfe, credit);
      ToyRun toy;
      const auto outcome = toy.run(
          "run", with(searches().at(name), {fmt::format("sampler.preview_nfe={}.0", nfe),
                                            fmt::format("sampler.preview_credit={}.0", credit),
                                            fmt::format("budget.nfe={}", budget),
                                            std::string("sampler.search_steps=4")}));
      REQUIRE(outcome.exit == Exit::kDone);
      if (budget == 5) CHECK(outcome.summary["tasks"][0]["best"]["made"] == "completed");
      double walked = 0;
      std::string notice;
      read_journal(
          journal_path(toy.folder / "run"),
          [&](std::string_view payload) {
            const auto record = nlohmann::json::parse(payload);
            if (record["k"] == "clock") walked = record["nfe"];
          },
          &notice);
      const auto& ledger = outcome.summary["ledger"];
      const double again = ledger["backward_nfe"].get<double>() / 2;  // vjp's own forward pass
      CHECK(walked ==
            ledger["search_nfe"].get<double>() + ledger["final_nfe"].get<double>() + again);
      CHECK(outcome.effort["recomputed_nfe"] == again);
    }
  }
}

TEST_CASE("a sample that was never scored can be the answer, and is judged then", "[engine]") {
  ToyRun toy;
  toy.text += "[[verifier]]\nplugin = \"winnow.toy.first_pixel\"\nrole = \"report\"\n";
  const auto outcome = toy.run("run", {"search={plugin=\"winnow.odd.never_scores\"}"});
  CHECK(outcome.exit == Exit::kDone);
  for (const auto& task : outcome.summary["tasks"]) {
    CHECK(task["scores"].contains("brightness"));
    CHECK(task["scores"].contains("first_pixel"));
  }
  CHECK(outcome.summary["ledger"]["verifier_calls"]["brightness"] == 6);
}

TEST_CASE("a score that is not a number fails its candidate with the verifier's name", "[engine]") {
  ToyRun toy;
  const auto outcome =
      toy.run("run", {"verifier.0={plugin=\"winnow.toy.sometimes_nan\", name=\"nan\"}"});
  CHECK(outcome.summary["ledger"]["failed_candidates"] > 0);
  for (const auto& task : outcome.summary["tasks"])
    if (task.contains("scores")) CHECK(task["scores"]["nan"] >= 0.5);
}

TEST_CASE("why a verifier that looks on gave no score stands in the summary", "[engine]") {
  for (const std::string time : {"-1.0", "0.5"}) {  // with previews it is asked on the way only
    INFO(time);
    ToyRun toy;
    toy.text +=
        "[[verifier]]\nplugin = \"winnow.toy.sometimes_nan\"\nrole = \"report\"\ntime = " + time +
        "\n";
    const auto outcome = toy.run("run");
    std::size_t unscored = 0;
    const auto check = [&](const auto& judged) {
      const bool scored = judged["scores"].contains("sometimes_nan");
      CHECK(judged.contains("unscored") == !scored);
      if (scored) return;
      ++unscored;
      CHECK_THAT(judged["unscored"]["sometimes_nan"].template get<std::string>(),
                 Catch::Contains("winnow.toy.sometimes_nan: the score is not finite"));
    };
    for (const auto& task : outcome.summary["tasks"]) {
      check(task);
      check(task["first"]);
    }
    CHECK(unscored > 0);
    CHECK(unscored < 12);
  }
}

TEST_CASE("a run that ends with an error keeps the account of what it walked", "[engine]") {
  ToyRun toy;
  int turns = 0;
  CHECK_THROWS_WITH(toy.run("run", {}, nullptr,
                            [&](const Progress&) {
                              if (++turns == 3) throw Error(Exit::kPlugin, "an outage");
                            }),
                    "an outage");
  nlohmann::json clock;
  std::string notice;
  read_journal(
      journal_path(toy.folder / "run"),
      [&](std::string_view payload) {
        if (auto record = nlohmann::json::parse(payload); record["k"] == "clock") clock = record;
      },
      &notice);
  REQUIRE(clock.is_object());
  CHECK(clock["nfe"] > 0);
}

TEST_CASE("held-out verifiers judge the first and the final sample, and never select", "[engine]") {
  ToyRun toy;
  toy.text += "[[verifier]]\nplugin = \"winnow.toy.first_pixel\"\nrole = \"report\"\n";
  ToyRun alone;
  const auto with_report = toy.run("run");
  const auto without = alone.run("run");
  for (std::size_t t = 0; t < 6; ++t) {
    const auto &a = with_report.summary["tasks"][t], &b = without.summary["tasks"][t];
    CHECK(a["best"] == b["best"]);
    CHECK(a["scores"].contains("first_pixel"));
    CHECK(a["first"]["scores"].contains("first_pixel"));
    CHECK(a["heads"]["first_pixel"].size() == 2);
  }
  CHECK(with_report.summary["ledger"]["verifier_calls"]["first_pixel"] == 12);
  const auto all = toy.run("all", {"output.keep=\"all\""});
  CHECK(all.summary["ledger"]["verifier_calls"]["first_pixel"] == 120);
}

TEST_CASE("a run that keeps no samples has the results of one that does", "[engine]") {
  const Overrides none{"output.keep=\"none\""};
  for (const Overrides& also : {Overrides{}, Overrides{"sampler.search_steps=3"}}) {
    ToyRun toy;
    Overrides without = none;
    without.insert(without.end(), also.begin(), also.end());
    auto kept = toy.run("kept", also).summary;
    std::atomic<wn_status> stop{WN_OK};
    const auto half = toy.run("run", without, &stop, [&](const Progress& p) {
      if (p.tasks_done >= 2) stop = WN_E_CANCELLED;
    });
    REQUIRE(half.exit == Exit::kCheckpointed);
    const auto outcome = toy.run("run", without);
    for (auto& task : kept["tasks"]) {
      task.erase("sample");
      task["first"].erase("sample");
    }
    CHECK(outcome.summary == kept);
    CHECK(std::filesystem::is_empty(toy.folder / "run" / "samples"));
    CHECK_FALSE(std::filesystem::exists(toy.folder / "run" / "gallery.png"));
  }
}

TEST_CASE("the plan is what the run then spends", "[engine]") {
  for (const Overrides& how :
       {Overrides{}, Overrides{"output.keep=\"none\""}, Overrides{"sampler.search_steps=3"},
        Overrides{"output.keep=\"all\""}, Overrides{"search.candidates=7"},
        Overrides{"budget.candidates=5"}, Overrides{"sampler.search_steps=3", "sampler.eta=1"}}) {
    ToyRun toy;
    toy.text += "[[verifier]]\nplugin = \"winnow.toy.first_pixel\"\nrole = \"report\"\n";
    const Plan plan = make_plan(toy.config(how), toy_plugins(), /*measure=*/true);
    CHECK(plan.exact);
    CHECK(plan.seconds > 0);
    CHECK(to_json(plan.ledger) == toy.run("run", how).summary["ledger"]);
  }
}

TEST_CASE("for a search whose cost hangs on scores the plan is an upper bound", "[engine]") {
  ToyRun toy;
  const Overrides& search = searches().at("zero_order");
  const Plan plan = make_plan(toy.config(search), toy_plugins(), false);
  const auto outcome = toy.run("run", search);
  CHECK(plan.ledger.search_nfe >= outcome.summary["ledger"]["search_nfe"].get<double>());
  CHECK(plan.ledger.decoded >= outcome.summary["ledger"]["decoded"].get<std::uint64_t>());
}

TEST_CASE("any candidate can be shown again with the same hash", "[engine]") {
  for (const auto& [name, search] : searches()) {
    INFO(name);
    ToyRun toy;
    toy.run("run", search);
    const RunConfig config = toy.config(search);
    int shown_count = 0;
    for (std::uint64_t candidate = 0; candidate <= 14; ++candidate) {
      INFO(candidate);
      try {
        const Shown shown = show_candidate(config, toy_plugins(), toy.folder / "run", 4, candidate,
                                           toy.folder / "shown.png");
        CHECK(shown.hash_equal);
        CHECK(shown.largest_score_difference == 0);
        CHECK(std::filesystem::exists(shown.file));
        ++shown_count;
      } catch (const Error& error) {
        CHECK_THAT(error.what(),
                   Catch::Contains("never scored") || Catch::Contains("has no candidate"));
      }
    }
    CHECK(shown_count >= 7);
  }
}

TEST_CASE("a run with failing candidates goes on from any record to the identical result",
          "[engine]") {
  for (const std::string name : {"random", "paths", "every_operation", "every_gradient", "sets"}) {
    INFO(name);
    ToyRun toy;
    toy.text += "[[verifier]]\nplugin = \"winnow.toy.sometimes_nan\"\nrole = \"report\"\n";
    const Overrides failing = with(searches().at(name), {"sampler.poison=0.3", "tasks.repeat=1"});
    const auto whole = toy.run("whole", failing);
    // The journal cut behind each record, as a kill would leave it.
    const std::string journal = read_bytes(journal_path(toy.folder / "whole"));
    std::vector<std::size_t> ends{8};
    while (ends.back() < journal.size()) {
      std::uint32_t size;
      std::memcpy(&size, journal.data() + ends.back(), 4);
      ends.push_back(ends.back() + 8 + size);
    }
    const std::size_t stride = std::max<std::size_t>(1, ends.size() / 24);
    for (std::size_t cut = 1; cut < ends.size(); cut += stride) {
      INFO(cut);
      const auto part = toy.folder / "part";
      std::filesystem::remove_all(part);
      std::filesystem::copy(toy.folder / "whole", part, std::filesystem::copy_options::recursive);
      for (const char* file : {"summary.json", "execution.json", "gallery.png"})
        std::filesystem::remove(part / file);
      write_bytes(journal_path(part), journal.substr(0, ends[cut]));
      check_equal_runs(whole, toy.folder / "whole", toy.run("part", failing), part);
    }
  }
}

TEST_CASE("a limit of seconds ends the searches, and replay stops at the same candidate",
          "[engine]") {
  ToyRun toy;
  toy.text.replace(toy.text.find("nfe = 160"), 9, "seconds = 0.05");
  const Overrides limits{"search.candidates=0"};
  const auto outcome = toy.run("run", limits);
  CHECK(outcome.exit == Exit::kDone);
  for (const auto& task : outcome.summary["tasks"]) CHECK(task.contains("sample"));
  std::filesystem::remove(toy.folder / "run" / "summary.json");
  const auto again = toy.run("run", limits);
  CHECK(again.summary == outcome.summary);
}

TEST_CASE("a seed, and only a seed, changes the samples", "[engine]") {
  ToyRun toy;
  const auto one = toy.run("one"), same = toy.run("same"), other = toy.run("other", {"run.seed=8"});
  CHECK(one.summary == same.summary);
  CHECK(one.summary["tasks"][0]["hash"] != other.summary["tasks"][0]["hash"]);
}

TEST_CASE("a run that is asked to stop while it plans stops, and has made nothing", "[engine]") {
  ToyRun toy;
  const std::atomic<wn_status> stop{WN_E_CANCELLED};
  CHECK(toy.run("run", {}, &stop).exit == Exit::kCheckpointed);
  CHECK_FALSE(std::filesystem::exists(toy.folder / "run"));
}

TEST_CASE("what cannot work is refused before anything is made", "[engine]") {
  ToyRun toy;
  CHECK_THROWS_WITH(
      toy.run("class", {"tasks.classes=[1, 12]"}),
      Catch::Contains("task 1 cannot be made") && Catch::Contains("class 12 is outside 0 to 9"));
  CHECK_THROWS_WITH(toy.run("budget", {"budget.nfe=7"}),
                    Catch::Contains("7 NFE does not reach for one candidate of 8 NFE"));
  CHECK_THROWS_WITH(toy.run("shape", {"verifier=[{plugin=\"winnow.toy.choosy\", width=32}]"}),
                    Catch::Contains("winnow.toy.choosy cannot judge a gray sample [1, ") &&
                        Catch::Contains("of winnow.toy.sampler for task 0: ") &&
                        Catch::Contains("expected 32"));
  CHECK_FALSE(std::filesystem::exists(toy.folder / "shape"));
  CHECK_FALSE(std::filesystem::exists(toy.folder / "class"));
  CHECK_FALSE(std::filesystem::exists(toy.folder / "budget"));
}

// first_order_test.cpp: winnow.first_order over the toy sampler, whose path is affine, and a smooth
// verifier: what it gains, and that every number of its price is right.
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

using Overrides = std::vector<std::string>;

constexpr double kPath = 8, kBackward = 2 * kPath;  // NFE

struct GradientRun {
  ToyRun toy;

  GradientRun() {
    const std::string brightness = "plugin = \"winnow.brightness\"\ntarget = 0.6";
    toy.text.replace(toy.text.find(brightness), brightness.size(),
                     "plugin = \"winnow.toy.target\"");
  }

  RunOutcome run(const std::string& out, const std::string& options, Overrides more = {}) {
    more.push_back("search={plugin=\"winnow.first_order\"" + options + "}");
    return toy.run(out, more);
  }
};

double mean_score(const RunOutcome& outcome) {
  double sum = 0;
  for (const auto& task : outcome.summary["tasks"]) sum += task["scores"]["target"].get<double>();
  return sum / static_cast<double>(outcome.summary["tasks"].size());
}

}  // namespace

TEST_CASE("a move costs a path, and the first from a place the backward pass through its path",
          "[first_order]") {
  GradientRun lab;
  const auto three = lab.run("three", ", iterations=3, no_improvement=\"go_on\"");
  REQUIRE(three.exit == Exit::kDone);
  const auto& ledger = three.summary["ledger"];
  CHECK(ledger["candidates"] == 6 * 4);
  CHECK(ledger["backward_nfe"] == 6 * 3 * kBackward);
  CHECK(ledger["search_nfe"] == 6 * (4 * kPath + 3 * kBackward));
  CHECK(ledger["final_nfe"] == 0);
}

TEST_CASE("a move that improves nothing is tried again with half the step for a path alone",
          "[first_order]") {
  GradientRun lab;
  lab.run("run", ", step=2.0, halvings=3", {"budget.nfe=400"});
  std::size_t tried_again = 0;
  for (const auto& [task, records] : records_by_task(lab.toy.folder / "run")) {
    std::map<std::uint64_t, double> step_from;  // by the candidate moved from
    std::size_t candidates = 0;
    for (const json& record : records) {
      if (record["k"] != "ask" || record["c"].empty()) continue;
      REQUIRE(record["c"].size() == 1);
      ++candidates;
      const json& noise = record["n"][0];
      if (noise["op"] != WN_NOISE_GRADIENT) continue;
      const auto from = noise["c"].get<std::uint64_t>();
      const double step = noise["s"];
      if (const auto before = step_from.find(from); before != step_from.end()) {
        ++tried_again;
        CHECK(step == before->second / 2);
      }
      step_from[from] = step;
    }
    const json& ledger = records.back()["ledger"];
    CHECK(ledger["backward_nfe"] == static_cast<double>(step_from.size()) * kBackward);
    CHECK(ledger["search_nfe"] == static_cast<double>(candidates) * kPath +
                                      static_cast<double>(step_from.size()) * kBackward);
  }
  CHECK(tried_again > 20);
}

TEST_CASE("gradients keep the budget to the last NFE", "[first_order]") {
  // 8 for the first noise, 24 for each move from a new place.
  for (const auto& [nfe, spent] :
       std::map<int, double>{{8, 8}, {31, 8}, {32, 32}, {55, 32}, {56, 56}, {80, 80}}) {
    INFO(nfe);
    GradientRun lab;
    const auto outcome =
        lab.run("run", ", no_improvement=\"go_on\"", {"budget.nfe=" + std::to_string(nfe)});
    CHECK(outcome.summary["ledger"]["search_nfe"] == 6 * spent);
  }
}

TEST_CASE("on a smooth problem the gradient beats zero order at equal cost", "[first_order]") {
  GradientRun lab;
  const Overrides problem{"sampler.size=8", "budget.nfe=320", "tasks.repeat=7"};
  const auto first = lab.run("first", "", problem);
  Overrides zero_order = problem;
  zero_order.push_back("search={plugin=\"winnow.zero_order\"}");
  const auto zero = lab.toy.run("zero", zero_order);
  CAPTURE(mean_score(first), mean_score(zero));
  CHECK(first.summary["ledger"]["search_nfe"] <= zero.summary["ledger"]["search_nfe"]);
  CHECK(mean_score(first) > mean_score(zero) / 4);  // both are below 0
  // The first noises are those of every other search.
  CHECK(first.summary["tasks"][0]["first"]["scores"] ==
        zero.summary["tasks"][0]["first"]["scores"]);
}

TEST_CASE("each chain climbs from a noise of its own and begins again when it is done",
          "[first_order]") {
  GradientRun lab;
  lab.run("run", ", chains=3, halvings=1, step=1.0", {"budget.nfe=800"});
  for (const auto& [task, records] : records_by_task(lab.toy.folder / "run")) {
    std::size_t fresh = 0, moved = 0, in_first_ask = 0;
    for (const json& record : records) {
      if (record["k"] != "ask") continue;
      if (in_first_ask == 0) in_first_ask = record["c"].size();
      for (const json& noise : record["n"]) {
        fresh += noise["op"] == WN_NOISE_FRESH;
        moved += noise["op"] == WN_NOISE_GRADIENT;
      }
    }
    CHECK(in_first_ask == 3);
    CHECK(fresh > 3);
    CHECK(moved > fresh);
  }
}

TEST_CASE("a search along gradients is refused where there are none, with the names of both",
          "[first_order]") {
  GradientRun lab;
  CHECK_THROWS_WITH(
      lab.run("sampler", "", {"sampler={plugin=\"winnow.toy.plain_sampler\"}"}),
      Catch::Contains("winnow.first_order") && Catch::Contains("winnow.toy.plain_sampler"));
  CHECK_THROWS_WITH(
      lab.run("verifier", "", {"verifier.0={plugin=\"winnow.brightness\", name=\"target\"}"}),
      Catch::Contains("winnow.first_order") && Catch::Contains("winnow.brightness"));
  CHECK_THROWS_WITH(lab.run("ranks", "", {"selection.rule=\"mean-rank\""}),
                    Catch::Contains("winnow.first_order") && Catch::Contains("selection.rule"));
  for (const char* out : {"sampler", "verifier", "ranks"})
    CHECK_FALSE(std::filesystem::exists(lab.toy.folder / out));
}

// pitfalls_test.cpp: mistakes that implementations of these searches have made, each with a test
// that fails when it is put back. The numbers are those of the project's list of pitfalls.
//
//  1 weights in log space, kept         golden/particles_test: rewards of +-1000; here: an SMC
//  whose
//    where nothing is resampled         gate never opens selects as if it had none
//  2 a best score that starts at 0     best_of_n_test: all its scores are negative;
//                                      golden/particles_test: the potential max of such scores
//  3 copies of a deterministic path    particle_searches_test: "copies of a deterministic path"
//  4 norm and cosine of a neighbour    noise_graph_test: both to 1e-6
//    pivot generated again             here; sdk_searches_test
//  5 delta_b > delta_f                 sdk_searches_test, cli/config_test.py
//    last leg lands on time 0          sdk_searches_test, with awkward floats
//    forward kernel                    here: its variance; golden/flow_solvers_test: the marginal
//  6 Heun's last step, N or N - 1      golden: "13 Heun steps cost 25 evaluations"; here
//    guidance is no NFE                here
//    search and final NFE apart        engine_test: "the winner is made again"; here
//  7 ties, NaN, more candidates        selection_test; here, by rank over a whole run
//  8 failures have one policy          search_conformance_test: "a candidate that fails"
//  9 rounding changes a population    golden/particles_test: "every resampling keeps the number";
//                                      particle_searches_test: bfs, fk
// 10 the winner is evaluated again     stepwise_searches_test: svdd costs 1 + M (T - 1)
// 12 scores of previews                here: previews rank a round, and never are the answer
// 13 a budget that ends in a batch     search_conformance_test: "no budget is ever passed"
// 14 seeds that give no noise back     here: from the recipe in a PNG to its pixels, with noise on
//                                      the way, too
// 15 the wrong parent of a beam        stepwise_searches_test: "wherever they come from"
// 16 a directory of other settings     engine_test: "a changed config is refused"
// 17 held-out verifiers that select    engine_test: "held-out verifiers judge"
// 19 randomness without an address     noise_test, noise_graph_test; conformance: "told the same"
// 20 the best of the last round only   search_conformance_test: "the answer of every search"
// 21 redrawing loses the incumbent     here; sdk_searches_test
// 22 weights that are all 0            golden/particles_test: "without any weight"; here: half of
//                                      them NaN; replay_test: a round in which all are
//
// 11 (set-level verifiers) and 18 (recorded pools) are tested where those stand.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "host/noise.hpp"
#include "host/png.hpp"
#include "plugins/samplers/flow_solvers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

constexpr std::uint32_t kFresh = 0, kRotate = 1;  // WN_NOISE_*

// Scores of the first verifier by candidate, of those that were judged.
std::map<std::uint64_t, double> scores_of(const std::vector<json>& records) {
  std::map<std::uint64_t, double> scores;
  for (const json& record : records)
    if (record["k"] == "done" && !record["s"].empty())
      scores[record["c"].get<std::uint64_t>()] = record["s"][0][0];
  return scores;
}

struct ZeroOrderStory {
  std::size_t pivots = 0, fresh = 0, rounds = 0;
};

// Follows one task and checks that every neighbour is a rotation of the pivot of its round.
ZeroOrderStory follow(const std::vector<json>& records, bool redraw) {
  const auto scores = scores_of(records);
  ZeroOrderStory story;
  std::uint64_t pivot = 0;  // a noise
  double pivot_score = 0;
  std::set<std::uint64_t> started;
  for (const json& record : records) {
    if (record["k"] != "ask" || record["c"].empty()) continue;
    const bool draws = record["n"][0]["op"] == kFresh;
    story.fresh += draws;
    story.rounds += !draws;
    for (const json& noise : record["n"]) {
      if (draws) continue;
      CHECK(noise["op"] == kRotate);
      CHECK(noise["s"] == 0.8);
      CHECK(noise["p"] == json::array({pivot}));
    }
    std::uint64_t best = 0;
    double best_score = -INFINITY;
    for (const json& c : record["c"]) {
      const auto noise = c["n"].get<std::uint64_t>();
      CHECK(started.insert(noise).second);  // no noise is run twice
      const double score = scores.at(c["id"].get<std::uint64_t>());
      if (score > best_score) best_score = score, best = noise;
    }
    if (draws) CHECK((pivot == 0 || redraw));
    if (draws || best_score > pivot_score) {
      pivot = best;
      pivot_score = best_score;
      ++story.pivots;
    }
  }
  return story;
}

}  // namespace

TEST_CASE("4: neighbours lie around the best noise so far, which is never run again",
          "[pitfalls]") {
  for (const std::string policy : {"keep", "redraw"}) {
    INFO(policy);
    ToyRun toy;
    const auto outcome = toy.run("run", {"search={plugin=\"winnow.zero_order\", neighbours=3, "
                                         "cosine=0.8, no_improvement=\"" +
                                         policy + "\"}"});
    REQUIRE(outcome.exit == Exit::kDone);
    ZeroOrderStory all;
    for (const auto& [task, records] : records_by_task(toy.folder / "run")) {
      const ZeroOrderStory story = follow(records, policy == "redraw");
      all.pivots += story.pivots;
      all.fresh += story.fresh;
      all.rounds += story.rounds;
      // 21: whatever was redrawn, the answer is the best of all.
      double best = -INFINITY;
      for (const auto& [candidate, score] : scores_of(records)) best = std::max(best, score);
      const json& answer = records.back()["entry"]["scores"]["brightness"];
      CHECK(answer.get<float>() == static_cast<float>(best));
    }
    CHECK(all.rounds > 30);
    CHECK(all.pivots > 6 + 5);
    CHECK((policy == "redraw" ? all.fresh > 6 + 5 : all.fresh == 6));
  }
}

TEST_CASE("5: the forward kernel has a variance, and keeps the marginal's", "[pitfalls]") {
  for (const double from : {0.0, 0.01, 0.08, 0.11, 0.5, 0.999}) {
    for (const double up : {1e-16, 1e-12, 1e-3, 0.03, 0.78, 1.0}) {
      const double to = std::min(1.0, from + up);
      const flow::StepFactors f = flow::renoise_factors(from, to);
      CAPTURE(from, to);
      REQUIRE(f.noise >= 0);  // not NaN either
      CHECK(f.x == Approx((1 - to) / (1 - from)));
      CHECK(f.x * f.x * from * from + f.noise * f.noise == Approx(to * to).margin(1e-12));
    }
  }
}

TEST_CASE(
    "6: N candidates cost N paths, guidance costs passes and no NFE, the final sample is "
    "reserved apart",
    "[pitfalls]") {
  ToyRun toy;
  const auto ledger = toy.run("run", {"sampler.search_steps=4"}).summary["ledger"];
  CHECK(ledger["candidates"] == 6 * 40);  // 160 NFE of 4 each
  CHECK(ledger["search_nfe"] == 6 * 160);
  CHECK(ledger["final_nfe"] == 6 * 8);
  CHECK(ledger["network_passes"] == 2 * 6 * (160 + 8));  // the toy sampler's NFE are two passes
}

TEST_CASE("1: weights go on where nothing was resampled, and their sum decides the next draw",
          "[pitfalls]") {
  // Stops at 2 and 4 of 8 steps. With a gate that is open only after the second, the copies there
  // follow exp(lambda r) of the second stop: the potentials diff of both telescope. Weights that
  // were forgotten after the first stop would give exp(lambda (r_2 - r_1)).
  ToyRun toy;
  toy.run("run", {"sampler.eta=0.4", "tasks.repeat=10",
                  "search={plugin=\"winnow.fk\", lambda=300.0, gate=0.62, to=0.5, "
                  "resampling=\"systematic\"}"});
  std::size_t told_apart = 0;
  for (const auto& [task, records] : records_by_task(toy.folder / "run")) {
    const auto scores = scores_of(records);
    std::map<std::uint64_t, json> made;
    std::map<std::uint64_t, std::size_t> children;
    for (const json& record : records)
      if (record["k"] == "ask")
        for (const json& c : record["c"]) {
          made[c["id"]] = c;
          if (c["p"] != 0) ++children[c["p"]];
        }
    std::vector<std::uint64_t> second;
    bool resampled_at_first = false;
    for (const auto& [id, c] : made) {
      if (c["to"] == 0.5) second.push_back(id);
      if (c["to"] == 0.75 && children[id] != 1) resampled_at_first = true;
    }
    if (resampled_at_first || second.size() < 2) continue;
    double sum = 0, forgotten = 0;
    const auto first = [&](std::uint64_t id) { return scores.at(made[id]["p"]); };
    for (const std::uint64_t id : second) {
      sum += std::exp(300 * scores.at(id));
      forgotten += std::exp(300 * (scores.at(id) - first(id)));
    }
    bool resampled = false;
    for (const std::uint64_t id : second) resampled |= children[id] != 1;
    if (!resampled) continue;
    const auto n = static_cast<double>(second.size());
    for (const std::uint64_t id : second) {
      const auto copies = static_cast<double>(children[id]);
      CHECK(std::abs(copies - n * std::exp(300 * scores.at(id)) / sum) < 1);
      told_apart +=
          std::abs(copies - n * std::exp(300 * (scores.at(id) - first(id))) / forgotten) >= 1;
    }
  }
  CHECK(told_apart > 0);
}

TEST_CASE("22: particles whose scores are no numbers end no task", "[pitfalls]") {
  for (const char* search : {"fk", "bfs", "svdd", "code", "beam", "dsearch", "rbf", "tree", "demon",
                             "epsilon_greedy", "pruned", "evolution", "trust_region"}) {
    INFO(search);
    ToyRun toy;
    toy.text +=
        "[[verifier]]\nplugin = \"winnow.toy.sometimes_nan\"\nname = \"nan\"\n"
        "[selection]\nrule = \"weighted-sum\"\n";
    const auto outcome = toy.run("run", {"sampler.eta=0.4", "budget.nfe=400", "tasks.repeat=3",
                                         std::string("search={plugin=\"winnow.") + search + "\"}"});
    CHECK(outcome.summary["ledger"]["failed_candidates"] > 10);
    for (const auto& task : outcome.summary["tasks"]) {
      REQUIRE(task.contains("scores"));
      CHECK(task["scores"]["nan"] >= 0.5);
    }
  }
}

TEST_CASE("7: by rank, too, a candidate whose score is not a number is never the answer",
          "[pitfalls]") {
  ToyRun toy;
  toy.text +=
      "[[verifier]]\nplugin = \"winnow.toy.sometimes_nan\"\nname = \"nan\"\n"
      "[selection]\nrule = \"mean-rank\"\n";
  const auto outcome = toy.run("run");
  CHECK(outcome.summary["ledger"]["failed_candidates"] > 20);
  for (const auto& task : outcome.summary["tasks"]) {
    REQUIRE(task.contains("scores"));
    CHECK(task["scores"]["nan"] >= 0.5);
  }
}

TEST_CASE("12: previews order the paths of a round, only samples are answers", "[pitfalls]") {
  ToyRun toy;
  const auto outcome = toy.run(
      "run", {"search={plugin=\"winnow.paths\", paths=2, branches=2, leg_steps=2, sigma=0.3, "
              "delta_f=0.5, delta_b=0.6}"});
  CHECK(outcome.summary["ledger"]["previews"] == 6 * 2 * 4);  // two rounds above time 0
  CHECK(outcome.summary["ledger"]["decoded"] == 6 * 4);
  std::size_t previews_scored_higher = 0;
  for (const auto& [task, records] : records_by_task(toy.folder / "run")) {
    const auto scores = scores_of(records);
    std::map<double, std::map<std::uint64_t, double>> by_time;  // of (candidate, score)
    std::map<std::uint64_t, std::uint64_t> parent;
    for (const json& record : records) {
      if (record["k"] != "ask") continue;
      for (const json& c : record["c"]) {
        const auto id = c["id"].get<std::uint64_t>();
        parent[id] = c["p"];
        if (c["score"] == 1) by_time[c["to"]][id] = scores.at(id);
      }
    }
    REQUIRE(by_time.size() == 3);
    const auto& samples = by_time.begin()->second;
    const auto best = [](const auto& round) {
      return std::ranges::max_element(round, {},
                                      [](const auto& candidate) { return candidate.second; });
    };
    CHECK(by_time.begin()->first == 0);
    CHECK(records.back()["entry"]["best"]["candidate"] == best(samples)->first);
    for (const auto& [time, round] : by_time)
      if (time > 0) previews_scored_higher += best(round)->second > best(samples)->second;
    // The parents of the last round are the two best previews of the round before.
    const auto& before = std::next(by_time.begin())->second;
    std::set<std::uint64_t> survivors;
    for (const auto& [sample, score] : samples) survivors.insert(parent.at(sample));
    REQUIRE(survivors.size() == 2);
    for (const auto& [candidate, score] : before) {
      const auto better =
          std::ranges::count_if(before, [&](const auto& other) { return other.second > score; });
      CHECK(survivors.contains(candidate) == (better < 2));
    }
  }
  CHECK(previews_scored_higher > 0);
}

TEST_CASE("14: the recipe in a picture's file gives back the picture", "[pitfalls]") {
  ToyRun toy;
  const auto outcome = toy.run("run");
  for (const auto& task : outcome.summary["tasks"]) {
    std::string text;
    const Image image = read_png(toy.folder / "run" / task["sample"].get<std::string>(), &text);
    const json recipe = json::parse(text);
    REQUIRE(recipe["noises"].size() == 1);
    const json& address = recipe["noises"][0]["at"];
    REQUIRE(recipe["noises"][0]["op"] == kFresh);
    std::vector<float> x(16);
    fill_normal({address[0], address[1], address[2]}, 0, 0, x);
    const double mean = (task["condition"]["class"].get<double>() - 4.5) / 9;
    double factor = 1;
    for (int k = 0; k < 8; ++k) {
      const double t = 1 - k / 8.0;
      factor *= 1 - t / (1 + t * t) / 8;
    }
    for (std::size_t e = 0; e < x.size(); ++e) {
      const double pixel = std::clamp(0.5 + (mean + factor * (x[e] - mean)) / 6, 0.0, 1.0);
      CHECK(std::abs(image.pixels[e] - 255 * pixel) < 0.51);
    }
  }
}

TEST_CASE("14: noise(k) is what a step uses in arriving at position k, whether it stopped or not",
          "[pitfalls]") {
  for (const char* search : {"random\", candidates=1", "svdd\", chains=1, children=1"}) {
    INFO(search);
    ToyRun toy;
    toy.text.replace(toy.text.find("round = 5\n"), 10, "");
    const auto outcome =
        toy.run("run", {std::string("search={plugin=\"winnow.") + search + "}", "sampler.eta=0.4"});
    for (const auto& task : outcome.summary["tasks"]) {
      std::string text;
      const Image image = read_png(toy.folder / "run" / task["sample"].get<std::string>(), &text);
      const json recipe = json::parse(text);
      REQUIRE(recipe["noises"].size() == 1);
      const json& address = recipe["noises"][0]["at"];
      const auto noise = [&](std::uint32_t position) {
        std::vector<float> out(16);
        fill_normal({address[0], address[1], address[2]}, position, 0, out);
        return out;
      };
      const double mean = (task["condition"]["class"].get<double>() - 4.5) / 9;
      std::vector<float> start = noise(0);
      std::vector<double> x(start.begin(), start.end());
      for (std::uint32_t k = 0; k < 8; ++k) {
        const double t = 1 - k / 8.0;
        const std::vector<float> z = noise(k + 1);
        for (std::size_t e = 0; e < x.size(); ++e)
          x[e] +=
              -(x[e] - mean) * t / (1 + t * t) / 8 + (k < 7 ? 0.4 * std::sqrt(0.125) * z[e] : 0);
      }
      for (std::size_t e = 0; e < x.size(); ++e)
        CHECK(std::abs(image.pixels[e] - 255 * std::clamp(0.5 + x[e] / 6, 0.0, 1.0)) < 0.51);
    }
  }
}

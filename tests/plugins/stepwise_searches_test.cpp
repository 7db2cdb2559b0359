// stepwise_searches_test.cpp: what the header of each search that chooses among previews on the way
// promises; see search_stories.hpp.
#include <fmt/format.h>

#include <set>

#include "tests/support/search_stories.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

TEST_CASE("branches that are not chosen among are independent samples: best of N", "[branching]") {
  // 20 paths of 8 NFE, whatever the search: previews cost nothing where the path goes on.
  const auto best_of_n = sample_scores(Laboratory("random\""));
  for (const char* search :
       {"fk\", lambda=0.0", "twisted\", lambda=0.0", "svdd\", chains=20, children=1",
        "code\", chains=1, block=8", "code\", chains=20, branches=1, block=3",
        "beam\", children=1, block=2", "bfs\", temperature=1e6, rule=\"prune\"",
        "dsearch\", oversample=1, children=1", "pruned\", at=[], keep=[]",
        "tree\", levels=1, widening=1000.0", "evolution\", at=[], elites=1"}) {
    INFO(search);
    const auto found = sample_scores(Laboratory(search));
    for (std::size_t t = 0; t < 6; ++t) {
      CHECK(found[t].size() == 20);
      CHECK(std::ranges::is_permutation(found[t], best_of_n[t]));
    }
  }
}

TEST_CASE("rbf takes the first child that beats the last score, and rolls its quota over",
          "[branching]") {
  std::size_t accepted_early = 0, exhausted = 0, rolled = 0;
  for (const double budget : {160, 30}) {
    const Laboratory lab("rbf\", chains=1, initial=0.1", {fmt::format("budget.nfe={}", budget)});
    for (const Story& story : lab.stories()) {
      if (budget == 160) CHECK(story.ledger["search_nfe"] == 160);  // to the last NFE
      CHECK(story.ledger["search_nfe"] > budget - 8);
      // A tenth of the budget for first noises, judged at time 1; the chain goes on from the best.
      double threshold = -INFINITY;
      std::uint64_t at = 0;
      for (const std::uint64_t id : story.rounds[0])
        if (story.made.at(id).score > threshold) threshold = story.made.at(id).score, at = id;
      CHECK(static_cast<double>(story.rounds[0].size()) == budget / 10);
      const double quota = (budget - 8 - (budget / 10 - 1)) / 7;  // one noise is part of the way
      double purse = 0;
      for (int step = 0; step < 7; ++step) {
        purse += quota;
        const auto children = story.children(at);
        REQUIRE(!children.empty());
        purse -= static_cast<double>(children.size()) - 1;
        CHECK(purse > -1e-9);
        rolled += purse > quota;
        std::uint64_t best = children[0];
        for (std::size_t i = 0; i < children.size(); ++i) {
          const double score = story.made.at(children[i]).score;
          if (i + 1 < children.size()) CHECK(score <= threshold);
          if (score > story.made.at(best).score) best = children[i];
        }
        const double last = story.made.at(children.back()).score;
        if (last > threshold) {
          ++accepted_early;
          at = children.back();
          threshold = last;
        } else {
          ++exhausted;
          CHECK(purse < 1);
          at = best;
        }
      }
      CHECK(story.children(at).size() == 1);  // the last step draws no noise
    }
  }
  CHECK(accepted_early > 10);
  CHECK(exhausted > 2);
  CHECK(rolled > 2);
}

TEST_CASE("svdd goes on with the best child, whose evaluation is not paid for again",
          "[branching]") {
  // 1 + M (T - 1), the last step for nothing: 1 + 5 x 7.
  const Laboratory lab("svdd\", children=5", {"budget.nfe=36"});
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 36);
    CHECK(story.made.size() == 1 + 5 * 7 + 1);
    REQUIRE(story.rounds.size() == 9);
    for (std::size_t round = 1; round < 8; ++round) {
      std::uint64_t best = story.rounds[round][0];
      for (const std::uint64_t id : story.rounds[round])
        if (story.made.at(id).score > story.made.at(best).score) best = id;
      for (const std::uint64_t id : story.rounds[round])
        CHECK(story.children(id).size() == (id != best ? 0 : round < 7 ? 5u : 1u));
    }
  }
  // A cold softmax is the best, a hot one any.
  CHECK(sample_scores(Laboratory("svdd\", children=5, temperature=1e-9", {"budget.nfe=36"})) ==
        sample_scores(lab));
  CHECK(sample_scores(Laboratory("svdd\", children=5, temperature=1e6", {"budget.nfe=36"})) !=
        sample_scores(lab));
}

TEST_CASE("code chooses after every block of steps, each chain for itself", "[branching]") {
  // Stops at 3, 6, 8: 4 + 3 a branch, 2 at the end (one branch would be 8): K (4 + 3 + 1) ... by
  // price: a START to 3 steps with preview 4, a block of 3 steps 3, the last of 2 steps 1.
  const Laboratory lab("code\", chains=2, branches=4, block=3", {"budget.nfe=64"});
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 2 * 4 * (4 + 3 + 1));
    REQUIRE(story.rounds.size() == 3);
    for (const std::size_t round : {0, 1}) {
      CHECK(story.rounds[round].size() == 8);
      for (const std::size_t first : {0, 4}) {
        const auto begin = story.rounds[round].begin() + static_cast<long>(first);
        const auto best = *std::ranges::max_element(
            begin, begin + 4, {}, [&](std::uint64_t id) { return story.made.at(id).score; });
        CHECK(story.children(best).size() == 4);
      }
    }
  }
}

TEST_CASE("beam takes the best of all beams' children, wherever they come from", "[branching]") {
  const Laboratory lab("beam\", beams=3, children=4, block=2", {"budget.nfe=97"});
  std::size_t uneven = 0;
  for (const Story& story : lab.stories()) {
    REQUIRE(story.rounds.size() >= 4);
    for (const std::size_t round : {0, 1, 2}) {
      CHECK(story.rounds[round].size() == 12);
      std::size_t parents = 0;
      for (const std::uint64_t id : story.rounds[round]) {
        const auto better = std::ranges::count_if(story.rounds[round], [&](std::uint64_t other) {
          return story.made.at(other).score > story.made.at(id).score;
        });
        CHECK(story.children(id).size() == (better < 3 ? 4 : 0));
        parents += better < 3;
      }
      CHECK(parents == 3);
    }
    std::set<std::uint64_t> grandparents;
    for (const auto& [parent, family] : story.families(2))
      grandparents.insert(story.made.at(parent).parent);
    uneven += grandparents.size() < 3;
  }
  CHECK(uneven > 0);
}

TEST_CASE("a look-ahead judges a child by the sample that few deterministic steps make of it",
          "[branching]") {
  // A child 1 and its look 2 NFE at each of 7 steps; the last step 1, judged by itself.
  const Laboratory lab("beam\", beams=1, children=2, look_ahead=2", {"budget.nfe=50"});
  for (const Story& story : lab.stories()) {
    std::size_t looks = 0;
    for (const auto& [id, m] : story.made) {
      if (!m.recipe.contains("leg")) continue;
      ++looks;
      CHECK(m.recipe["leg"] == 2);
      CHECK(m.recipe["st"] == -1);
      CHECK(m.to == 0);
      CHECK(story.made.at(m.parent).recipe["score"] == 0);
    }
    CHECK(looks >= 14);
    CHECK(story.ledger["search_nfe"] <= 50);
    CHECK(story.ledger["search_nfe"] >= 43);
    CHECK(story.ledger["previews"] == 0);
  }
}

TEST_CASE("dsearch begins with many beams of few children and ends with few of many",
          "[branching]") {
  // n_i = max(2, floor(8 (1/4)^(i/7))) = 8 6 5 4 3 2 2 2, children round(2 x 8 / n_i) =
  // 2 3 3 4 5 8 8, one at the last step.
  const std::vector<std::size_t> made{16, 18, 15, 16, 15, 16, 16, 2};
  const Laboratory lab("dsearch\", beams=2", {"budget.nfe=128"});
  for (const Story& story : lab.stories()) {
    REQUIRE(story.rounds.size() >= 8);
    for (std::size_t round = 0; round < 8; ++round)
      CHECK(story.rounds[round].size() == made[round]);
    // 16 starts of 2 NFE, then 1 each; the last step is paid for.
    CHECK(story.ledger["search_nfe"] >= 32 + 96);
    // One child of a beam goes on.
    for (std::size_t round = 1; round < 7; ++round)
      for (const auto& [parent, family] : story.families(round)) {
        const auto going_on = std::ranges::count_if(
            family, [&](std::uint64_t id) { return !story.children(id).empty(); });
        CHECK(going_on <= 1);
      }
  }
  const Laboratory linear("dsearch\", beams=2, shrink=\"linear\"", {"budget.nfe=160"});
  for (const Story& story : linear.stories())
    CHECK(story.families(4).size() == 2 + 3 * 6 / 7);  // 2 + floor(6 (1 - 4/7))
}

TEST_CASE("epsilon_greedy moves around the best noise of its step, on the sphere", "[branching]") {
  const Laboratory lab("epsilon_greedy\", epsilon=0.3, rounds=2, candidates=3");
  std::size_t turned = 0, fresh = 0;
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] <= 160);
    for (const auto& [id, noise] : story.noises) {
      if (noise["op"] == WN_NOISE_FRESH) ++fresh;
      if (noise["op"] != WN_NOISE_ROTATE) continue;  // which keeps the norm
      ++turned;
      CHECK(noise["s"] > 1 / std::sqrt(1 + 0.15 * 0.15));
    }
    // The latent that goes on is the best of its step's six.
    for (const auto& [id, m] : story.made) {
      const auto children = story.children(id);
      if (children.empty()) continue;
      for (const auto& [other, n] : story.made)
        if (n.parent == m.parent && n.to == m.to && n.to < 1 && m.parent != 0)
          CHECK(n.score <= m.score);
    }
  }
  CHECK(turned > 100);
  CHECK(fresh > turned / 2);
  const Laboratory local("epsilon_greedy\", epsilon=0.0");
  for (const Story& story : local.stories()) {
    std::set<std::uint64_t> pivots;
    for (const auto& [id, noise] : story.noises)
      if (noise["op"] == WN_NOISE_ROTATE) pivots.insert(noise["p"][0].get<std::uint64_t>());
    CHECK(pivots.size() >= 7);
  }
}

TEST_CASE("demon mixes noises by tanh of their scores, and copies nothing", "[branching]") {
  const Laboratory lab("demon\", noises=6, temperature=0.5");
  std::size_t mixtures = 0;
  for (const Story& story : lab.stories()) {
    for (const auto& [id, m] : story.made) {
      if (!m.noise || story.noises.at(m.noise)["op"] != WN_NOISE_MIX) continue;
      ++mixtures;
      const json& mix = story.noises.at(m.noise);
      std::vector<double> scores;
      for (const json& parent : mix["p"])
        for (const auto& [other, n] : story.made)
          if (n.noise == parent.get<std::uint64_t>()) scores.push_back(n.score);
      REQUIRE(scores.size() == 6);
      double mean = 0, variance = 0;
      for (const double s : scores) mean += s / 6;
      for (const double s : scores) variance += (s - mean) * (s - mean) / 6;
      for (std::size_t k = 0; k < 6; ++k)
        CHECK(mix["w"][k].get<double>() ==
              Approx(std::tanh((scores[k] - mean) / (0.5 * std::sqrt(variance)))).margin(1e-6));
      // No last digit of a machine's tanh is in a journal.
      for (const json& w : mix["w"]) CHECK(std::fmod(w.get<double>() * 0x1p20, 1.0) == 0);
    }
    // Only one child of a latent has children.
    for (const auto& [id, m] : story.made) {
      std::size_t parents = 0;
      for (const std::uint64_t child : story.children(id))
        parents += !story.children(child).empty();
      CHECK(parents <= 1);
    }
  }
  CHECK(mixtures >= 6 * 7);
  // 6 trials and the mixture at each of 7 steps, the first preview, the last step for nothing.
  const Laboratory exact("demon\", noises=6", {"budget.nfe=50"});
  for (const Story& story : exact.stories()) CHECK(story.ledger["search_nfe"] == 1 + 7 * 7);
}

TEST_CASE("demon begins no chain that it cannot finish, with a look-ahead either", "[branching]") {
  for (const int budget : {8, 15, 31, 47, 60}) {
    INFO(budget);
    const Laboratory lab("demon\", look_ahead=2", {fmt::format("budget.nfe={}", budget)});
    for (const Story& story : lab.stories()) {
      std::size_t begun = 0, finished = 0;
      for (const auto& [id, m] : story.made) {
        begun += m.recipe["op"] == WN_CAND_START;
        finished += m.to == 0 && !m.recipe.contains("leg") && m.score > -INFINITY;
      }
      CHECK(begun == finished);
      CHECK(begun >= 1);
    }
  }
}

TEST_CASE("demon goes on with a trial that did not fail where scores tell nothing", "[branching]") {
  ToyRun toy;
  toy.text.replace(toy.text.find("round = 5\n"), 10, "");
  REQUIRE(toy.run("run", {"search={plugin=\"winnow.demon\", noises=2}", "sampler.eta=0.4",
                          "verifier=[{plugin=\"winnow.toy.sometimes_nan\"}]", "budget.nfe=400"})
              .exit == Exit::kDone);
  std::size_t first_failed = 0;
  for (const auto& [task, records] : records_by_task(toy.folder / "run")) {
    std::set<std::uint64_t> good, parents;
    std::vector<std::vector<std::uint64_t>> trials;  // of each step, but for mixtures
    for (const json& record : records) {
      if (record["k"] == "done") good.insert(record["c"].get<std::uint64_t>());
      if (record["k"] != "ask") continue;
      for (const json& c : record["c"]) parents.insert(c["p"].get<std::uint64_t>());
      if (record["c"].size() == 2) trials.push_back({record["c"][0]["id"], record["c"][1]["id"]});
    }
    for (const auto& pair : trials)
      if (!good.contains(pair[0]) && good.contains(pair[1])) {
        ++first_failed;
        CHECK(parents.contains(pair[1]));
      }
  }
  CHECK(first_failed > 5);
}

TEST_CASE("demon mixes no more noises than a recipe holds, whatever the budget", "[branching]") {
  const Laboratory lab(
      "demon\"", {"sampler.steps=2", "budget.nfe=5000", "tasks.classes=[3]", "tasks.repeat=1"});
  std::size_t widest = 0;
  for (const auto& [task, records] : records_by_task(lab.toy.folder / "run"))
    for (const json& record : records)
      if (record["k"] == "ask")
        for (const json& noise : record["n"])
          if (noise["op"] == WN_NOISE_MIX) widest = std::max(widest, noise["p"].size());
  CHECK(widest == 4096);
}

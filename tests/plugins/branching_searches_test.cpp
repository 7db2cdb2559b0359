// branching_searches_test.cpp: what the header of each search that judges and branches on the way
// promises, read from the journals of runs over the toy sampler: 8 steps of 1 NFE, a preview 1 NFE
// that the next step gets back, noise in every step but the last.
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <set>

#include "host/noise.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"
#include "winnow/winnow.h"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

namespace {

using Overrides = std::vector<std::string>;

struct Made {
  json recipe;
  double score = -INFINITY, to = 0;
  std::uint64_t parent = 0, noise = 0;
  std::size_t round = 0;
};

// One task's story: its candidates and noises by id, and the ids of each round.
struct Story {
  std::map<std::uint64_t, Made> made;
  std::map<std::uint64_t, json> noises;
  std::vector<std::vector<std::uint64_t>> rounds;
  json ledger, entry;

  std::vector<std::uint64_t> children(std::uint64_t parent) const {
    std::vector<std::uint64_t> out;
    for (const auto& [id, m] : made)
      if (m.parent == parent && m.recipe["op"] != WN_CAND_RESCORE) out.push_back(id);
    return out;
  }
  std::vector<double> sample_scores() const {
    std::vector<double> out;
    for (const auto& [id, m] : made)
      if (m.to == 0 && m.score > -INFINITY) out.push_back(m.score);
    return out;
  }
  std::map<std::uint64_t, std::vector<std::uint64_t>> families(std::size_t round) const {
    std::map<std::uint64_t, std::vector<std::uint64_t>> out;
    for (const std::uint64_t id : rounds[round]) out[made.at(id).parent].push_back(id);
    return out;
  }
};

struct Laboratory {
  ToyRun toy;
  RunOutcome outcome;

  explicit Laboratory(const std::string& search, Overrides more = {}, double eta = 0.4,
                      const std::string& rule = "") {
    const std::string brightness = "plugin = \"winnow.brightness\"\ntarget = 0.6";
    toy.text.replace(toy.text.find(brightness), brightness.size(),
                     "plugin = \"winnow.toy.target\"\nname = \"target\"");
    toy.text.replace(toy.text.find("round = 5\n"), 10, "");
    toy.text += rule;
    more.push_back("search={plugin=\"winnow." + search + "}");
    if (eta >= 0) more.push_back("sampler.eta=" + std::to_string(eta));
    outcome = toy.run("run", more);
    REQUIRE(outcome.exit == Exit::kDone);
  }

  std::vector<Story> stories() const {
    std::vector<Story> all;
    for (const auto& [task, records] : records_by_task(toy.folder / "run")) {
      Story story;
      bool told = true;
      for (const json& record : records) {
        if (record["k"] == "ask" && !record["c"].empty()) {
          if (std::exchange(told, false)) story.rounds.emplace_back();
          for (const json& noise : record["n"]) story.noises[noise["id"]] = noise;
          for (const json& c : record["c"]) {
            const auto id = c["id"].get<std::uint64_t>();
            story.made[id] = {c, -INFINITY, c["to"], c["p"], c["n"], story.rounds.size() - 1};
            story.rounds.back().push_back(id);
          }
        }
        if (record["k"] == "done" || record["k"] == "fail") told = true;
        if (record["k"] == "done" && !record["s"].empty())
          story.made.at(record["c"].get<std::uint64_t>()).score = record["s"][0][0].get<float>();
      }
      story.ledger = records.back()["ledger"];
      story.entry = records.back()["entry"];
      all.push_back(std::move(story));
    }
    REQUIRE(all.size() == 6);
    return all;
  }
};

std::vector<std::vector<double>> sample_scores(const Laboratory& lab) {
  std::vector<std::vector<double>> out;
  for (const Story& story : lab.stories()) out.push_back(story.sample_scores());
  return out;
}

void refused(const std::string& search, const Overrides& more, double eta, const std::string& says,
             const std::string& rule = "") {
  INFO(search);
  CHECK_THROWS_WITH(Laboratory(search, more, eta, rule), Catch::Contains(says));
}

const char* kRanks = "[selection]\nrule = \"mean-rank\"\n";

}  // namespace

TEST_CASE("pruned keeps the better half twice, and so begins 32 where best of N has 20",
          "[branching]") {
  const Laboratory lab("pruned\"", {}, 0);
  // Stops at 2 and 5 of 8 steps: 3 NFE, 3 more, 2 more; 32 x 3 + 16 x 3 + 8 x 2 = 160.
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 160);
    REQUIRE(story.rounds.size() == 3);
    CHECK(story.rounds[0].size() == 32);
    CHECK(story.rounds[1].size() == 16);
    CHECK(story.rounds[2].size() == 8);
    CHECK(story.made.at(story.rounds[0][0]).to == 0.75);
    CHECK(story.made.at(story.rounds[1][0]).to == 0.375);
    for (const std::size_t round : {0, 1})
      for (const std::uint64_t id : story.rounds[round]) {
        const auto better = std::ranges::count_if(story.rounds[round], [&](std::uint64_t other) {
          return story.made.at(other).score > story.made.at(id).score;
        });
        const auto half = static_cast<long>(story.rounds[round].size() / 2);
        CHECK(story.children(id).size() == (better < half ? 1 : 0));
      }
  }
  // Two places on one step keep what both of them keep: 0.9 x 0.3 of 20 at step 2.
  const Laboratory merged("pruned\", candidates=20, at=[0.25, 0.3, 0.6], keep=[0.9, 0.3, 0.5]", {},
                          0);
  for (const Story& story : merged.stories()) {
    REQUIRE(story.rounds.size() == 3);
    CHECK(story.rounds[0].size() == 20);
    CHECK(story.rounds[1].size() == 5);
    CHECK(story.rounds[2].size() == 3);
  }
  // Nothing that goes on is changed by having stopped: its samples are those of best of 32.
  const Laboratory all("random\", candidates=32", {"budget.nfe=256"}, 0);
  const auto some = sample_scores(lab), whole = sample_scores(all);
  for (std::size_t t = 0; t < 6; ++t)
    for (const double score : some[t]) CHECK(std::ranges::count(whole[t], score) == 1);
}

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

TEST_CASE("fk copies particles in proportion to exp(lambda score), and keeps their number",
          "[branching]") {
  for (const std::string resampling : {"ssp", "systematic"}) {
    INFO(resampling);
    const Laboratory lab("fk\", lambda=200.0, gate=1.0, resampling=\"" + resampling + "\"");
    for (const Story& story : lab.stories()) {
      CHECK(story.ledger["search_nfe"] <= 160);
      REQUIRE(story.rounds.size() >= 4);  // stops at 2, 4, 6 and the end
      double sum = 0;
      for (const std::uint64_t id : story.rounds[0]) sum += std::exp(200 * story.made.at(id).score);
      for (const std::uint64_t id : story.rounds[0]) {
        const double wanted = 20 * std::exp(200 * story.made.at(id).score) / sum;
        const auto copies = static_cast<double>(story.children(id).size());
        CHECK(std::abs(copies - wanted) < 1);
      }
      for (const std::size_t round : {0, 1, 2}) CHECK(story.rounds[round].size() == 20);
      // Copies differ: the first goes on with its parent's noise, the others have their own.
      for (const auto& [parent, family] : story.families(1)) {
        std::set<double> scores;
        for (std::size_t i = 0; i < family.size(); ++i) {
          CHECK((story.made.at(family[i]).noise == 0) == (i == 0));
          scores.insert(story.made.at(family[i]).score);
        }
        CHECK(scores.size() == family.size());
      }
    }
  }
}

TEST_CASE("copies of a deterministic path are one candidate, and nobody pays for the others",
          "[branching]") {
  const Laboratory lab("fk\", lambda=200.0, gate=1.0, particles=20, stochasticity=-1");
  std::size_t fewer = 0;
  for (const Story& story : lab.stories()) {
    CHECK(story.rounds[0].size() == 20);
    for (const auto& [id, m] : story.made) CHECK(story.children(id).size() <= 1);
    fewer += story.rounds[1].size() < 20;
    const auto scores = story.sample_scores();
    CHECK(std::set<double>(scores.begin(), scores.end()).size() == scores.size());
  }
  CHECK(fewer == 6);
}

TEST_CASE("twisted draws its steps along the gradient, and weighs by what that did to the density",
          "[branching]") {
  // A particle: 8 NFE, and 2 for the way back at each of 6 steps: those from 1 to 6; the first is
  // not tempered yet, the last draws no noise. 16 of 20 NFE each, and the rest of the budget.
  const Laboratory lab("twisted\", lambda=400.0, gate=1.0, particles=16", {"budget.nfe=320"});
  const Laboratory plain("twisted\", lambda=400.0, gate=1.0, particles=16, twist=0.0",
                         {"budget.nfe=128"});
  double drawn = 0, undrawn = 0;
  std::size_t twists = 0;
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] <= 320);
    CHECK(story.ledger["search_nfe"] > 250);  // copies of one particle share the way back
    for (const auto& [id, noise] : story.noises) {
      if (noise["op"] != WN_NOISE_TWIST) continue;
      ++twists;
      const Made& source = story.made.at(noise["c"].get<std::uint64_t>());
      CHECK(source.to < 1);
      CHECK(source.to > 0.125);
      const double tempering = std::min(1.0, std::exp2((1 - source.to) / 0.9) - 1);
      CHECK(noise["s"] == Approx(std::sqrt(0.125 / source.to) * 400 * tempering));
    }
    for (const std::size_t round : {0, 1, 2, 3}) CHECK(story.rounds[round].size() == 16);
    drawn += std::ranges::max(story.sample_scores());
  }
  for (const Story& story : plain.stories()) {
    for (const auto& [id, noise] : story.noises) CHECK(noise["op"] != WN_NOISE_TWIST);
    CHECK(story.ledger["search_nfe"] == 128);
    undrawn += std::ranges::max(story.sample_scores());
  }
  CHECK(twists >= 6 * 16 * 6);  // the rest of a budget has a population of its own
  CHECK(drawn > undrawn);
}

TEST_CASE("twisted samples the tilted law: its weighted particles have the closed form's moments",
          "[branching]") {
  // The toy's path is linear in its noises, so a pixel's prior is normal, and exp(lambda score) of
  // n pixels, score = -mean (p - 0.6)^2, tilts it to a normal of precision 1/v + 2 lambda / n.
  constexpr double kLambda = 60, kPixels = 4, kEta = 0.4, kValue = 0.6, kOther = 0.3;
  ToyRun toy;
  const std::string brightness = "plugin = \"winnow.brightness\"\ntarget = 0.6";
  toy.text.replace(toy.text.find(brightness), brightness.size(),
                   "plugin = \"winnow.toy.target\"\nvalue = 0.6\n[[verifier]]\nplugin = "
                   "\"winnow.toy.target\"\nname = \"other\"\nvalue = 0.3\nweight = 1e-12");
  toy.text.replace(toy.text.find("round = 5\n"), 10, "");
  toy.text += "[selection]\nrule = \"weighted-sum\"\n";
  for (const double twist : {1.0, 0.4}) {
    CAPTURE(twist);
    const std::string out = fmt::format("twist{}", twist);
    REQUIRE(toy.run(out, {fmt::format("search={{plugin=\"winnow.twisted\", lambda={}, gate=1.0, "
                                      "particles=100, twist={}}}",
                                      kLambda, twist),
                          fmt::format("sampler.eta={}", kEta), "sampler.size=2", "budget.nfe=2000",
                          "tasks.classes=[3]", "tasks.repeat=40"})
                .exit == Exit::kDone);
    double drift = 1, spread = 0;
    for (int k = 0; k < 8; ++k) {
      const double t = 1 - k / 8.0, factor = 1 - t / (1 + t * t) / 8;
      drift *= factor;
      spread = spread * factor * factor + (k < 7 ? kEta * kEta / 8 : 0);
    }
    const double middle = (3 - 4.5) / 9;
    const double prior_mean = 0.5 + middle * (1 - drift) / 6;
    const double prior_variance = (drift * drift + spread) / 36;
    const double precision = 1 / prior_variance + 2 * kLambda / kPixels;
    const double mean = (prior_mean / prior_variance + 2 * kLambda / kPixels * kValue) / precision;

    std::vector<double> means, variances;  // of each task
    for (const auto& [task, records] : records_by_task(toy.folder / out)) {
      std::map<std::uint64_t, std::pair<double, double>> scores;
      std::map<std::uint64_t, json> made, noises;
      std::map<std::uint64_t, double> drawn;  // |z'|^2 of twists
      std::vector<std::uint64_t> last;
      for (const json& record : records) {
        if (record["k"] == "ask") {
          for (const json& noise : record["n"]) noises[noise["id"]] = noise;
          for (const json& c : record["c"]) {
            made[c["id"]] = c;
            if (c["to"] == 0.125 && last.size() < 100) last.push_back(c["id"]);
          }
        }
        if (record["k"] == "grad")
          for (std::size_t e = 0; e < 4; ++e) {
            const auto bits = static_cast<std::uint32_t>(
                std::stoul(record["x"].get<std::string>().substr(8 * e, 8), nullptr, 16));
            drawn[record["n"]] += std::pow(std::bit_cast<float>(bits), 2);
          }
        if (record["k"] == "done" && !record["s"].empty())
          scores[record["c"]] = {record["s"][0][0], record["s"][1][0]};
      }
      REQUIRE(last.size() == 100);
      // Resampled before the step to 1/8, the last with noise; its preview is the sample.
      const double tempered = std::min(1.0, std::exp2(6 / 8.0 / 0.9) - 1);
      double sum = 0, near = 0, far = 0;
      for (const std::uint64_t id : last) {
        const json& twisted = noises.at(made.at(id)["n"].get<std::uint64_t>());
        REQUIRE(twisted["op"] == WN_NOISE_TWIST);
        const json& at = noises.at(twisted["p"][0].get<std::uint64_t>())["at"];
        std::vector<float> z(4);
        fill_normal({at[0], at[1], at[2]}, 7, 0, z);
        double log_ratio = -drawn.at(twisted["id"]) / 2;
        for (const double value : z) log_ratio += value * value / 2;
        const double before = scores.at(made.at(id)["p"].get<std::uint64_t>()).first;
        const auto& [r, other] = scores.at(id);
        const double w = std::exp(log_ratio + kLambda * (r - tempered * before));
        sum += w, near -= w * r, far -= w * other;
      }
      near /= sum, far /= sum;
      // E (p - a)^2 - E (p - b)^2 = (b - a) (2 E p - a - b)
      const double found = ((near - far) / (kOther - kValue) + kValue + kOther) / 2;
      means.push_back(found);
      variances.push_back(near - (found - kValue) * (found - kValue));
    }
    REQUIRE(means.size() == 40);
    const auto check = [&](const std::vector<double>& values, double wanted, double prior) {
      double average = 0, squares = 0;
      for (const double v : values) average += v / 40;
      for (const double v : values) squares += (v - average) * (v - average);
      const double error = std::sqrt(squares / 39 / 40);
      CAPTURE(average, wanted, prior, error);
      CHECK(std::abs(average - wanted) < 4 * error);
      CHECK(std::abs(prior - wanted) > 8 * error);  // sharp enough to see the tilt
    };
    check(means, mean, prior_mean);
    check(variances, 1 / precision, prior_variance);
  }
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

TEST_CASE("bfs keeps the number of particles, or prunes below an even share", "[branching]") {
  const Laboratory lab("bfs\", temperature=0.002");
  for (const Story& story : lab.stories()) {
    REQUIRE(story.rounds.size() == 4);  // 2, 4, 6 and the end
    for (const std::size_t round : {0, 1, 2}) {
      CHECK(story.rounds[round].size() == 20);
      double sum = 0;
      for (const std::uint64_t id : story.rounds[round])
        sum += std::exp(500 * story.made.at(id).score);
      for (const std::uint64_t id : story.rounds[round]) {
        const double wanted = 20 * std::exp(500 * story.made.at(id).score) / sum;
        CHECK(std::abs(static_cast<double>(story.children(id).size()) - wanted) < 1);
      }
    }
  }
  const Laboratory pruned("bfs\", temperature=0.01, rule=\"prune\", particles=20", {}, 0);
  for (const Story& story : pruned.stories()) {
    double sum = 0;
    for (const std::uint64_t id : story.rounds[0]) sum += std::exp(100 * story.made.at(id).score);
    for (const std::uint64_t id : story.rounds[0]) {
      const double share = 20 * std::exp(100 * story.made.at(id).score) / sum;
      CHECK(story.children(id).size() == (std::round(share) > 0 ? 1 : 0));
    }
  }
}

TEST_CASE("dfs goes back where a preview is too bad, and ends early on easy tasks", "[branching]") {
  const Laboratory lab("dfs\", at=[0.5], back=0.25, tries=3");
  std::size_t back = 0, worse = 0;
  for (const Story& story : lab.stories()) {
    for (const auto& [id, m] : story.made) {
      if (m.recipe["op"] != WN_CAND_RENOISE) continue;
      ++back;
      CHECK(m.parent == id - 1);  // from where the path stands, which need not be the best there
      const Made& before = story.made.at(m.parent);
      worse += before.recipe["op"] == WN_CAND_RENOISE &&
               before.score < story.made.at(before.parent).score;
      CHECK(m.recipe["from"] == 0.75);
      CHECK(m.to == 0.5);
    }
    for (const double score : story.sample_scores()) CHECK(score > -INFINITY);
    // Whatever was begun was finished: no path stops half-way for want of budget.
    std::size_t starts = 0;
    for (const auto& [id, m] : story.made) starts += m.recipe["op"] == WN_CAND_START;
    CHECK(story.sample_scores().size() == starts);
  }
  CHECK(back > 20);
  CHECK(worse > 0);
  const Laboratory easy("dfs\", rule=\"threshold\", threshold=-1e9");
  for (const Story& story : easy.stories()) CHECK(story.ledger["search_nfe"] == 8);
  const Laboratory hard("dfs\", rule=\"threshold\", threshold=1e9, tries=2");
  for (const Story& story : hard.stories()) {
    CHECK(story.ledger["search_nfe"] > 150);
    CHECK(story.sample_scores().size() > 4);  // never reached, and yet there are samples
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

TEST_CASE("evolution of a sampler of one step mutates noises alone", "[branching]") {
  const Laboratory lab("evolution\"", {"sampler.steps=1", "budget.nfe=20"}, 0);
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 20);
    for (const auto& [id, made] : story.made) CHECK(made.to == 0);
  }
}

TEST_CASE("evolution mutates noises first and latents later, and never runs an elite again",
          "[branching]") {
  // 2 x 4 x 8 + 2 x 8 (place 0) + 2 x 4 (place 4) with elites 2: 88.
  const Laboratory lab("evolution\", population=4, elites=2, at=[0.0, 0.5], tournament=2",
                       {"budget.nfe=88"}, 0);
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 88);
    std::size_t rotated = 0, jittered = 0;
    for (const auto& [id, noise] : story.noises)
      if (noise["op"] == WN_NOISE_ROTATE) {
        ++rotated;
        CHECK(noise["s"] == Approx(std::sqrt(1 - 0.3 * 0.3)));
      }
    for (const auto& [id, m] : story.made)
      if (m.recipe["op"] == WN_CAND_JITTER) {
        ++jittered;
        CHECK(story.made.at(m.parent).to == 0.5);
        CHECK(m.recipe["s"] == Approx(std::sqrt(0.125 / 0.5)));
      }
    CHECK(rotated == 2);
    CHECK(jittered == 2);
    CHECK(story.sample_scores().size() == 8 + 2 + 2);
    CHECK(story.entry["scores"]["target"].get<float>() ==
          static_cast<float>(std::ranges::max(story.sample_scores())));
  }
}

TEST_CASE("trust_region moves around its centres, farther after success, nearer after failure",
          "[branching]") {
  const Laboratory lab("trust_region\", regions=2, batch=4, share=1.0, patience=1",
                       {"budget.nfe=400"}, 0);
  std::size_t grown = 0, shrunk = 0;
  for (const Story& story : lab.stories()) {
    CHECK(story.ledger["search_nfe"] == 400);
    std::set<double> cosines;
    std::set<std::uint64_t> run;
    for (const auto& [id, m] : story.made) {
      if (m.recipe["op"] == WN_CAND_RESCORE) continue;
      CHECK(run.insert(m.noise).second);  // no noise is run twice
      if (story.noises.at(m.noise)["op"] == WN_NOISE_ROTATE)
        cosines.insert(story.noises.at(m.noise)["s"].get<double>());
    }
    const auto of_length = [](double l) {
      const double tangent = l / std::sqrt(12.0);
      return 1 / std::sqrt(1 + tangent * tangent);
    };
    CHECK(cosines.contains(of_length(0.8)));
    // Upwards it goes 0.8, 1.2, 1.8, 2.4; any other length was shrunk to.
    const auto has = [&](double length) {
      return std::ranges::any_of(cosines,
                                 [&](double c) { return std::abs(c - of_length(length)) < 1e-9; });
    };
    grown += has(1.2);
    shrunk += has(0.8 / 1.5) || has(1.6);
    CHECK(*cosines.begin() >= of_length(2.4) - 1e-12);
    CHECK(*cosines.rbegin() <= of_length(0.05) + 1e-12);
  }
  CHECK(grown > 2);
  CHECK(shrunk > 2);
}

TEST_CASE("trust_region's centres are the best noises so far, whoever found them", "[branching]") {
  const Laboratory lab("trust_region\", regions=3, batch=6, share=0.5", {"budget.nfe=400"}, 0);
  std::size_t moved = 0, foreign = 0;
  for (const Story& story : lab.stories()) {
    std::map<std::uint64_t, std::uint64_t> centre_of;    // of the noises that were run
    std::vector<std::pair<double, std::uint64_t>> best;  // of the rounds before
    for (std::size_t round = 0; round < story.rounds.size(); ++round) {
      std::set<std::uint64_t> top;
      for (std::size_t r = 0; r < std::min<std::size_t>(3, best.size()); ++r)
        top.insert(best[r].second);
      for (const std::uint64_t id : story.rounds[round]) {
        const Made& m = story.made.at(id);
        const json& noise = story.noises.at(m.noise);
        if (noise["op"] != WN_NOISE_FRESH) {
          // A mixture of one has the norm of its first parent, the centre.
          CHECK(noise["op"] == WN_NOISE_MIX);
          CHECK(noise["w"] == json::array({0.0, 1.0}));
          const auto centre = noise["p"][0].get<std::uint64_t>();
          const json& spliced = story.noises.at(noise["p"][1].get<std::uint64_t>());
          CHECK(spliced["op"] == WN_NOISE_SPLICE);
          CHECK(spliced["s"] == 0.5);
          CHECK(spliced["p"][0] == centre);
          CHECK(story.noises.at(spliced["p"][1].get<std::uint64_t>())["op"] == WN_NOISE_ROTATE);
          CHECK(top.contains(centre));
          centre_of[m.noise] = centre;
          ++moved;
        }
        best.emplace_back(m.score, m.noise);
      }
      std::ranges::stable_sort(best, std::greater<>(), &std::pair<double, std::uint64_t>::first);
      // Two of the best three around one centre: regions of their own would have kept one.
      std::set<std::uint64_t> families;
      std::size_t found = 0;
      for (std::size_t r = 0; r < 3; ++r)
        if (centre_of.contains(best[r].second))
          families.insert(centre_of.at(best[r].second)), ++found;
      foreign += families.size() < found;
    }
  }
  CHECK(moved > 100);
  CHECK(foreign > 0);
}

TEST_CASE("tree widens with visits, and its samples pay for their steps alone", "[branching]") {
  for (const std::string rule : {"search", "sample"}) {
    INFO(rule);
    const Laboratory lab("tree\", levels=4, lambda=50.0, rule=\"" + rule + "\"",
                         {"budget.nfe=400"});
    std::size_t shared = 0;
    for (const Story& story : lab.stories()) {
      double nfe = 0;
      std::map<std::uint64_t, std::size_t> children;
      double visits = 0;
      for (const auto& [id, m] : story.made) {
        const double from = m.parent ? story.made.at(m.parent).to : 1;
        nfe += (from - m.to) * 8;
        shared += ++children[m.parent] > 1 && m.parent != 0;
        visits += m.to == 0;
        CHECK((m.recipe["score"] == 1) == (m.to == 0));
      }
      CHECK(story.ledger["search_nfe"] == nfe);
      CHECK(static_cast<double>(children[0]) < visits / 2);  // the root's: visits^0.6, about
      CHECK(story.ledger["previews"] == 0);
      CHECK(story.sample_scores().size() > 50);  // best of N has 50
    }
    CHECK(shared > 100);
  }
}

TEST_CASE("tree goes down by values and visits, and backs up soft means", "[branching]") {
  // Its header over again: lambda 50, exploration 1, room for max(1, floor(visits^0.6)) children.
  const double lambda = 50;
  const Laboratory lab("tree\", levels=4, lambda=50.0, exploration=1.0, widening=1.0, power=0.6",
                       {"budget.nfe=400"});
  struct Node {
    std::vector<std::uint64_t> children;
    double value = 0, visits = 0;
  };
  std::size_t expansions = 0, depths = 0;
  for (const Story& story : lab.stories()) {
    std::map<std::uint64_t, Node> nodes{{0, {}}};
    std::vector<double> scores;
    const auto promising = [&](const Node& node) {
      double mean = 0, variance = 0;
      for (const double s : scores) mean += s / static_cast<double>(scores.size());
      for (const double s : scores) variance += (s - mean) * (s - mean);
      const double deviation = std::sqrt(variance / static_cast<double>(scores.size()));
      return *std::ranges::max_element(node.children, {}, [&](std::uint64_t c) {
        const Node& child = nodes.at(c);
        return child.value + deviation * std::sqrt(std::log(node.visits) / child.visits);
      });
    };
    const auto down = [&] {
      for (;;) {
        std::vector<std::uint64_t> path{0};
        while (path.size() <= 4) {
          const Node& node = nodes.at(path.back());
          const double room = std::max(1.0, std::floor(std::pow(node.visits, 0.6)));
          if (static_cast<double>(node.children.size()) < room) return path;
          path.push_back(promising(node));
        }
        for (const std::uint64_t id : path) nodes.at(id).visits += 1;
      }
    };
    for (const auto& round : story.rounds) {
      if (story.made.at(round.back()).to > 0) continue;  // the budget ended here
      std::vector<std::uint64_t> path = down();
      REQUIRE(story.made.at(round.front()).parent == path.back());
      ++expansions;
      depths += path.size() - 1;
      for (const std::uint64_t id : round) {
        nodes.at(path.back()).children.push_back(id);
        nodes[id];
        path.push_back(id);
      }
      scores.push_back(story.made.at(round.back()).score);
      nodes.at(path.back()).value = scores.back();
      for (auto id = path.rbegin(); id != path.rend(); ++id) {
        Node& node = nodes.at(*id);
        node.visits += 1;
        if (node.children.empty()) continue;
        double sum = 0;
        for (const std::uint64_t c : node.children) sum += std::exp(lambda * nodes.at(c).value);
        node.value = std::log(sum / static_cast<double>(node.children.size())) / lambda;
      }
    }
  }
  CHECK(expansions > 6 * 50);
  CHECK(depths > expansions / 2);
}

TEST_CASE("tree of rule sample draws its way down with weights exp(lambda value)", "[branching]") {
  // One branching below the root, room for 20 children everywhere: a way that is full is drawn
  // anew.
  const double lambda = 60;
  const Laboratory lab("tree\", rule=\"sample\", levels=2, lambda=60.0, widening=20.0, power=0.0",
                       {"budget.nfe=1000"});
  double taken = 0, expected = 0, variance = 0, even = 0;
  for (const Story& story : lab.stories()) {
    std::map<std::uint64_t, std::vector<double>> scores;  // of each child of the root, its samples'
    for (const auto& round : story.rounds) {
      if (story.made.at(round.back()).to > 0) continue;  // the budget ended here
      const std::uint64_t parent = story.made.at(round.front()).parent;
      if (scores.size() == 20) {
        double total = 0, best = 0, open = 0;
        std::uint64_t likeliest = 0;
        for (const auto& [id, found] : scores) {
          if (found.size() == 20) continue;
          double weight = 0;  // exp(lambda value), value = log mean exp(lambda score) / lambda
          for (const double score : found)
            weight += std::exp(lambda * score) / static_cast<double>(found.size());
          total += weight;
          ++open;
          if (weight > best) best = weight, likeliest = id;
        }
        taken += parent == likeliest;
        expected += best / total;
        even += 1 / open;
        variance += best / total * (1 - best / total);
      } else {
        REQUIRE(parent == 0);
      }
      scores[parent ? parent : round.front()].push_back(story.made.at(round.back()).score);
    }
  }
  INFO(taken << " of " << expected << " +- " << std::sqrt(variance));
  CHECK(expected - even > 5 * std::sqrt(variance));  // even draws would be told apart
  CHECK(std::abs(taken - expected) < 3.5 * std::sqrt(variance));
}

TEST_CASE("noise_optimization follows the gradient with momentum, and keeps its best",
          "[branching]") {
  const Laboratory lab("noise_optimization\", step=0.1, momentum=0.5", {"budget.nfe=320"}, 0);
  const Laboratory random("random\"", {"budget.nfe=320"}, 0);
  double climbed = 0, drawn = 0;
  for (const Story& story : lab.stories()) {
    std::size_t moves = 0;
    for (const auto& [id, noise] : story.noises) {
      if (noise["op"] != WN_NOISE_MIX) continue;
      ++moves;
      CHECK(noise["w"] == json::array({1.5, -0.5}));
      CHECK(story.noises.at(noise["p"][0])["op"] == WN_NOISE_GRADIENT);
    }
    CHECK(moves == 13);  // 8 + 13 x (8 + 16) = 320
    CHECK(story.ledger["search_nfe"] == 320);
    climbed += std::ranges::max(story.sample_scores());
  }
  for (const Story& story : random.stories()) drawn += std::ranges::max(story.sample_scores());
  CHECK(climbed > drawn);
}

TEST_CASE("settings that make no sense are refused before anything is spent", "[branching]") {
  for (const char* search : {"rbf\"", "fk\"", "twisted\"", "svdd\"", "code\"", "beam\"", "bfs\"",
                             "dsearch\"", "epsilon_greedy\"", "demon\"", "tree\""})
    refused(search, {}, 0, "the sampler draws no noise on the way");
  for (const char* search : {"rbf\"", "fk\"", "twisted\"", "bfs\"", "dfs\"", "tree\""})
    refused(search, {}, 0.4, "needs scores on a fixed scale", kRanks);
  refused("fk\", stochasticity=1", {}, 0, "has no noise on the way that could be multiplied");
  refused("svdd\", stochasticity=1", {"sampler={plugin=\"winnow.shapes\"}", "tasks.classes=[3]"},
          -1, "winnow.shapes has no noise on the way");
  refused("svdd\", temperature=0.1", {}, 0.4, "needs scores on a fixed scale", kRanks);
  refused("noise_optimization\"", {}, 0.4, "draws noise on the way");
  refused("pruned\", at=[0.3], keep=[0.0]", {}, 0, "which keeps nothing");
  refused("pruned\", candidates=2, at=[0.3, 0.6], keep=[0.5, 0.4]", {}, 0, "keeps nothing");
  refused("pruned\", at=[0.6, 0.3]", {}, 0, "expected rising shares");
  refused("pruned\", at=[0.5]", {}, 0, "expected as many of both");
  refused("fk\", from=0.9, to=0.5", {}, 0.4, "no step lies between");
  refused("fk\", stochasticity=-0.5", {}, 0.4, "expected 0 or more, or -1");
  refused("twisted\", stochasticity=-1", {}, 0.4, "expected a value in");
  refused("twisted\"", {"verifier=[{plugin=\"winnow.toy.first_pixel\"}]"}, 0.4, "has no grad");
  refused("trust_region\", length=3.0", {}, 0, "expected it between shortest");
  for (const std::string search : {"pruned", "fk", "svdd", "beam", "evolution", "demon", "paths"}) {
    INFO(search);
    ToyRun toy;
    toy.text.replace(toy.text.find("nfe = 160"), 9, "candidates = 20");
    toy.text.replace(toy.text.find("round = 5\n"), 10, "");
    CHECK_THROWS_WITH(
        toy.run("run", {"sampler.eta=0.4", "search={plugin=\"winnow." + search + "\"}"}),
        Catch::Contains("give budget.nfe"));
  }
  // Equal scores, as in the dry run, send it down every branch alike, so that this takes no hours.
  ToyRun open;
  open.text.replace(open.text.find("nfe = 160"), 9, "");
  open.text.replace(open.text.find("round = 5\n"), 10, "");
  CHECK_THROWS_WITH(open.run("run", {"sampler.eta=0.4", "search={plugin=\"winnow.tree\"}"}),
                    Catch::Contains("winnow.tree does not end by itself: give budget.nfe"));
  // With a population that is given, other caps do.
  ToyRun toy;
  toy.text.replace(toy.text.find("nfe = 160"), 9, "candidates = 20");
  toy.text.replace(toy.text.find("round = 5\n"), 10, "");
  CHECK(toy.run("run", {"search={plugin=\"winnow.evolution\", population=4}"}).exit == Exit::kDone);
}

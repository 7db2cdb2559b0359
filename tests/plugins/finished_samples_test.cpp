// finished_samples_test.cpp: what the header of each search that judges finished samples, gives
// paths up or goes back promises; see search_stories.hpp.
#include <set>

#include "tests/support/search_stories.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

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

// particle_searches_test.cpp: what the header of each search that resamples particles on the way
// promises; see search_stories.hpp.
#include <fmt/format.h>

#include <bit>
#include <set>

#include "host/noise.hpp"
#include "tests/support/search_stories.hpp"

using namespace winnow;
using namespace winnow::test;
using nlohmann::json;

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

// search_stories.hpp: what a search did, read from the journals of runs over the toy sampler: 8
// steps of 1 NFE, a preview 1 NFE that the next step gets back, noise in every step but the last.
#pragma once

#include <cmath>

#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"
#include "winnow/winnow.h"

namespace winnow::test {

struct Made {
  nlohmann::json recipe;
  double score = -INFINITY, to = 0;
  std::uint64_t parent = 0, noise = 0;
  std::size_t round = 0;
};

// One task's story: its candidates and noises by id, and the ids of each round.
struct Story {
  std::map<std::uint64_t, Made> made;
  std::map<std::uint64_t, nlohmann::json> noises;
  std::vector<std::vector<std::uint64_t>> rounds;
  nlohmann::json ledger, entry;

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
      for (const nlohmann::json& record : records) {
        if (record["k"] == "ask" && !record["c"].empty()) {
          if (std::exchange(told, false)) story.rounds.emplace_back();
          for (const nlohmann::json& noise : record["n"]) story.noises[noise["id"]] = noise;
          for (const nlohmann::json& c : record["c"]) {
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

inline std::vector<std::vector<double>> sample_scores(const Laboratory& lab) {
  std::vector<std::vector<double>> out;
  for (const Story& story : lab.stories()) out.push_back(story.sample_scores());
  return out;
}

}  // namespace winnow::test

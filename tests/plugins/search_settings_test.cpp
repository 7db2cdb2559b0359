// search_settings_test.cpp: settings of searches that make no sense.
#include "tests/support/search_stories.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

void refused(const std::string& search, const Overrides& more, double eta, const std::string& says,
             const std::string& rule = "") {
  INFO(search);
  CHECK_THROWS_WITH(Laboratory(search, more, eta, rule), Catch::Contains(says));
}

const char* kRanks = "[selection]\nrule = \"mean-rank\"\n";

}  // namespace

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

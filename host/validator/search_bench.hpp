// search_bench.hpp: a search with a task as in a run, over a closed-form sampler and two verifiers.
//
// Latents are noise(0); steps change nothing, but that a child with a noise of its own moves by a
// tenth of it; head 0 is minus the squared distance to a fixed point. A path has 10 steps of 1 NFE
// each, a preview costs 1, the way back 20. The sampler draws noise on the way when the search
// claims to need that.
#pragma once

#include <functional>
#include <optional>

#include "host/task.hpp"
#include "host/validator/bench.hpp"

namespace winnow::validator {

struct SearchRules {
  std::uint64_t max_n = 16, budget = 120, seed = 7;
  bool ranked = false, gradients = true;
  std::function<bool(std::uint64_t ordinal)> fails = {};  // the k-th candidate, from 0
  std::size_t most_rounds = 100'000;
};

// What became of it.
struct SearchRun {
  std::string log;    // all that was asked, as the journal would have it
  std::string error;  // why it could not go on: its own words, or a host's about its proposals
  double spent = 0;
  std::uint64_t pushed = 0, failed = 0, foreign_seeds = 0;
  std::uint64_t best = 0;  // as named; 0: none
  bool best_failed = false, best_finished = false;
  double best_score = 0, best_told = 0;  // of the one named; of all that were told at time 0
};

class SearchBench {
 public:
  SearchBench(Instance& instance, SearchRules rules);
  SearchBench(const SearchBench&) = delete;
  // Until it is done, cannot go on, or most_rounds.
  SearchRun run();

 private:
  void begin();
  void look_at(const Asked& asked);
  void work_on(std::uint64_t id);
  std::vector<float> noise_of(const Candidate& candidate);
  void make_twist(std::uint64_t noise);
  void name_best();

  Instance& instance_;
  SearchRules rules_;
  PluginUse use_;
  Sampler sampler_;
  LegTable legs_;
  Selection selection_;
  Frame frame_;
  Search* search_ = nullptr;  // the task's
  std::optional<Task> task_;
  std::map<std::uint64_t, std::vector<float>> latents_;
  SearchRun run_;
};

SearchRun run_search(Bench& bench, SearchRules rules = {});
std::string use_search(Instance& instance);

}  // namespace winnow::validator

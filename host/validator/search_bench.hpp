// search_bench.hpp: a strict host of one task for searches, with a closed-form sampler and two
// verifiers.
//
// Latents are noise(0) of the real noise graph; steps change nothing; head 0 is minus the squared
// distance to a fixed point. A path has 10 steps of 1 NFE each, a preview costs 1.
#pragma once

#include <functional>
#include <map>
#include <set>

#include "host/noise_graph.hpp"
#include "host/validator/bench.hpp"

namespace winnow::validator {

struct SearchRules {
  std::uint64_t max_n = 16;
  double budget = 120;
  bool ranked = false, gradients = true;
  std::uint64_t seed = 7;
  std::function<bool(std::uint64_t ordinal)> fails = {};  // the k-th candidate, from 0
  std::size_t most_rounds = 100'000;
};

// What became of it.
struct SearchRun {
  std::string log;  // all that was pushed and told, a line each
  bool done = false;
  std::string gave_up;  // the search's own text when begin or ask failed
  double spent = 0;
  std::size_t pushed = 0, failed = 0, rounds = 0, foreign_seeds = 0;
  std::uint64_t best = 0;  // as named; 0: none
  bool best_failed = false, best_finished = false;
  double best_score = 0, best_told = 0;  // of the one named; of all that were told at time 0
};

class SearchBench {
 public:
  SearchBench(Instance& instance, SearchRules rules);
  SearchBench(const SearchBench&) = delete;
  // Until DONE, an error of the search, or most_rounds. What a host would not take ends the test.
  SearchRun run();

 private:
  static constexpr std::uint64_t kElements = 16;
  static constexpr int kSteps = 10;

  struct Candidate {
    std::vector<float> latent;
    std::uint64_t noise = 0, original = 0;
    double time = 1, nfe = 0;
    bool failed = false, by_parent = false, scored = false, told = false, start = false;
    double heads[2] = {0, 0};
  };

  wn_status noise(const wn_noise_recipe& recipe);
  wn_status candidate(const wn_candidate& recipe);
  double cost(std::span<const wn_candidate* const> recipes);
  void forget(std::span<const std::uint64_t> ids);
  const Candidate& known(std::uint64_t id, std::uint64_t wanted_by) const;
  void check_recipe(const wn_candidate& r) const;
  double price(const wn_candidate& r, double from) const;
  void make(Candidate& made, const wn_candidate& r);
  void make_gradient(const wn_noise_recipe& recipe, const Candidate& source);
  double told_score(std::uint64_t id) const;
  void tell(const wn_search_1& table);
  void name_best(const wn_search_1& table);
  void log(const std::string& line) { run_.log += line + '\n'; }
  template <class Body>
  static wn_status fenced(void* ctx, Body body);

  Instance& instance_;
  SearchRules rules_;
  NoiseGraph noises_{kElements};
  std::map<std::uint64_t, Candidate> candidates_;
  std::vector<std::uint64_t> round_;
  std::uint64_t last_id_ = 0, in_ask_ = 0;
  std::string mistake_;  // of the search, during ask
  std::vector<double> times_, costs_, scales_;
  wn_condition condition_{};
  wn_problem problem_{};
  wn_proposals proposals_{};
  SearchRun run_;
};

SearchRun run_search(Bench& bench, SearchRules rules = {});
std::string use_search(Instance& instance);

}  // namespace winnow::validator

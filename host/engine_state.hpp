// engine_state.hpp: what the engine keeps for each live task; shared by engine.cpp and
// engine_results.cpp only.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "host/engine.hpp"

namespace winnow {

struct Engine::Live {
  std::unique_ptr<Task> task;
  Ledger ledger;
  std::deque<std::string> expected_asks;                // from the journal
  std::unordered_map<std::uint64_t, DoneRecord> known;  // results from the journal
  History::Gradients known_gradients;
  std::unique_ptr<RecipeKeys> keys;  // only where there are pools
  static constexpr std::size_t kFewKeys = 4096;
  std::size_t most_keys = kFewKeys;                      // then forgotten ones go
  std::unordered_map<std::uint64_t, Unscored> unscored;  // by candidate
  std::string first_file, first_hash;
  bool finishing = false;  // its final sample is being made
  LatentPtr winner_latent;
  std::uint64_t winner = 0;  // whose latent is pinned
  FinalPlan plan;
};

struct Engine::Job {
  Live* live;
  std::uint64_t id;
  Purpose purpose;
  LatentPtr base;  // of the parent, or of the candidate itself for kFinal and kGradient
};

// Until the gradient through one candidate's path is there.
struct Engine::GradientWait {
  std::vector<std::uint64_t> noises;  // to be made of it
  std::vector<std::unique_ptr<Job>> jobs;
};

struct Engine::Parked {
  std::unique_ptr<Walk> walk;
  std::vector<float> sample;  // empty: the walk failed

  std::uint64_t bytes() const {
    std::uint64_t floats = sample.size();
    for (const auto& preview : walk->previews) floats += preview.size();
    return floats * sizeof(float) + walk->latent.bytes();
  }
};

}  // namespace winnow

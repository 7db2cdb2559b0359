// recipe_key.hpp: candidates told apart by what they are, not by the ids that a search gave them:
// equal keys, equal latents. By these a run finds its candidates in the records of another run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/task.hpp"

namespace winnow {

// The first 128 bits of a SHA-256. All zero: not known.
struct RecipeKey {
  std::uint64_t high = 0, low = 0;
  explicit operator bool() const { return high != 0 || low != 0; }
  bool operator==(const RecipeKey&) const = default;
};
struct RecipeKeyHash {
  std::size_t operator()(const RecipeKey& key) const { return key.low; }
};

// What the keys of a run's recipes depend on beside the recipes.
struct KeyScope {
  std::array<std::vector<double>, 2> times;  // the sampler's schedules, by profile
  std::string objective;  // names the score that GRADIENT follows: selecting verifiers and rule
};

// What one task asks for, as part of its keys. `image_hash`: SHA-256 of the file; empty: none.
std::string condition_text(std::int64_t class_id, const std::string& prompt,
                           const std::string& image_hash);

// The keys of one task's recipes, by id. A key covers the condition and, down to the roots, noises
// (operation, address, s, weights, values), operations, times, stochasticity, steps and profile;
// not ids, pools, or whether a candidate is scored. A CONTINUE along the schedule with its parent's
// noise has the key of the START that did not stop on the way: by the ABI it is the same latent.
// Not thread-safe.
class RecipeKeys {
 public:
  // `scope` outlives this.
  RecipeKeys(const KeyScope& scope, std::string condition)
      : scope_(scope), condition_(std::move(condition)) {}

  // Recipes as pushed, after what they name. What they name and is not known makes their key
  // unknown. A RESCORE has the key of what it stands for.
  void add(const Noise& noise);
  void add(const Candidate& candidate);

  RecipeKey of(std::uint64_t candidate) const;  // unknown for ids that are not there
  RecipeKey of(const Candidate& recipe) const { return made(recipe).key; }  // not added
  RecipeKey of_noise(std::uint64_t id) const;
  // Where the candidate's own leg begins; NaN for ids that are not there.
  double start_of(std::uint64_t candidate) const;

  std::size_t size() const { return noises_.size() + candidates_.size(); }
  // Forgets all keys but those of the noises and candidates that are still there.
  void keep(const std::function<bool(std::uint64_t)>& noise_is_there,
            const std::function<bool(std::uint64_t)>& candidate_is_there);

 private:
  struct Known {
    RecipeKey key, noise;
    double start = 1, stop = 1, stochasticity = 0;
    std::uint32_t profile = 0;
    bool plain = false;  // from pure noise to one of the schedule's times, along the schedule
  };
  Known made(const Candidate& candidate) const;

  const KeyScope& scope_;
  std::string condition_;
  std::unordered_map<std::uint64_t, RecipeKey> noises_;
  std::unordered_map<std::uint64_t, Known> candidates_;
};

// Recipes of final samples that are not a candidate's own: the rest of the way from an unfinished
// one, and the final schedule from its initial noise.
Candidate completed_recipe(std::uint64_t candidate, std::uint32_t profile);
Candidate regenerated_recipe(std::uint64_t noise, double stochasticity);

}  // namespace winnow

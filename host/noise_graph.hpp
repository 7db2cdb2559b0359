// noise_graph.hpp: the noises of one task: recipes over addresses and over each other, evaluated at
// any position.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "host/noise.hpp"
#include "winnow/winnow.h"

namespace winnow {

// A host copy of wn_noise_recipe.
struct Noise {
  std::uint32_t op = WN_NOISE_FRESH;
  std::uint64_t id = 0;
  NoiseAddress at;
  double s = 0;
  std::uint64_t candidate = 0;         // GRADIENT, TWIST
  std::vector<std::uint64_t> parents;  // ROTATE, GRADIENT and TWIST have one
  std::vector<double> weights;
  std::vector<float> made;     // GRADIENT, TWIST: values at `position`, once somebody made them
  std::vector<float> tensor;   // TENSOR
  std::uint32_t position = 0;  // TENSOR, TWIST; GRADIENT: 0

  bool needs_gradient() const { return op == WN_NOISE_GRADIENT || op == WN_NOISE_TWIST; }
};

// Not thread-safe. `elements` is the size of one latent.
class NoiseGraph {
 public:
  explicit NoiseGraph(std::uint64_t elements) : elements_(elements) {}

  // Checks and copies. Throws Error(Exit::kPlugin): id not growing, unknown parent, bad numbers,
  // unknown operation.
  // For GRADIENT and TWIST: the candidate (that of the recipe may stand for another one); for
  // GRADIENT the candidate's noise, which becomes its parent; for TWIST the position.
  struct Source {
    std::uint64_t candidate = 0, noise = 0;
    std::uint32_t position = 0;
  };
  const Noise& push(const wn_noise_recipe& recipe, const Source& source);
  const Noise& push(const wn_noise_recipe& recipe) { return push(recipe, {}); }
  bool has(std::uint64_t id) const { return nodes_.contains(id); }
  const Noise& at(std::uint64_t id) const { return nodes_.at(id).noise; }

  // A candidate began to use a noise, or was forgotten. A noise goes when it was used, has no user
  // left and no noise was made of it that is still there. release() returns the candidates of the
  // GRADIENT and TWIST noises that went.
  void retain(std::uint64_t id);
  std::vector<std::uint64_t> release(std::uint64_t id);
  std::size_t size() const { return nodes_.size(); }

  // GRADIENT and TWIST are made outside. undrawn(): those that no candidate has drawn on yet,
  // directly or through noises made of them; draw() marks them. missing(): one that is not made
  // while all it is made of is; 0: none. set() gives its values.
  std::vector<std::uint64_t> undrawn(std::uint64_t id) const;
  void draw(std::uint64_t id);
  std::uint64_t missing(std::uint64_t id) const;
  void set(std::uint64_t id, std::vector<float> values);
  // TWIST: log of the standard normal density there minus that of its parent; 0 before it is made.
  double log_ratio(std::uint64_t id);

  // noise(id)(position) into out[elements]. Pure: does not depend on what was evaluated before.
  void evaluate(std::uint64_t id, std::uint32_t position, std::span<float> out);

 private:
  struct Node {
    Noise noise;
    std::uint32_t users = 0;     // candidates not forgotten
    std::uint32_t children = 0;  // noises made of it
    bool was_used = false, drawn = false;
  };
  template <typename Stop, typename Visit>
  void for_ancestors(std::uint64_t id, Stop stop, Visit visit) const;
  using Values = std::vector<float>;
  using Memo = std::unordered_map<std::uint64_t, std::shared_ptr<const Values>>;
  Values make(const Noise& noise, std::uint32_t position, const Memo& known) const;
  std::vector<std::uint64_t> drop_if_unneeded(std::uint64_t id);

  std::uint64_t elements_;
  std::uint64_t last_id_ = 0;
  bool has_gradients_ = false;
  std::unordered_map<std::uint64_t, Node> nodes_;
  // Parents at position 0, so that a pivot at the end of a long chain of rotations is not made
  // again for each neighbour.
  Memo pivots_;
};

}  // namespace winnow

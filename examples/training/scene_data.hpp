// Batches of scenes with their captions: as many as one likes, each drawn from (seed, index) alone.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "scenes/draw.hpp"
#include "scenes/faults.hpp"

namespace winnow::training {

struct SceneBatch {
  at::Tensor pictures;  // float32 [n, 3, 32, 32] in [0, 1]
  std::vector<std::string> captions;
  std::vector<scenes::Request> requests;  // what the captions ask for
};

// The pictures first, ..., first + count - 1 of the endless series `seed`: one in six shows a
// single object, the others are drawn from the six categories alike.
SceneBatch scene_batch(uint64_t seed, int64_t first, int64_t count,
                       scenes::Layout layout = scenes::Layout::kFree);

// Requests with several pictures each that try to show them: scenes with mistakes, then damaged.
struct TriedBatch {
  at::Tensor pictures;                    // float32 [n * tries, 3, 32, 32] in [0, 1]
  std::vector<std::string> captions;      // [n]
  std::vector<scenes::Request> requests;  // [n]
  std::vector<scenes::Scene> scenes;      // [n * tries]: what they show
  std::vector<Damage> damages;            // [n * tries]
};
TriedBatch tried_batch(uint64_t seed, int64_t first, int64_t count, int64_t tries);

}  // namespace winnow::training

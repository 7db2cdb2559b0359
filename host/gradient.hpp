// gradient.hpp: from d score / d sample to d score / d noise, and to the noise that moved along it.
#pragma once

#include <span>
#include <vector>

#include "host/guard.hpp"
#include "host/task.hpp"

namespace winnow {

// A candidate whose path, or where it stopped before time 0 preview, is differentiated, and what it
// came to.
struct PathGradient {
  Task* task = nullptr;
  std::uint64_t candidate = 0;
  std::vector<float> latent;     // where it stopped
  std::vector<float> direction;  // out: d score / d initial latent, or d score / d latent
  std::string failure;           // out; not empty on entry: passed over
};

// Calls the sampler's vjp over all of them in one batch; item i of `d_samples` belongs to items[i].
// At most `batch` items; with `fixed_shape` the batch is padded to it. Paths, previews and (where
// the sampler does not mix them) times are called apart.
void differentiate(Sampler& sampler, std::span<PathGradient> items, const Tensor& d_samples,
                   std::uint32_t batch, bool fixed_shape);

// |x| times the unit vector along x + s |x| g / |g|; x itself where g is 0. In double, rounded
// once.
std::vector<float> moved_along(std::span<const float> x, std::span<const float> g, double s);
// x + s g. In double, rounded once.
std::vector<float> shifted_along(std::span<const float> x, std::span<const float> g, double s);

}  // namespace winnow

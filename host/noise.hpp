// noise.hpp: addressable noise, a pure function of (seed, stream, domain, position, element). This
// file and noise.cpp are the normative definition; the published vectors lie in
// tests/golden/noise-vectors.txt.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace winnow {

struct NoiseAddress {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::uint32_t domain =
      0;  // below 256: 0 latents, 1 proposals of a search, 2 resampling, 128..255 a plugin's own
  bool operator==(const NoiseAddress&) const = default;
};

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

// out[i] = standard normal at element first + i. position below 2^24. Same bits for any split of
// the range, any optimisation level and any IEEE machine (the file is compiled without
// contraction).
void fill_normal(const NoiseAddress& at, std::uint32_t position, std::uint64_t first,
                 std::span<float> out);

// out[i] = word (first + i) % 4 of block (first + i) / 4.
void fill_uniform(const NoiseAddress& at, std::uint32_t position, std::uint64_t first,
                  std::span<std::uint32_t> out);

// The seed of one task of a run: two words of Philox at (run seed, task), so that tasks never share
// noise.
std::uint64_t task_seed(std::uint64_t run_seed, std::uint64_t task);

}  // namespace winnow

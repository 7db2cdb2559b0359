// noise_bits.cpp: prints a hash of many noise values. Built at several optimisation levels; all
// must print the same line.
#include <bit>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "host/noise.hpp"

int main() {
  std::uint64_t hash = 1469598103934665603ull;
  std::vector<float> values(4099);
  for (std::uint64_t stream = 0; stream < 64; ++stream) {
    winnow::fill_normal({stream * 77, stream, static_cast<std::uint32_t>(stream % 256)},
                        static_cast<std::uint32_t>(stream), stream, values);
    for (float v : values) hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211ull;
  }
  winnow::fill_normal({1, 2, 0}, 3, 0, values);
  std::printf("%016" PRIx64 " %08x\n", hash, std::bit_cast<std::uint32_t>(values[4098]));
}

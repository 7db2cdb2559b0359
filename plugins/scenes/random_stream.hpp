// A seeded stream of random numbers with the same values on every machine (splitmix64: Steele, Lea
// and Flood, 2014), which the distributions of <random> do not promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace winnow::scenes {

class RandomStream {
 public:
  // Streams of different (seed, index) have nothing to do with each other.
  RandomStream(uint64_t seed, uint64_t index) : state_(mix(mix(seed) ^ index)) {}

  uint64_t bits() { return mix(state_ += 0x9E3779B97F4A7C15ull); }
  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }
  // Uniform in 0, ..., count - 1.
  size_t below(size_t count) { return static_cast<size_t>(uniform() * static_cast<double>(count)); }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  uint64_t state_;
};

}  // namespace winnow::scenes

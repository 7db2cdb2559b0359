// hashed_numbers.hpp: numbers by name and index alone, the same in C++ and in the Python references
// of tests/golden (hashed_tensors.py), bit by bit.
#pragma once

#include <cstdint>
#include <string_view>

namespace winnow::test {

inline uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

inline uint64_t splitmix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// mean + scale u, u uniform in [-1, 1); the references round it to float32.
inline double hashed_number(std::string_view name, uint64_t index, double scale, double mean = 0) {
  const uint64_t bits = splitmix64(fnv1a(name) + index) >> 11;
  return mean + scale * (static_cast<double>(bits) * 0x1p-52 - 1);
}

}  // namespace winnow::test

// hashed_tensors.hpp: weights as large as real ones that need no file. The Python references in
// tests/golden make the same ones, bit by bit.
#pragma once

#include <ATen/ATen.h>

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

// mean + scale u, float32, u uniform in [-1, 1) by name and index alone.
inline at::Tensor hashed(std::string_view name, at::IntArrayRef shape, double scale,
                         double mean = 0) {
  const at::Tensor out = at::empty(shape, at::kFloat);
  const uint64_t key = fnv1a(name);
  auto* value = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) {
    const uint64_t bits = splitmix64(key + static_cast<uint64_t>(i)) >> 11;
    value[i] = static_cast<float>(mean + scale * (static_cast<double>(bits) * 0x1p-52 - 1));
  }
  return out;
}

}  // namespace winnow::test

// hashed_tensors.hpp: weights as large as real ones that need no file. The Python references in
// tests/golden make the same ones, bit by bit.
#pragma once

#include <ATen/ATen.h>

#include <string_view>

#include "tests/support/hashed_numbers.hpp"

namespace winnow::test {

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

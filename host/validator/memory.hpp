// memory.hpp: memory between pages that nobody may touch, to lend to plugins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "winnow/winnow.h"

namespace winnow::validator {

class GuardedMemory {
 public:
  // `alignment` a power of two, at most 4096. The bytes end at a forbidden page, but for what the
  // alignment of their begin leaves over, and another such page lies before them.
  GuardedMemory(std::size_t bytes, std::size_t alignment);
  ~GuardedMemory();
  GuardedMemory(GuardedMemory&& other) noexcept;
  GuardedMemory& operator=(GuardedMemory&&) = delete;

  void* data() const { return data_; }
  void forbid_writing();
  void forbid_everything();
  // Nothing was written beside the bytes. Not after forbid_everything().
  bool surroundings_untouched() const;

 private:
  unsigned char* mapped_;
  std::size_t mapped_bytes_, bytes_;
  unsigned char* data_;
};

inline constexpr std::size_t kTensorAlignment = 64;  // winnow.h

// A copy of the values.
template <class T>
GuardedMemory lent(const std::vector<T>& values, std::size_t alignment = alignof(T)) {
  GuardedMemory memory(values.size() * sizeof(T), alignment);
  if (!values.empty()) std::memcpy(memory.data(), values.data(), values.size() * sizeof(T));
  return memory;
}

// float32 of this shape; borrows both.
inline wn_tensor tensor_over(void* data, std::vector<std::int64_t>& shape) {
  return {data,    {1, 0}, static_cast<std::int32_t>(shape.size()), {2, 32, 1}, shape.data(),
          nullptr, 0};
}

}  // namespace winnow::validator

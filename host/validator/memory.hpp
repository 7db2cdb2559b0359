// memory.hpp: memory between pages that nobody may touch, to lend to plugins.
#pragma once

#include <cstddef>

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

}  // namespace winnow::validator

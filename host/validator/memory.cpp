// memory.cpp: see memory.hpp.
#include "host/validator/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace winnow::validator {
namespace {

constexpr unsigned char kCanary = 0xA5;

std::size_t page() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

GuardedMemory::GuardedMemory(std::size_t bytes, std::size_t alignment) : bytes_(bytes) {
  const std::size_t inner = (bytes + alignment + page() - 1) / page() * page();
  mapped_bytes_ = inner + 2 * page();
  void* memory =
      mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mapped_ = static_cast<unsigned char*>(memory);
  mprotect(mapped_, page(), PROT_NONE);
  mprotect(mapped_ + page() + inner, page(), PROT_NONE);
  std::memset(mapped_ + page(), kCanary, inner);
  data_ = mapped_ + page() + (inner - bytes) / alignment * alignment;
}

GuardedMemory::GuardedMemory(GuardedMemory&& other) noexcept
    : mapped_(std::exchange(other.mapped_, nullptr)),
      mapped_bytes_(other.mapped_bytes_),
      bytes_(other.bytes_),
      data_(other.data_) {}

GuardedMemory::~GuardedMemory() {
  if (mapped_) munmap(mapped_, mapped_bytes_);
}

void GuardedMemory::forbid_writing() {
  mprotect(mapped_ + page(), mapped_bytes_ - 2 * page(), PROT_READ);
}
void GuardedMemory::forbid_everything() { mprotect(mapped_, mapped_bytes_, PROT_NONE); }

bool GuardedMemory::surroundings_untouched() const {
  const auto untouched = [](unsigned char byte) { return byte == kCanary; };
  return std::all_of(mapped_ + page(), data_, untouched) &&
         std::all_of(data_ + bytes_, mapped_ + mapped_bytes_ - page(), untouched);
}

}  // namespace winnow::validator

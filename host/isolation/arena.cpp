// arena.cpp: see arena.hpp.
#include "host/isolation/arena.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "host/isolation/wire.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace winnow {
namespace {

constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t kTolerance = 8 << 20;  // bytes; a large page and more

[[noreturn]] void fail(const char* what) {
  throw Error(Exit::kResources, fmt::format("{}: {}", what, std::strerror(errno)));
}

std::uint64_t size_of_file(int file) {
  struct stat found {};
  if (::fstat(file, &found) != 0) fail("cannot measure memory shared with a plugin");
  return static_cast<std::uint64_t>(found.st_size);
}

std::byte* mapped(int file, std::uint64_t bytes, int protection) {
  void* base = ::mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
  if (base == MAP_FAILED)
    fail("no addresses for memory shared with a plugin (is there a limit, ulimit -v?)");
  return static_cast<std::byte*>(base);
}

bool is_inside(std::uint64_t size, std::uint64_t offset, std::uint64_t bytes) {
  return offset <= size && bytes <= size - offset;
}

std::optional<std::uint64_t> offset_in(const std::byte* base, std::uint64_t size, const void* data,
                                       std::uint64_t bytes) {
  const auto offset =
      reinterpret_cast<std::uintptr_t>(data) - reinterpret_cast<std::uintptr_t>(base);
  if (!is_inside(size, offset, bytes)) return std::nullopt;
  return offset;
}

}  // namespace

Arena::Arena(Others others, std::uint64_t bytes)
    : file_(::memfd_create("winnow-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING)), bytes_(bytes) {
  if (file_ < 0 || ::ftruncate(file_, static_cast<off_t>(bytes)) != 0)
    fail("cannot make memory shared with a plugin");
  base_ = mapped(file_, bytes, PROT_READ | PROT_WRITE);
  // This mapping stays writable; those to come are not.
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL |
                    (others == Others::kRead ? F_SEAL_FUTURE_WRITE : 0);
  if (::fcntl(file_, F_ADD_SEALS, seals) != 0) fail("cannot seal memory shared with a plugin");
  free_[0] = bytes;
}

Arena::~Arena() {
  ::munmap(base_, bytes_);
  ::close(file_);
}

void* Arena::allocate(std::uint64_t bytes) {
  bytes = (bytes + kAlignment) / kAlignment * kAlignment;
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [offset, room] = *it;
    if (room < bytes) continue;
    free_.erase(it);
    if (room > bytes) free_[offset + bytes] = room - bytes;
    used_[offset] = bytes;
    most_used_ = std::max(most_used_, offset + bytes);
    return base_ + offset;
  }
  throw std::bad_alloc();
}

void Arena::release(void* data) {
  const auto found = used_.find(static_cast<std::uint64_t>(static_cast<std::byte*>(data) - base_));
  std::uint64_t offset = found->first, bytes = found->second;
  used_.erase(found);
  const auto after = free_.lower_bound(offset);
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      offset = before->first;
      bytes += before->second;
      free_.erase(before);
    }
  }
  if (after != free_.end() && offset + bytes == after->first) {
    bytes += after->second;
    free_.erase(after);
  }
  free_[offset] = bytes;
}

std::optional<std::uint64_t> Arena::offset_of(const void* data, std::uint64_t bytes) const {
  return offset_in(base_, bytes_, data, bytes);
}

void* Arena::at(std::uint64_t offset, std::uint64_t bytes) const {
  return is_inside(bytes_, offset, bytes) ? base_ + offset : nullptr;
}

std::uint64_t Arena::taken() const {
  struct stat found {};
  return ::fstat(file_, &found) == 0 ? static_cast<std::uint64_t>(found.st_blocks) * 512 : 0;
}

bool Arena::overrun() {
  const std::uint64_t from = most_used_ + kTolerance;
  if (taken() <= from + lost_) return false;
  // The seal against new writers forbids this, too. It is worth more: whoever has the file could
  // open it for writing.
  if (::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                  static_cast<off_t>(bytes_ - from)) != 0)
    lost_ = taken() - most_used_;
  return true;
}

ArenaView::ArenaView(int file, bool writable)
    : bytes_(size_of_file(file)),
      base_(mapped(file, bytes_, writable ? PROT_READ | PROT_WRITE : PROT_READ)) {}

void* ArenaView::at(std::uint64_t offset, std::uint64_t bytes) const {
  if (!is_inside(bytes_, offset, bytes)) throw Malformed();
  return base_ + offset;
}

std::optional<std::uint64_t> ArenaView::offset_of(const void* data, std::uint64_t bytes) const {
  return offset_in(base_, bytes_, data, bytes);
}

}  // namespace winnow

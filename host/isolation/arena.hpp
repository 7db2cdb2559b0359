// arena.hpp: memory that the host shares with one plugin's process. Tensors made in it are not
// copied for a call.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "host/tensor.hpp"

namespace winnow {

// A memfd of fixed, sparse size that can neither shrink nor grow, mapped here for reading and
// writing.
class Arena final : public TensorMemory {
 public:
  enum class Others { kRead, kWrite };  // what the plugin's process may do; the kernel enforces it

  // `bytes` are of addresses: memory is taken as it is touched. Throws Error(Exit::kResources).
  Arena(Others others, std::uint64_t bytes);
  ~Arena() override;
  Arena(const Arena&) = delete;

  int file() const { return file_; }
  void* allocate(std::uint64_t bytes) override;
  void release(void* data) override;
  // Nothing unless all of it lies here.
  std::optional<std::uint64_t> offset_of(const void* data, std::uint64_t bytes) const;
  // Null unless `bytes` from `offset` on lie here.
  void* at(std::uint64_t offset, std::uint64_t bytes) const;
  // Whether far more memory was taken than was ever allocated: by the plugin, which no limit of its
  // process keeps from it. Then gives that back, where others may write; what others may only read
  // stays taken, and counts no more.
  bool overrun();
  std::uint64_t taken() const;  // bytes of memory

 private:
  int file_;
  std::uint64_t bytes_, most_used_ = 0, lost_ = 0;
  std::byte* base_;
  std::map<std::uint64_t, std::uint64_t> free_;  // offset -> bytes, coalesced
  std::map<std::uint64_t, std::uint64_t> used_;
};

// The other process's view.
class ArenaView {
 public:
  ArenaView(int file, bool writable);  // throws Error; lives as long as the process
  void* at(std::uint64_t offset, std::uint64_t bytes) const;  // throws Malformed
  std::optional<std::uint64_t> offset_of(const void* data, std::uint64_t bytes) const;

 private:
  std::uint64_t bytes_;
  std::byte* base_;
};

// The word that should_stop reads lies at the start of the arena that both sides write.
inline constexpr std::uint64_t kStopWordBytes = 64;
// Where noise goes whose tensor lies in no arena: the host finds a place.
inline constexpr std::uint64_t kElsewhere = ~0ull;

}  // namespace winnow

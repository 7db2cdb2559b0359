// disk.hpp: owned file descriptors, whole writes, and the syncs that make a file durable.
// Everything throws winnow::Error: Exit::kResources for a full disk, a quota, an I/O error and a
// lack of memory or descriptors, Exit::kUsage for paths that cannot be used.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "host/error.hpp"

namespace winnow::disk {

// Owns one open descriptor, or none (-1).
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// "cannot `verb` 'path': reason", with what to do when the disk is full. `number` is an errno.
Error failure(std::string_view verb, const std::filesystem::path& path, int number);

// open(2) with O_CLOEXEC; new files get 0644 less the umask.
File open(const std::filesystem::path& path, int flags);

// All bytes, from `offset` on; goes on after EINTR and short writes.
void write_at(const File& file, std::string_view bytes, std::uint64_t offset,
              const std::filesystem::path& path);

std::uint64_t size(const File& file, const std::filesystem::path& path);
void sync_data(const File& file, const std::filesystem::path& path);  // fdatasync
void sync_folder(const std::filesystem::path& folder);                // makes renames in it durable

// At most `limit` bytes; a longer file is an Error(Exit::kUsage).
std::string read_all(const std::filesystem::path& path, std::uint64_t limit);

// Writes the file anew and makes its bytes durable, not its name. Removed again on failure.
void write_new(const std::filesystem::path& path, std::string_view bytes, bool durable);

// `<folder>/.tmp-<name>`, durable, then renamed to `<folder>/<name>`; the folder synced.
void replace_file(const std::filesystem::path& folder, const std::string& name,
                  std::string_view bytes);

// What a killed writer leaves behind: names that begin with this may be deleted by the next one.
inline constexpr std::string_view kTemporary = ".tmp-";

}  // namespace winnow::disk

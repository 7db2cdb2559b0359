// disk.cpp: thin wrappers over POSIX calls that turn every failure into an Error.
#include "host/disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace winnow::disk {
namespace {

// EFBIG is what a file size limit (ulimit -f) and FAT give where others give ENOSPC.
bool is_full(int number) { return number == ENOSPC || number == EDQUOT || number == EFBIG; }

bool is_resource(int number) {
  return is_full(number) || number == EIO || number == ENOMEM || number == EMFILE ||
         number == ENFILE;
}

}  // namespace

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Error failure(std::string_view verb, const std::filesystem::path& path, int number) {
  std::string text = fmt::format("cannot {} '{}': {}", verb, path.string(), std::strerror(number));
  if (is_full(number))
    text = "disk full: " + text +
           "; nothing that was committed is lost: free some space, then the same command goes on";
  return Error(is_resource(number) ? Exit::kResources : Exit::kUsage, text);
}

File open(const std::filesystem::path& path, int flags) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  while (fd < 0 && errno == EINTR);
  if (fd < 0) throw failure((flags & O_ACCMODE) == O_RDONLY ? "read" : "write", path, errno);
  return File(fd);
}

void write_at(const File& file, std::string_view bytes, std::uint64_t offset,
              const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) throw failure("write", path, n < 0 ? errno : ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
}

std::uint64_t size(const File& file, const std::filesystem::path& path) {
  struct stat status;
  if (::fstat(file.fd(), &status) != 0) throw failure("read", path, errno);
  if (!S_ISREG(status.st_mode))
    throw Error(Exit::kUsage, fmt::format("'{}' is not a regular file", path.string()));
  return static_cast<std::uint64_t>(status.st_size);
}

void sync_data(const File& file, const std::filesystem::path& path) {
  int result;
  do result = ::fdatasync(file.fd());
  while (result != 0 && errno == EINTR);
  if (result != 0) throw failure("write", path, errno);
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path here = folder.empty() ? "." : folder;
  const File file = open(here, O_RDONLY | O_DIRECTORY);
  // Some network file systems cannot sync a folder and say EINVAL; their renames are synchronous.
  if (::fsync(file.fd()) != 0 && errno != EINVAL) throw failure("write", here, errno);
}

std::string read_all(const std::filesystem::path& path, std::uint64_t limit) {
  const File file = open(path, O_RDONLY);
  const std::uint64_t expected = size(file, path);
  if (expected > limit)
    throw Error(Exit::kUsage, fmt::format("'{}' has {} bytes, at most {} are read", path.string(),
                                          expected, limit));
  std::string bytes(expected, '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n = ::read(file.fd(), bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw failure("read", path, errno);
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

void write_new(const std::filesystem::path& path, std::string_view bytes, bool durable) {
  try {
    const File file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW);
    write_at(file, bytes, 0, path);
    if (durable) sync_data(file, path);
  } catch (const Error&) {
    ::unlink(path.c_str());  // gives the space back; a second failure adds nothing
    throw;
  }
}

void replace_file(const std::filesystem::path& folder, const std::string& name,
                  std::string_view bytes) {
  const auto temporary = folder / (std::string(kTemporary) + name);
  write_new(temporary, bytes, /*durable=*/true);
  if (::rename(temporary.c_str(), (folder / name).c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    throw failure("write", folder / name, number);
  }
  sync_folder(folder);
}

}  // namespace winnow::disk

// folder_lock.cpp: flock, and the holder's name in the file.
#include "host/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

namespace winnow {
namespace {

namespace fs = std::filesystem;

// `winnow status` holds the lock for an instant to see whether somebody else does.
constexpr int kTries = 5;
constexpr useconds_t kPause = 20'000;  // microseconds

std::string boot_id() {
  try {
    // Files in /proc have size 0, so disk::read_all would return nothing.
    const disk::File file = disk::open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    char text[36];
    const ssize_t n = ::read(file.fd(), text, sizeof(text));
    return std::string(text, n > 0 ? static_cast<std::size_t>(n) : 0);
  } catch (const Error&) {
    return "";  // only informs
  }
}

std::string myself() {
  char host[256] = "";
  ::gethostname(host, sizeof(host) - 1);
  return nlohmann::json{{"pid", ::getpid()}, {"host", host}, {"boot_id", boot_id()}}.dump() + "\n";
}

std::string holder(const fs::path& lock) {
  try {
    const auto who = nlohmann::json::parse(disk::read_all(lock, 4096));
    return fmt::format("process {} on host '{}'", who.at("pid").get<long>(),
                       who.at("host").get<std::string>());
  } catch (const std::exception&) {
    return "another process";  // which has not written its name yet
  }
}

// False when the file was deleted or replaced since it was opened: then its lock guards nothing.
bool still_there(const disk::File& file, const fs::path& lock) {
  struct stat ours, theirs;
  return ::fstat(file.fd(), &ours) == 0 && ::stat(lock.c_str(), &theirs) == 0 &&
         ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
}

}  // namespace

disk::File lock_folder(const fs::path& folder) {
  const fs::path lock = folder / ".lock";
  for (int attempt = 1;;) {
    disk::File file = disk::open(lock, O_RDWR | O_CREAT | O_NOFOLLOW);
    if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno != EWOULDBLOCK) throw disk::failure("lock", lock, errno);
      if (attempt++ < kTries) {
        ::usleep(kPause);
        continue;
      }
      throw Error(Exit::kJournal,
                  fmt::format("'{}' is in use by {}; wait for its end, or give another folder with "
                              "--out",
                              folder.string(), holder(lock)));
    }
    if (!still_there(file, lock)) continue;
    const std::string name = myself();
    if (::ftruncate(file.fd(), 0) != 0) throw disk::failure("write", lock, errno);
    disk::write_at(file, name, 0, lock);
    return file;
  }
}

}  // namespace winnow

// package_archive.hpp: plugin packages as .tar.gz files, by libarchive: written so that equal files
// give equal bytes, read from people we do not know.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace winnow {

inline constexpr std::uint64_t kMostArchiveBytes = std::uint64_t{64} << 30;  // unpacked
inline constexpr std::size_t kMostArchiveFiles = 4096;
// Beyond the first GiB an archive may unpack to so many times its own size: libraries and weights
// shrink to a third, a bomb to a thousandth.
inline constexpr std::uint64_t kMostArchiveRatio = 100;

// Writes `files` (relative to `package`; sorted here) as <folder>/<file>: ustar with time 0, mode
// 0644, owner and group 0 without names; gzip without a time or a name. `out` is replaced when all
// is written. Throws Error(Exit::kResources) for a full disk, Error(Exit::kUsage) for a file that
// cannot be read or named in the format, or whose name list_archive would refuse.
void write_archive(const std::filesystem::path& package, const std::string& folder,
                   std::vector<std::filesystem::path> files, const std::filesystem::path& out);

struct ArchiveMember {
  std::filesystem::path file;  // relative to the package
  std::uint64_t size = 0;
};

// The members of a packed package, after its one top folder, if it has one. Throws
// Error(Exit::kPlugin) that names the archive and the first member that is anything but a regular
// file or a folder with a plain relative name: links, devices, absolute names, "..", control
// characters, a name twice, a file where a folder is needed; for more than the limits above; for
// what holds no winnow-plugin.toml; and when it is damaged or no .tar.gz. Writes nothing.
std::vector<ArchiveMember> list_archive(const std::filesystem::path& archive);

// Writes the members that list_archive found below `folder`, which is there and empty, with mode
// 0644 less the umask, each synced. The same checks again, since the archive may have changed in
// between; what was written before one fails stays. Throws Error(Exit::kResources) before anything
// is written when the disk of `folder` has no room for them.
void unpack_archive(const std::filesystem::path& archive, const std::vector<ArchiveMember>& members,
                    const std::filesystem::path& folder);

}  // namespace winnow

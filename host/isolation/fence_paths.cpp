// fence_paths.cpp: the half of fence.hpp that runs in the host: what a plugin may reach.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "host/isolation/child.hpp"
#include "host/isolation/fence.hpp"
#include "host/isolation/python.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

// DT_RUNPATH and DT_RPATH of a shared library, with $ORIGIN filled in.
std::vector<fs::path> library_folders(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  const auto read = [&]<typename T>(std::uint64_t offset, T& into) {
    if (offset > bytes.size() || sizeof into > bytes.size() - offset) return false;
    std::memcpy(&into, bytes.data() + offset, sizeof into);
    return true;
  };
  Elf64_Ehdr header;
  std::vector<fs::path> folders;
  if (!read(0, header) || header.e_shentsize != sizeof(Elf64_Shdr)) return folders;
  for (std::uint64_t s = 0; s < header.e_shnum; ++s) {
    Elf64_Shdr section, strings;
    if (!read(header.e_shoff + s * sizeof section, section) || section.sh_type != SHT_DYNAMIC ||
        !read(header.e_shoff + section.sh_link * sizeof strings, strings))
      continue;
    Elf64_Dyn entry{};
    for (std::uint64_t at = section.sh_offset; read(at, entry) && entry.d_tag != DT_NULL;
         at += sizeof entry) {
      if (entry.d_tag != DT_RUNPATH && entry.d_tag != DT_RPATH) continue;
      const std::uint64_t from = strings.sh_offset + entry.d_un.d_val;
      if (from >= bytes.size()) continue;
      std::string list = bytes.c_str() + from;
      for (std::size_t colon; !list.empty(); list.erase(0, colon)) {
        colon = std::min(list.find(':'), list.size());
        std::string folder = list.substr(0, colon);
        if (folder.starts_with("$ORIGIN")) folder.replace(0, 7, file.parent_path().string());
        if (folder.starts_with('/')) folders.emplace_back(folder);
        if (colon < list.size()) ++colon;
      }
    }
  }
  return folders;
}

bool lies_in(const fs::path& inner, const fs::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

// A library can name any folder, so it gets only those of a LibTorch. Where that lies, CUDA's
// libraries lie beside it in packages of their own.
std::vector<fs::path> libtorch_folders(const fs::path& library) {
  std::vector<fs::path> found;
  const char* home = std::getenv("HOME");
  std::error_code failed;
  for (const fs::path& named : library_folders(library)) {
    const fs::path folder = fs::canonical(named, failed);
    if (failed || !fs::exists(folder / "libc10.so", failed) ||
        !fs::exists(folder / "libtorch.so", failed) || (home && lies_in(home, folder)))
      continue;
    found.push_back(folder);
    const fs::path torch = folder.parent_path(), beside = torch.parent_path() / "nvidia";
    if (folder.filename() == "lib" && torch.filename() == "torch" &&
        fs::canonical(beside, failed) == beside && !failed)
      found.push_back(beside);
  }
  return found;
}

int open_step(int at, const fs::path& name) {
  const int next = ::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  ::close(at);
  return next;
}

int walk(const Writable& folder, bool make) {
  int at = ::open(folder.base.c_str(), O_PATH | O_CLOEXEC);
  for (const fs::path& name : folder.below) {
    if (at < 0) break;
    if (make) ::mkdirat(at, name.c_str(), 0777);
    at = open_step(at, name);
  }
  return at;
}

// A relative path lies in the package's own cache folder, which is made.
Writable writable(const std::string& path, const std::string& package) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Exit::kPlugin, fmt::format("{}: writes = '{}': {}", package, path, why));
  };
  if (fs::path(path).is_absolute()) return {fs::path(path).lexically_normal(), {}};
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path base =
      cache && *cache ? fs::path(cache) : fs::path(home && *home ? home : "/tmp") / ".cache";
  Writable folder{base / "winnow" / "plugins" / package, {}};
  for (const fs::path& name : fs::path(path).lexically_normal()) {
    if (name == "..") refuse("leaves the plugin's own folder");
    if (!name.empty() && name != ".") folder.below /= name;
  }
  std::error_code failed;
  fs::create_directories(folder.base, failed);
  const int file = walk(folder, /*make=*/true);
  struct stat found {};
  const fs::path whole = folder.base / folder.below;
  if (file < 0 && ::lstat(whole.c_str(), &found) == 0)
    refuse(fmt::format("{} is a link, or no folder, or has a link on the way; remove it",
                       whole.string()));
  if (file >= 0) ::close(file);
  return folder;
}

// With one folder in another the plugin could replace the inner one by a link to anywhere.
std::vector<Writable> writables_of(const PackageManifest& package) {
  std::vector<Writable> all;
  for (const std::string& path : package.writes) all.push_back(writable(path, package.id));
  const auto whole = [](const Writable& one) { return one.base / one.below; };
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j)
      if (whole(all[i]) != whole(all[j]) && lies_in(whole(all[i]), whole(all[j])))
        throw Error(Exit::kPlugin,
                    fmt::format("{}: writes: '{}' lies in '{}'; the outer one is enough",
                                package.id, package.writes[i], package.writes[j]));
  return all;
}

}  // namespace

int open_writable(const Writable& folder) { return walk(folder, /*make=*/false); }

Fence fence_of(const FoundPlugin& found, const std::vector<fs::path>& options,
               std::uint64_t memory) {
  Fence fence;
  fence.memory = memory;
  fence.network = found.package->network;
  if (found.variant().python.empty()) {
    fence.reads = libtorch_folders(found.library());
  } else {
    fence.program = python_for(*found.package);
    fence.reads = python_reads(fence.program);
  }
  if (const char* more = std::getenv("LD_LIBRARY_PATH")) {
    std::string list = more;
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t end = std::min(list.find(':', at), list.size());
      if (end > at) fence.reads.emplace_back(list.substr(at, end - at));
      at = end + 1;
    }
  }
  fence.reads.push_back(plugin_host_program());
  fence.reads.push_back(found.package->directory);
  fence.reads.insert(fence.reads.end(), options.begin(), options.end());
  fence.writes = writables_of(*found.package);
  return fence;
}

void write_fence(Writer& writer, const Fence& fence) {
  writer.put<std::uint64_t>(fence.reads.size());
  for (const fs::path& path : fence.reads) writer.text(path.string());
  writer.put<std::uint64_t>(fence.writes.size());
  for (const Writable& folder : fence.writes) {
    writer.text(folder.base.string());
    writer.text(folder.below.string());
  }
  writer.text(fence.program.string());
  writer.put<std::uint8_t>(fence.network);
  writer.put(fence.memory);
}

Fence read_fence(Reader& reader) {
  Fence fence;
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) fence.reads.emplace_back(reader.text());
  for (auto n = reader.get<std::uint64_t>(); n > 0; --n) {
    const fs::path base = reader.text(), below = reader.text();
    fence.writes.push_back({base, below});
  }
  fence.program = reader.text();
  fence.network = reader.get<std::uint8_t>();
  fence.memory = reader.get<std::uint64_t>();
  return fence;
}

}  // namespace winnow

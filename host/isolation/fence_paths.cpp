// fence_paths.cpp: the half of fence.hpp that runs in the host: what a plugin may reach.
#include <elf.h>

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

// Where LibTorch lies, CUDA's libraries lie beside it in packages of their own.
void add_cuda_beside(std::vector<fs::path>& folders) {
  for (std::size_t i = 0, n = folders.size(); i < n; ++i)
    if (folders[i].filename() == "lib" && folders[i].parent_path().filename() == "torch")
      folders.push_back(folders[i].parent_path().parent_path() / "nvidia");
}

// A relative path lies in the package's own cache folder, which is made.
fs::path writable(const std::string& path, const std::string& package) {
  if (fs::path(path).is_absolute()) return path;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const fs::path base =
      cache && *cache ? fs::path(cache) : fs::path(home && *home ? home : "/tmp") / ".cache";
  const fs::path folder = base / "winnow" / "plugins" / package;
  const fs::path result = (folder / path).lexically_normal();
  if (result.lexically_relative(folder).string().starts_with("..")) return folder;
  std::error_code failed;
  fs::create_directories(result, failed);
  return result;
}

}  // namespace

Fence fence_of(const FoundPlugin& found, const std::vector<fs::path>& options,
               std::uint64_t memory) {
  Fence fence;
  fence.memory = memory;
  fence.network = found.package->network;
  if (found.variant().python.empty()) {
    fence.reads = library_folders(found.library());
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
  add_cuda_beside(fence.reads);
  fence.reads.push_back(plugin_host_program());
  fence.reads.push_back(found.package->directory);
  fence.reads.insert(fence.reads.end(), options.begin(), options.end());
  for (const std::string& path : found.package->writes)
    fence.writes.push_back(writable(path, found.package->id));
  return fence;
}

void write_fence(Writer& writer, const Fence& fence) {
  for (const auto* paths : {&fence.reads, &fence.writes}) {
    writer.put<std::uint64_t>(paths->size());
    for (const fs::path& path : *paths) writer.text(path.string());
  }
  writer.text(fence.program.string());
  writer.put<std::uint8_t>(fence.network);
  writer.put(fence.memory);
}

Fence read_fence(Reader& reader) {
  Fence fence;
  for (auto* paths : {&fence.reads, &fence.writes})
    for (auto n = reader.get<std::uint64_t>(); n > 0; --n) paths->emplace_back(reader.text());
  fence.program = reader.text();
  fence.network = reader.get<std::uint8_t>();
  fence.memory = reader.get<std::uint64_t>();
  return fence;
}

}  // namespace winnow

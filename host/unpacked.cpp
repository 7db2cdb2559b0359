// unpacked.cpp: see unpacked.hpp.
#include "host/unpacked.hpp"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>

#include "host/disk.hpp"
#include "host/package_archive.hpp"
#include "host/package_files.hpp"

namespace winnow {

namespace fs = std::filesystem;

std::string with_paths(std::string text, const fs::path& from, const fs::path& to) {
  const std::string before = from.string(), after = to.string();
  for (std::size_t at = 0; (at = text.find(before, at)) != text.npos; at += after.size())
    text.replace(at, before.size(), after);
  return text;
}

Unpacked::Unpacked(const fs::path& source) : directory_(source) {
  if (!fs::exists(source))
    throw Error(Exit::kUsage, fmt::format("'{}' is not there; expected a package: a folder with a "
                                          "{}, or a .tar.gz",
                                          source.string(), kManifestFile));
  if (source.filename() == kManifestFile) directory_ = fs::absolute(source).parent_path();
  if (fs::is_directory(directory_)) return;
  std::string name = (fs::temp_directory_path() / "winnow-XXXXXX").string();
  const auto members = list_archive(source);  // refused before anything is made
  if (!::mkdtemp(name.data())) throw disk::failure("write", fs::temp_directory_path(), errno);
  temporary_ = directory_ = name;
  try {
    unpack_archive(source, members, directory_);
  } catch (...) {
    fs::remove_all(temporary_);
    throw;
  }
}

Unpacked::~Unpacked() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

}  // namespace winnow

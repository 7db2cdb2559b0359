// package_files.hpp: the files of a package, and whether they are the ones its manifest speaks of.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/manifest.hpp"

namespace winnow {

inline constexpr const char* kManifestFile = "winnow-plugin.toml";

// "": `file` of the package is there, stays in it, and has this sha256 and size (0: not said); else
// one sentence without the file's name.
std::string why_not_intact(const PackageManifest& package, const std::filesystem::path& file,
                           const std::string& sha256, std::uint64_t size = 0);

// One [[variant]] or [[data]].
struct PackageFile {
  std::filesystem::path file;  // relative to the package
  bool library = false;
  std::string sha256;   // as the manifest says
  std::string problem;  // why_not_intact
};
std::vector<PackageFile> check_files(const PackageManifest& package);

// Files at the top of the package that people expect there and that need no hash: README*,
// LICENSE*, LICENCE*, COPYING*, NOTICE*, CHANGELOG*, CITATION*; sorted. Links do not count.
std::vector<std::filesystem::path> documents_of(const std::filesystem::path& package);

// What a package consists of: the manifest, the files it names and the documents; sorted, each
// once, relative.
std::vector<std::filesystem::path> files_of(const PackageManifest& package);

// Whatever else lies in its folder, links too; sorted, relative.
std::vector<std::filesystem::path> strangers_in(const PackageManifest& package);

// Throws Error(Exit::kPlugin) with one reason when `package`, a folder, would not be taken: what
// plugins list --why says of it on this machine, what the loader checks about the library that it
// would load, a file of another variant that is not intact, or is built for another machine than
// the manifest says. Runs none of its code.
PackageManifest require_sound(const std::filesystem::path& package);

}  // namespace winnow

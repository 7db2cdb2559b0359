// package_files.cpp: see package_files.hpp.
#include "host/package_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "host/elf_file.hpp"
#include "host/error.hpp"
#include "host/library_file.hpp"
#include "host/registry.hpp"
#include "host/sha256.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::array kDocuments = {"README", "LICENSE",   "LICENCE", "COPYING",
                                   "NOTICE", "CHANGELOG", "CITATION"};
constexpr const char* kDamaged = "the file is damaged, or from another version of the package";

bool is_document(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  const auto begins = [&](const char* word) { return name.starts_with(word); };
  return !entry.is_symlink() && entry.is_regular_file() && printable(name) == name &&
         std::ranges::any_of(kDocuments, begins);
}

void check_machine(const PackageManifest& package, const Variant& variant) {
  if (!variant.python.empty()) return;
  const fs::path file = package.directory / variant.file;
  const auto header = read_elf_header(file);
  if (!header || !header->shared_library)
    throw Error(Exit::kPlugin, fmt::format("{}: is no ELF shared library", file.string()));
  if (!variant.arch.empty() && header->machine != variant.arch)
    throw Error(Exit::kPlugin, fmt::format("{}: is built for {}, but its [[variant]] says {}",
                                           file.string(), header->machine, variant.arch));
}

}  // namespace

std::string why_not_intact(const PackageManifest& package, const fs::path& file,
                           const std::string& sha256, std::uint64_t size) {
  const fs::path path = package.directory / file;
  const std::string manifest = package.path.filename().string();
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::none) return "cannot be read: " + error.message();
  if (!fs::exists(status)) return "is missing";
  if (!fs::is_regular_file(status)) return "is no file";
  const fs::path real = fs::canonical(path), root = fs::canonical(package.directory);
  if (std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end())
    return fmt::format("leads out of its package, to {}", real.string());
  if (const auto found = fs::file_size(real); size != 0 && found != size)
    return fmt::format("has {} bytes, {} says {}: {}", found, manifest, size, kDamaged);
  if (const std::string found = sha256_hex_of_file(real); found != sha256)
    return fmt::format("its sha256 is {}, {} says {}: {}", found, manifest, sha256, kDamaged);
  return "";
}

std::vector<PackageFile> check_files(const PackageManifest& package) {
  std::vector<PackageFile> files;
  for (const Variant& variant : package.variants)
    files.push_back({variant.file, true, variant.sha256,
                     why_not_intact(package, variant.file, variant.sha256, variant.size)});
  for (const DataFile& data : package.data)
    files.push_back(
        {data.file, false, data.sha256, why_not_intact(package, data.file, data.sha256)});
  return files;
}

std::vector<fs::path> documents_of(const fs::path& package) {
  std::vector<fs::path> documents;
  for (const auto& entry : fs::directory_iterator(package))
    if (is_document(entry)) documents.push_back(entry.path().filename());
  std::ranges::sort(documents);
  return documents;
}

std::vector<fs::path> files_of(const PackageManifest& package) {
  std::set<fs::path> files = {kManifestFile};
  for (const Variant& variant : package.variants) files.insert(variant.file);
  for (const DataFile& data : package.data) files.insert(data.file);
  for (const fs::path& document : documents_of(package.directory)) files.insert(document);
  return {files.begin(), files.end()};
}

std::vector<fs::path> strangers_in(const PackageManifest& package) {
  const std::vector<fs::path> own = files_of(package);
  std::vector<fs::path> strangers;
  for (const auto& entry : fs::recursive_directory_iterator(package.directory)) {
    const fs::path file = entry.path().lexically_relative(package.directory);
    if (!entry.is_symlink() && entry.is_directory()) continue;
    if (!std::ranges::binary_search(own, file)) strangers.push_back(file);
  }
  std::ranges::sort(strangers);
  return strangers;
}

PackageManifest require_sound(const fs::path& package) {
  SearchPath path;
  path.entries = {{package, "package", /*required=*/true}};
  const Registry registry = Registry::scan(path, host_facts());
  for (const FoundPlugin& found : registry.plugins()) {
    if (!found.skipped.empty())
      throw Error(Exit::kPlugin,
                  fmt::format("{}: {}", found.package->path.string(), found.skipped));
    check_library_file(found);
  }
  const PackageManifest& manifest = *registry.plugins().front().package;
  for (const PackageFile& file : check_files(manifest))
    if (!file.problem.empty())
      throw Error(Exit::kPlugin,
                  fmt::format("{}: {}", (manifest.directory / file.file).string(), file.problem));
  for (const Variant& variant : manifest.variants) check_machine(manifest, variant);
  return manifest;
}

}  // namespace winnow

// library_file.cpp: hash, ELF header and exported symbols, read without loading.
#include "host/library_file.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "host/error.hpp"
#include "host/package_files.hpp"
#include "host/variant.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw Error(Exit::kPlugin, fmt::format("{}: {}", file.string(), why));
}

void check_intact(const PackageManifest& package, const fs::path& file, const std::string& sha256,
                  std::uint64_t size = 0) {
  const std::string why = why_not_intact(package, file, sha256, size);
  if (!why.empty()) fail(package.directory / file, why);
}

void check_architecture(const fs::path& file) {
  const auto header = read_elf_header(file), own = read_elf_header("/proc/self/exe");
  if (!header) fail(file, "is no ELF shared library");
  if (!header->same_kind(own.value()))
    fail(file, fmt::format("is built for {}, this program for {}", header->machine, own->machine));
  if (!header->shared_library) fail(file, "is an ELF file, but no shared library");
}

void check_symbols(const fs::path& file) {
  const std::vector<std::string> symbols = read_elf_library(file).exports;
  const auto entry = std::find(symbols.begin(), symbols.end(), WN_ENTRY_SYMBOL);
  if (entry == symbols.end())
    fail(file, fmt::format("does not export {}, so it is no plugin of major {}", WN_ENTRY_SYMBOL,
                           WN_ABI_MAJOR));
  if (symbols.size() > 1) {
    const auto& other = entry == symbols.begin() ? symbols[1] : symbols[0];
    spdlog::warn("{}: exports {} symbols, expected only {}; {} may clash with another library's",
                 file.string(), symbols.size(), WN_ENTRY_SYMBOL, other);
  }
}

}  // namespace

std::string remark_on_glibc(const std::string& promised, const std::string& needed) {
  const std::string least = "glibc>=";
  if (!promised.starts_with(least)) return "";
  const std::string version = promised.substr(least.size(), promised.find(',') - least.size());
  if (!version_fulfils(needed, ">" + version)) return "";
  return fmt::format("needs glibc {}, but its [[variant]] says libc = \"{}\"", needed, promised);
}

std::vector<std::string> remarks_on(const ElfLibrary& library, const Variant& variant) {
  std::vector<std::string> remarks;
  if (library.exports.size() > 1)
    remarks.push_back(fmt::format("exports {} symbols, expected only {}", library.exports.size(),
                                  WN_ENTRY_SYMBOL));
  if (library.static_tls)
    remarks.emplace_back(
        "takes static thread-local storage (DF_STATIC_TLS), of which there is "
        "little; compile it with -fPIC");
  if (library.fast_math)
    remarks.emplace_back(
        "was linked with -ffast-math, which changes the arithmetic of whoever loads "
        "it");
  if (const auto glibc = library.versions.find("GLIBC"); glibc != library.versions.end())
    if (const auto remark = remark_on_glibc(variant.libc, glibc->second); !remark.empty())
      remarks.push_back(remark);
  return remarks;
}

fs::path check_library_file(const FoundPlugin& found) {
  const PackageManifest& package = *found.package;
  if (package.variants.empty()) fail(package.path, "has no [[variant]], so there is no library");
  const Variant& variant = found.variant();
  check_intact(package, variant.file, variant.sha256, variant.size);
  for (const DataFile& data : package.data) check_intact(package, data.file, data.sha256);
  const fs::path file = fs::canonical(package.directory / variant.file);
  if (!variant.python.empty()) return file;
  check_architecture(file);
  check_symbols(file);
  return file;
}

}  // namespace winnow

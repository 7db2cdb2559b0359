// library_file.cpp: hash, ELF header and exported symbols, read without loading.
#include "host/library_file.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/dll/library_info.hpp>
#include <cstring>
#include <fstream>

#include "host/error.hpp"
#include "host/sha256.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw Error(Exit::kPlugin, fmt::format("{}: {}", file.string(), why));
}

fs::path inside(const fs::path& directory, const fs::path& file) {
  const fs::path path = directory / file;
  if (!fs::is_regular_file(path)) fail(path, "is missing");
  const fs::path real = fs::canonical(path), root = fs::canonical(directory);
  if (std::mismatch(root.begin(), root.end(), real.begin(), real.end()).first != root.end())
    fail(path, fmt::format("leads out of its package, to {}", real.string()));
  return real;
}

void check_hash(const fs::path& file, const std::string& wanted, const fs::path& manifest) {
  const std::string found = sha256_hex_of_file(file);
  if (found != wanted)
    fail(file, fmt::format("its sha256 is {}, {} says {}: the file is damaged, or from another "
                           "version of the package",
                           found, manifest.filename().string(), wanted));
}

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86_64";
    case EM_AARCH64:
      return "aarch64";
    case EM_386:
      return "i386";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return "riscv";
    case EM_PPC64:
      return "ppc64";
    default:
      return fmt::format("machine type {}", machine);
  }
}

Elf64_Ehdr elf_header(const fs::path& file) {
  Elf64_Ehdr header{};
  std::ifstream(file, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  return header;
}

void check_architecture(const fs::path& file) {
  const Elf64_Ehdr header = elf_header(file), own = elf_header("/proc/self/exe");
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) fail(file, "is no ELF shared library");
  if (header.e_machine != own.e_machine || header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
      header.e_ident[EI_DATA] != own.e_ident[EI_DATA])
    fail(file, fmt::format("is built for {}, this program for {}", machine_name(header.e_machine),
                           machine_name(own.e_machine)));
  if (header.e_type != ET_DYN) fail(file, "is an ELF file, but no shared library");
}

void check_symbols(const fs::path& file) {
  std::vector<std::string> symbols;
  try {
    symbols = boost::dll::library_info(file).symbols();
  } catch (const std::exception& error) {
    fail(file, fmt::format("its symbols cannot be read: {}", error.what()));
  }
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

fs::path check_library_file(const FoundPlugin& found) {
  const PackageManifest& package = *found.package;
  if (package.variants.empty()) fail(package.path, "has no [[variant]], so there is no library");
  const Variant& variant = found.variant();
  const fs::path file = inside(package.directory, variant.file);
  if (const auto size = fs::file_size(file); variant.size != 0 && size != variant.size)
    fail(file, fmt::format("has {} bytes, {} says {}: the file is damaged, or from another version "
                           "of the package",
                           size, package.path.filename().string(), variant.size));
  check_hash(file, variant.sha256, package.path);
  for (const auto& data : package.data)
    check_hash(inside(package.directory, data.file), data.sha256, package.path);
  check_architecture(file);
  check_symbols(file);
  return file;
}

}  // namespace winnow

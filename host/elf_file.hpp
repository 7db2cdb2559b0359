// elf_file.hpp: what a shared library says of itself, read without loading it.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace winnow {

struct ElfHeader {
  std::string machine;  // "x86_64", "aarch64" ...
  unsigned bits = 0;    // 32, 64; 0: neither
  bool little_endian = false, shared_library = false;
  bool same_kind(const ElfHeader& other) const {
    return machine == other.machine && bits == other.bits && little_endian == other.little_endian;
  }
};

// Nothing: it is no ELF file.
std::optional<ElfHeader> read_elf_header(const std::filesystem::path& file);

// Of a 64-bit library in this machine's byte order.
struct ElfLibrary {
  std::vector<std::string> exports;             // what other libraries can see of it, sorted
  std::vector<std::string> needed;              // DT_NEEDED, in their order
  std::string run_path;                         // DT_RUNPATH or DT_RPATH; empty: none
  std::map<std::string, std::string> versions;  // the highest it needs: "GLIBC" -> "2.34"
  std::vector<std::string> compilers;           // from .comment; gone when it was stripped of it
  bool static_tls =
      false;               // takes room for thread-local variables that only few libraries can have
  bool fast_math = false;  // linked with -ffast-math: changes the loader's arithmetic (gcc <= 12);
                           // not seen in a library without its symbol table
};

// Throws Error(Exit::kPlugin) when it is damaged, or of another kind.
ElfLibrary read_elf_library(const std::filesystem::path& file);

}  // namespace winnow

// library_file.hpp: what is checked about a plugin's files before any of their code runs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/elf_file.hpp"
#include "host/registry.hpp"

namespace winnow {

// The library's resolved path, or that of the Python module. Its size and sha256 and, of a library,
// its architecture and entry symbol are as the manifest and this host want them, and so is the
// sha256 of each data file; else Error(Exit::kPlugin) with one sentence. Further exported symbols
// are a warning in the log.
std::filesystem::path check_library_file(const FoundPlugin& found);

// What an author should know of a library, though it is no reason to refuse it: further exports,
// static thread-local storage, -ffast-math, a newer glibc than its [[variant]] says.
std::vector<std::string> remarks_on(const ElfLibrary& library, const Variant& variant);

// "": a library that needs glibc `needed` keeps what its [[variant]]'s libc ("glibc>=2.28")
// promises.
std::string remark_on_glibc(const std::string& promised, const std::string& needed);

}  // namespace winnow

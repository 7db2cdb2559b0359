// file_tests.cpp: tests of a package's files; nothing of it is loaded.
#include <algorithm>
#include <regex>
#include <set>

#include "host/elf_file.hpp"
#include "host/error.hpp"
#include "host/library_file.hpp"
#include "host/package_files.hpp"
#include "host/validator/bench.hpp"
#include "winnow/winnow.h"

namespace winnow::validator {
namespace {

void manifest_parses(Bench& bench) { read_manifest(bench.subject().manifest); }

void ids_and_versions(Bench& bench) {
  // semver.org's own expression.
  static constexpr const char* kSemver =
      R"((0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-((0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(\+([0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*))?)";
  const PackageManifest& package = bench.package();
  if (!std::regex_match(package.version, std::regex(kSemver)))
    fail("the version is '{}', expected one as of semver.org: 1.2.3 or 1.2.3-rc.1",
         package.version);
  std::vector<std::string> ids = {package.id};
  for (const PluginManifest& plugin : package.plugins) ids.push_back(plugin.id);
  for (const std::string& id : ids)
    if (id.find('.') == std::string::npos)
      fail("the id '{}' has no dot, expected a name from your domain on: org.example.{}", id, id);
  if (package.needs_minor > package.built_minor)
    fail("needs_minor is {}, above built_minor, {}", package.needs_minor, package.built_minor);
}

void fits_this_host(Bench& bench) {
  if (!bench.subject().found->skipped.empty()) fail("{}", bench.subject().found->skipped);
}

void hashes_and_sizes(Bench& bench) {
  for (const PackageFile& file : check_files(bench.package()))
    if (!file.problem.empty()) fail("{} {}", file.file.string(), file.problem);
  for (const Variant& variant : bench.package().variants)
    if (variant.size == 0)
      bench.warn(fmt::format("{}: the manifest states no size", variant.file.string()));
}

ElfLibrary library_of(Bench& bench) {
  const std::filesystem::path file = bench.file();
  const auto header = read_elf_header(file), own = read_elf_header("/proc/self/exe");
  if (!header || !header->shared_library) fail("{} is no ELF shared library", file.string());
  if (!header->same_kind(*own))
    fail("the library is built for {}, this program for {}", header->machine, own->machine);
  return read_elf_library(file);
}

void one_symbol(Bench& bench) {
  const ElfLibrary library = library_of(bench);
  if (std::ranges::count(library.exports, WN_ENTRY_SYMBOL) == 0)
    fail("the library does not export {}", WN_ENTRY_SYMBOL);
  for (const std::string& name : library.exports)
    if (name != WN_ENTRY_SYMBOL)
      fail("the library exports {} symbols, among them {}; expected {} alone: others may clash",
           library.exports.size(), name, WN_ENTRY_SYMBOL);
}

void no_static_tls(Bench& bench) {
  if (library_of(bench).static_tls)
    fail(
        "the library has DF_STATIC_TLS, of which only few libraries find room; expected none: "
        "compile without -ftls-model=initial-exec");
}

void no_fast_math(Bench& bench) {
  if (library_of(bench).fast_math)
    fail(
        "the library was linked with -ffast-math, which changes the arithmetic of whoever loads "
        "it");
}

void needed_once(Bench& bench) {
  std::set<std::string> seen;
  std::string openmp;
  for (const std::string& name : library_of(bench).needed) {
    if (!seen.insert(name).second) fail("the library needs {} twice", name);
    const bool is_openmp =
        name.starts_with("libgomp") || name.starts_with("libomp") || name.starts_with("libiomp");
    if (is_openmp && !openmp.empty())
      fail("the library needs two OpenMP runtimes: {}, {}", openmp, name);
    if (is_openmp) openmp = name;
  }
}

void glibc_declared(Bench& bench) {
  const auto versions = library_of(bench).versions;
  const auto needed = versions.find("GLIBC");
  if (needed == versions.end()) return;
  const Variant& variant = bench.subject().found->variant();
  if (variant.libc.empty())
    return bench.remark(fmt::format(
        "libc = \"glibc>={}\" in the [[variant]] would say what it needs", needed->second));
  const std::string remark = remark_on_glibc(variant.libc, needed->second);
  if (!remark.empty()) fail("the library {}", remark);
}

void explained(Bench& bench) {
  for (const PluginManifest& plugin : bench.package().plugins) {
    if (plugin.summary.empty()) bench.warn(fmt::format("{} has no summary", plugin.id));
    for (const OptionSpec& option : plugin.options)
      if (option.help.empty())
        bench.warn(fmt::format("{}: the option '{}' has no help", plugin.id, option.key));
  }
}

constexpr Test kTests[] = {
    {"manifest-parses", 1, kPackage, "winnow-plugin.toml can be read, and says what it must.",
     manifest_parses, Needs::kNothing},
    {"ids-and-versions", 1, kPackage,
     "Ids have a domain, the version is one of semver.org, needs_minor is not above built_minor.",
     ids_and_versions, Needs::kNothing},
    {"fits-this-host", 1, kPackage, "A variant of the package fits this machine and this host.",
     fits_this_host, Needs::kNothing},
    {"hashes-and-sizes", 1, kPackage,
     "Libraries and data files are those of the manifest, by sha256 and size.", hashes_and_sizes,
     Needs::kNothing},
    {"one-symbol", 2, kPackage, "The library exports the entry symbol and nothing else.",
     one_symbol, Needs::kNothing},
    {"needed-once", 4, kPackage,
     "No library is needed twice, and at most one OpenMP runtime by name.", needed_once,
     Needs::kNothing},
    {"no-static-tls", 4, kPackage, "The library takes no static thread-local storage.",
     no_static_tls, Needs::kNothing},
    {"no-fast-math", 4, kPackage, "The library was not linked with -ffast-math.", no_fast_math,
     Needs::kNothing},
    {"glibc-declared", 4, kPackage,
     "The library needs no newer glibc than the manifest declares; one that is not declared is "
     "reported.",
     glibc_declared, Needs::kNothing},
    {"explained", 8, kPackage, "Plugins have a summary and options a help text; else a warning.",
     explained, Needs::kNothing},
};

}  // namespace

Tests file_tests() { return kTests; }

}  // namespace winnow::validator

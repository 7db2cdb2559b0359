// manifest.hpp: winnow-plugin.toml, which answers everything about a package without opening its
// library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/options.hpp"

namespace winnow {

enum class PluginKind { kSampler, kVerifier, kSearch };
std::string to_string(PluginKind kind);  // "sampler" ...

struct PluginManifest {  // one [[plugin]]
  std::string id;
  PluginKind kind = PluginKind::kVerifier;
  std::string summary;
  std::vector<std::string> aliases, provides, requires_host, optional_host, keywords;
  std::map<std::string, std::string>
      claims;  // as text: "true", "ordered"; e.g. report_only, fixed_cost
  std::vector<OptionSpec> options;

  bool claims_true(const std::string& name) const {
    const auto found = claims.find(name);
    return found != claims.end() && found->second == "true";
  }
};

struct LibtorchNeed {      // empty link: none
  std::string link;        // "host" | "own"
  std::string version;     // "==2.13.*", ">=2.6"
  std::string stable_abi;  // "2.9": uses only the stable ABI, any host LibTorch from there on
};

struct Variant {               // one [[variant]]; the first whose conditions all hold is taken
  std::filesystem::path file;  // relative to the manifest's folder, never leaving it
  std::string sha256;          // 64 hex digits
  std::uint64_t size = 0;
  std::string os, arch, libc;
  std::vector<std::string> cpu;
  LibtorchNeed libtorch;
  std::string python;  // ">=3.11": `file` is a Python module; empty: a shared library
};

struct DataFile {  // one [[data]]
  std::filesystem::path file;
  std::string sha256;
};

struct PackageManifest {
  std::filesystem::path path;       // of winnow-plugin.toml, absolute
  std::filesystem::path directory;  // the package
  std::string id, version, summary, license, vendor, url;
  std::uint32_t abi_major = 1, needs_minor = 0, built_minor = 0;
  std::string isolation = "any";  // "any" | "process": never in the host | "in-process"
  // What it needs of a process of its own; it gets nothing else there.
  bool network = false;
  std::vector<std::string> writes;  // folders; relative ones lie in its cache folder
  std::vector<PluginManifest> plugins;
  std::vector<Variant> variants;
  std::vector<DataFile> data;
};

// Reads and checks a manifest of at most 1 MiB; strict (unknown keys are mistakes, unless
// file_format has a newer minor). Every file it names is relative and stays in the package, also
// after symlinks; whether it exists is not asked. At least one plugin and one variant. Throws
// Error(Exit::kPlugin) with all mistakes, rendered with line, column and caret.
PackageManifest read_manifest(const std::filesystem::path& file);

}  // namespace winnow

// registry.hpp: finds packages on the search path, chooses variants, and says why anything was not
// taken. Opens no library.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/manifest.hpp"

namespace winnow {

// Where to look, in order of precedence; the first package that offers an id wins.
struct SearchPath {
  struct Entry {
    std::filesystem::path
        directory;          // scanned for */winnow-plugin.toml, sorted by name; or itself a package
    std::string origin;     // "--plugin", "WN_PLUGIN_PATH", "user", "install prefix" ... for --why
    bool required = false;  // named explicitly: a failure is an error
  };
  std::vector<Entry> entries;
  std::vector<std::string> disable,
      enable;  // globs over plugin and package ids, ~all~, ~third-party~; enable wins
};

// Origin of the packages that came with this host; all others are third-party to the globs.
inline constexpr const char* kInstallPrefix = "install prefix";

// From --plugin arguments, the environment (WN_PLUGIN_PATH replaces all that follows,
// WN_ADD_PLUGIN_PATH is put first, ignored under AT_SECURE), $XDG_DATA_HOME, $XDG_DATA_DIRS and the
// install prefix of the running binary
// (<prefix>/lib/winnow/plugins).
SearchPath default_search_path(const std::vector<std::filesystem::path>& named);

// What this host offers; packages that need more are skipped with a reason.
struct HostFacts {
  std::uint32_t abi_major, min_minor, max_minor;
  std::vector<std::string> interfaces;  // "wn.host.noise/1" ...
  std::string libtorch_version;  // the one this installation was configured with; empty: none
};
HostFacts host_facts();

// One plugin of one package as the registry sees it.
struct FoundPlugin {
  std::shared_ptr<const PackageManifest> package;
  std::size_t plugin_index = 0;
  std::size_t variant_index = 0;
  std::string origin;
  std::string skipped;  // empty: usable; else one sentence: why not
  const PluginManifest& plugin() const { return package->plugins[plugin_index]; }
  const Variant& variant() const { return package->variants[variant_index]; }
  std::filesystem::path library() const { return package->directory / variant().file; }
};

// A folder that could not even be read as a package.
struct BrokenPackage {
  std::filesystem::path path;
  std::string origin, reason;
};

class Registry {
 public:
  // Throws Error(Exit::kPlugin) when a required entry cannot be read.
  static Registry scan(const SearchPath& path, const HostFacts& facts);

  const std::vector<FoundPlugin>& plugins() const {
    return plugins_;
  }  // usable, shadowed and skipped, in scan order
  const std::vector<BrokenPackage>& broken() const { return broken_; }

  // The usable plugin with this id (or alias). Throws Error(Exit::kPlugin): unknown (with the
  // nearest id), of another kind, or skipped (with the reason).
  const FoundPlugin& find(PluginKind kind, const std::string& id) const;

  // Ids of usable plugins of a kind, sorted.
  std::vector<std::string> ids(PluginKind kind) const;

 private:
  std::vector<FoundPlugin> plugins_;
  std::vector<BrokenPackage> broken_;
};

}  // namespace winnow

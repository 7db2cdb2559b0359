// plugin_lock.hpp: winnow-plugins.lock, which says which builds of which plugins the configs beside
// it may use.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/registry.hpp"

namespace winnow {

inline constexpr const char* kLockFile = "winnow-plugins.lock";

struct LockedPlugin {
  std::string kind, package, version;
  std::string manifest;  // sha256 of its winnow-plugin.toml, which holds those of all its files
  std::string library;   // sha256 of the library that was chosen where the lock was made
  bool operator==(const LockedPlugin&) const = default;
};
using PluginLock = std::map<std::string, LockedPlugin>;  // by the plugin's id
// Programs that options may name (host/code_trust.hpp): what they are called, by their hash.
using CodeLock = std::map<std::string, std::string>;

// Throws Error(Exit::kUsage) with all mistakes and their places.
PluginLock read_plugin_lock(const std::filesystem::path& file);
CodeLock read_code_lock(const std::filesystem::path& file);
// Equal locks give equal text.
std::string plugin_lock_text(const PluginLock& lock, const CodeLock& code = {});

// The entry of a plugin whose files are as its manifest says; else Error(Exit::kPlugin).
LockedPlugin locked_as_found(const FoundPlugin& found);

// Empty: `lock` has this build of the plugin; else one sentence.
std::string why_not_locked(const PluginLock& lock, const FoundPlugin& found);

// The ids that a config names.
std::vector<std::string> plugins_of(const RunConfig& config);

// Where `config_file` has a winnow-plugins.lock beside it: all plugins of `ids` are in it, and
// their manifests have its hashes. Else Error(Exit::kPlugin) with both and how to accept what is
// installed. A library other than the locked one is fine when the manifest is the locked one: then
// it is another variant of the same package, and the loader checks it against that manifest.
void require_locked(const std::filesystem::path& config_file, const std::vector<std::string>& ids,
                    const Registry& registry);

}  // namespace winnow

// code_trust.hpp: programs that a plugin is given as an option, such as exported networks: they run
// only where somebody said so.
//
// A plugin's manifest names that option, of type path, by claims = { code = "KEY" }. The plugin may
// have an option trust; "full" allows whatever lies there. Otherwise it must be in the lock.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/plugin_lock.hpp"
#include "host/registry.hpp"

namespace winnow {

// Of a file its sha256; of a folder that of the sorted lines "<sha256>  <name>" of all its files,
// `find -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum` in it. Throws
// Error(Exit::kUsage) when something cannot be read, and for what is neither file nor folder, links
// among them.
std::string sha256_hex_of_code(const std::filesystem::path& path);

// A program that a config names.
struct NamedCode {
  std::string plugin, option;
  std::filesystem::path path;
  bool trusted = false;
};
std::vector<NamedCode> code_of(const FoundPlugin& found, const PluginUse& use);
std::vector<NamedCode> code_of_config(const RunConfig& config, const Registry& registry);

// Each of them is trusted, or its hash is in the winnow-plugins.lock beside `config_file`, or in
// the lock.json of the run directory whose run.toml that is. Else Error(Exit::kPlugin) with the
// hash and both ways to allow it, one of them `winnow plugins lock <words>`; Error(Exit::kUsage)
// where that run was made with another one. What several of them name is hashed once.
void require_trust(const std::filesystem::path& config_file, const std::vector<NamedCode>& named,
                   const std::string& words);

}  // namespace winnow

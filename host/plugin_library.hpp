// plugin_library.hpp: the only file that loads plugins: hash, dlopen (now, local, never unmapped),
// handshake.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/registry.hpp"
#include "winnow/winnow.h"

namespace winnow {

// A loaded library. Loading the same file again gives the same object (per LibraryCache).
// shutdown() is called when the last owner lets go; the code stays mapped.
class PluginLibrary {
 public:
  virtual ~PluginLibrary() = default;
  virtual std::uint32_t minor() const = 0;  // negotiated
  // The descriptor with this id. Throws Error(Exit::kPlugin) when binary and manifest disagree.
  virtual const wn_plugin_1& plugin(const std::string& id) const = 0;
};

// Checks sha256 and size of the variant and the sha256 of data files, then loads and negotiates.
// MXCSR is saved around the load; a change is undone with a warning. Every failure is
// Error(Exit::kPlugin) with one clear sentence: the path, what was found, what was expected.
std::shared_ptr<PluginLibrary> load_library(const FoundPlugin& found);

// Keeps libraries by path so that one process opens each once.
class LibraryCache {
 public:
  std::shared_ptr<PluginLibrary> load(const FoundPlugin& found);

 private:
  std::map<std::filesystem::path, std::shared_ptr<PluginLibrary>> loaded_;
};

}  // namespace winnow

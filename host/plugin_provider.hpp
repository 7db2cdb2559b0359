// plugin_provider.hpp: where each plugin's code runs: in this process, or in one of its own.
#pragma once

#include <memory>

#include "host/config.hpp"
#include "host/isolation/isolated_code.hpp"
#include "host/plugin_code.hpp"

namespace winnow {

// Keeps libraries and processes, so that instances share them. Outlives what it hands out.
class PluginProvider {
 public:
  explicit PluginProvider(const Isolation& isolation) : isolation_(isolation) {}

  // For one instance. As `use` says, else as the run says, else by where the package lies; its
  // manifest cannot bring it into this process, only refuse to be there. Throws
  // Error(Exit::kPlugin).
  std::shared_ptr<PluginCode> code(const FoundPlugin& found, const PluginUse& use);

 private:
  Isolation isolation_;
  LibraryCache libraries_;
  ProcessPool processes_;
};

// Whether a package lies where this installation, or this build, puts its own:
// <prefix>/lib/winnow/plugins.
bool came_with_this_host(const PackageManifest& package);

}  // namespace winnow

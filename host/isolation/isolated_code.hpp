// isolated_code.hpp: plugins whose code runs in processes of its own.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "host/isolation/process.hpp"
#include "host/plugin_code.hpp"

namespace winnow {

// Keeps processes that instances share: those of one plugin that may read the same files.
class ProcessPool {
 public:
  std::shared_ptr<PluginProcess> process(const FoundPlugin& found,
                                         const std::vector<std::filesystem::path>& options,
                                         const Isolation& isolation);

 private:
  std::map<std::string, std::shared_ptr<PluginProcess>> shared_;
};

// For one instance of a plugin that may not be in the host's process; isolation.mode is kPlugin or
// kInstance. The pool must outlive create().
std::shared_ptr<PluginCode> isolated_code(const FoundPlugin& found, const Isolation& isolation,
                                          ProcessPool& pool);

}  // namespace winnow

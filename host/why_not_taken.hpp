// why_not_taken.hpp: for every plugin that was seen, whether a config that names it would get it.
#pragma once

#include <string>
#include <vector>

#include "host/plugin_lock.hpp"
#include "host/registry.hpp"

namespace winnow {

struct Verdict {
  const FoundPlugin* plugin;  // of the registry
  std::string why_not;        // empty: it is taken; else one sentence
};

// In scan order. Beside what the registry says: what the loader checks about the files of a plugin
// that would be taken, which reads all of them, and whether `lock` allows it (null: there is none).
// Runs none of their code.
std::vector<Verdict> verdicts(const Registry& registry, const PluginLock* lock);

}  // namespace winnow

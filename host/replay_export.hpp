// replay_export.hpp: the table of a run's scores by task, seed and time, for the sampler
// winnow.replay (docs/replay.md).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/registry.hpp"

namespace winnow {

struct ReplayExport {
  std::size_t tasks = 0, seeds = 0;
  std::vector<double> times;           // falling, the last one 0
  std::vector<std::string> verifiers;  // those that judged every one
  std::vector<std::string> left_out;   // those that did not
  // Paths of the run. Left out of them: those from noises that the search moved, those that lack a
  // time, those of tasks with more than the others.
  std::size_t paths = 0, moved = 0, incomplete = 0, surplus = 0;
};

// A path is a START from a fresh noise and the candidates that go on from it with that noise, along
// the schedule; a seed is a path that was judged at every time at which any was, and every task has
// as many as the one with the fewest. `directory` is a run directory of `config`. Loads the sampler
// for its prices. Throws Error(Exit::kUsage) where nothing can be exported, or, unless `survivors`,
// where some paths were given up: what is left is what the search chose. Error(Exit::kJournal) for
// damage, Error(Exit::kResources) when `out` cannot be written.
ReplayExport export_replay(const std::filesystem::path& directory, const RunConfig& config,
                           const Registry& registry, const std::filesystem::path& out,
                           bool survivors = false);

}  // namespace winnow

// whole_run.hpp: what the throughput benches share.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "host/run.hpp"

namespace winnow::bench {

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Seconds of a whole run into the folder `out`, which is emptied before.
inline double whole_run(const Registry& registry, const std::filesystem::path& config_file,
                        const std::filesystem::path& out) {
  std::filesystem::remove_all(out);
  const auto start = Clock::now();
  const RunConfig config = load_config(config_file, {}, registry);
  execute_run({.config = config,
               .registry = registry,
               .directory = out,
               .stop = nullptr,
               .on_progress = {},
               .on_notice = {}});
  return since(start);
}

// "--name 3" among the words of a command line.
inline int option(const std::vector<std::string>& words, const std::string& name, int fallback) {
  const auto found = std::ranges::find(words, name);
  return found == words.end() || found + 1 == words.end() ? fallback : std::stoi(*(found + 1));
}

}  // namespace winnow::bench

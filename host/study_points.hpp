// study_points.hpp: a study's runs, each with its checked config and the folder it lives in.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "host/study_config.hpp"

namespace winnow {

struct StudyPoint {
  std::string sweep;  // its label, or that of the pool
  std::string label;  // for people: "random, search.candidates = 4, seed 1"
  std::vector<std::pair<std::string, Cell>> columns;  // constant ones of the sweep, then the axes
  std::uint64_t seed = 0;
  bool is_pool = false;
  // Indices of earlier points to replay from: the pools that its sweep names, then points that
  // differ in nothing but the budget and keep all samples. The latter may be missing.
  std::vector<std::size_t> pools;
  std::size_t named_pools = 0;  // how many of them the sweep names
  RunConfig config;
  std::string folder;  // run_folder(config)
};

// All runs in the order in which they are made: seed by seed, pools first. Every config is loaded,
// so that what is wrong in the last one is known before the first one starts: Error(Exit::kUsage or
// kPlugin) that ends with the point's label.
std::vector<StudyPoint> study_points(const Study& study, const Registry& registry);

// Indices of what is made for the sweep `only` (empty: for all): its points and the pools that it
// names, in their order.
std::set<std::size_t> wanted_points(const std::vector<StudyPoint>& points, const std::string& only);

// "random-400nfe-seed1-0123456789ab": for people, and a hash of all resolved settings, so that
// equal runs of several studies share a folder and different ones never do.
std::string run_folder(const RunConfig& config);

}  // namespace winnow

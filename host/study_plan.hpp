// study_plan.hpp: what a study will cost, before it is made.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "host/study_points.hpp"

namespace winnow {

struct StudyPlan {
  std::size_t runs = 0, finished = 0;  // folders; runs that several points share count once
  double nfe = 0;                      // of runs that are not finished and have no pool
  double pool_nfe = 0;    // charged by those with one: what the pool holds is not walked
  bool exact = true;      // false: upper bounds
  double disk_bytes = 0;  // at most
};

// What `winnow study --only ONLY` would make (empty: all). `seen`: folders that were counted before
// (by another study), and those of this one after it.
StudyPlan plan_study(const std::vector<StudyPoint>& points, const std::string& only,
                     const Registry& registry, const std::filesystem::path& out,
                     std::set<std::string>& seen);

}  // namespace winnow

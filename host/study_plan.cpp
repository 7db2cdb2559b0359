// study_plan.cpp: plans of all points, summed.
#include "host/study_plan.hpp"

#include <fmt/format.h>

#include <map>

#include "host/run.hpp"
#include "host/study_run.hpp"

namespace winnow {
namespace {

Plan plan_point(const StudyPoint& point, const Registry& registry) {
  try {
    return make_plan(point.config, registry, /*measure=*/false);
  } catch (const Error& error) {
    throw Error(error.exit(), fmt::format("{}: {}", point.label, error.what()));
  }
}

}  // namespace

StudyPlan plan_study(const std::vector<StudyPoint>& points, const std::string& only,
                     const Registry& registry, const std::filesystem::path& out,
                     std::set<std::string>& seen) {
  StudyPlan total;
  FinishedRuns finished;
  std::map<std::string, Plan> plans;  // by everything but the seed, which costs nothing
  for (const std::size_t i : wanted_points(points, only)) {
    const StudyPoint& point = points[i];
    if (!seen.insert(point.folder).second) continue;
    ++total.runs;
    if (finished.has(runs_folder(out) / point.folder, point.config)) {
      ++total.finished;
      continue;
    }
    RunConfig unseeded = point.config;
    unseeded.seed = 0;
    const std::string key = resolved_toml(unseeded);
    auto known = plans.find(key);
    if (known == plans.end()) known = plans.emplace(key, plan_point(point, registry)).first;
    const Plan& plan = known->second;
    const double nfe = plan.ledger.search_nfe + plan.ledger.final_nfe;
    (point.pools.empty() ? total.nfe : total.pool_nfe) += nfe;
    total.exact = total.exact && plan.exact;
    total.disk_bytes += static_cast<double>(plan.disk_bytes);
  }
  return total;
}

}  // namespace winnow

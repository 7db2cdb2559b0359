// plan.hpp: what a run will cost, from living plugins.
#pragma once

#include "host/assembly.hpp"
#include "host/run.hpp"

namespace winnow {

// As make_plan. Pretends to run one task, with every score zero, and multiplies.
Plan plan_run(const RunConfig& config, Assembly& assembly, bool measure);

}  // namespace winnow

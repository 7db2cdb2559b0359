// study_keys.hpp: the table of everything a study may hold; the reader checks against it.
#pragma once

#include <vector>

#include "host/config_keys.hpp"

namespace winnow {

// "study", "metrics", "pool", "sweep", "axes" (of a sweep), "figure", "quick". Keys whose values
// are tables or lists of tables stand here by name only.
std::vector<ConfigSection> study_sections();

}  // namespace winnow

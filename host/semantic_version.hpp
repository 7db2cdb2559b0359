// semantic_version.hpp: which of two package versions is newer.
#pragma once

#include <compare>
#include <string>

namespace winnow {

// Precedence by Semantic Versioning 2.0.0, section 11 (semver.org): 1.2.9 < 1.2.10 < 2.0.0-rc.1 <
// 2.0.0; what stands behind a '+' does not count. Both are versions as manifests have them.
std::weak_ordering compare_versions(const std::string& a, const std::string& b);

}  // namespace winnow

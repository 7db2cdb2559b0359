// variant.hpp: whether a variant of a package fits this machine and this host.
#pragma once

#include <string>

#include "host/manifest.hpp"
#include "host/registry.hpp"

namespace winnow {

// "": all conditions of the variant hold; else the first that does not, e.g. "cpu has no avx512f".
std::string why_not(const Variant& variant, const HostFacts& facts);

// Does dotted `version` ("2.13.0") fulfil `need`: comma-separated "==2.13.*", "==2.13.0", ">=2.6",
// "<3"? Missing parts count as 0; what cannot be read is never fulfilled.
bool version_fulfils(const std::string& version, const std::string& need);

}  // namespace winnow

// interface_needs.hpp: what a search needs of the plugins beside it, told from manifests alone.
#pragma once

#include "host/config.hpp"
#include "host/registry.hpp"

namespace winnow {

// Throws Error(Exit::kUsage) with the names of both when the search's manifest claims to need
// (needs_renoise, needs_gradient, needs_preview_gradient, needs_magnitudes) what the manifest of
// the sampler or of a selecting verifier does not provide, or what the selection rule cannot give.
// An Assembly asks the loaded plugins the same.
void check_interface_needs(const RunConfig& config, const Registry& registry);

}  // namespace winnow

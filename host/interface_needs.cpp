// interface_needs.cpp: see interface_needs.hpp.
#include "host/interface_needs.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/error.hpp"
#include "host/selection.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

bool provides(const Registry& registry, PluginKind kind, const std::string& id, const char* table) {
  const auto& provided = registry.find(kind, id).plugin().provides;
  return std::find(provided.begin(), provided.end(), table) != provided.end();
}

}  // namespace

void check_interface_needs(const RunConfig& config, const Registry& registry) {
  const PluginManifest& search = registry.find(PluginKind::kSearch, config.search.id).plugin();
  const auto refuse = [&](const std::string& why) {
    throw Error(Exit::kUsage, search.id + " " + why);
  };
  const std::string& sampler = config.sampler.id;
  if (search.claims_true("needs_renoise") &&
      !provides(registry, PluginKind::kSampler, sampler, WN_SAMPLER_RENOISE_1))
    refuse(fmt::format("goes back to noise, but {} has no renoise", sampler));
  if (search.claims_true("needs_magnitudes") && is_pooled(config.rule))
    refuse(
        "needs scores on a fixed scale, but selection.rule judges within a pool; take "
        "\"weighted-sum\"");
  if (!search.claims_true("needs_gradient") && !search.claims_true("needs_preview_gradient"))
    return;
  if (!provides(registry, PluginKind::kSampler, sampler, WN_SAMPLER_VJP_1))
    refuse(fmt::format("follows gradients, but {} has no vjp", sampler));
  if (is_pooled(config.rule))
    refuse(
        "follows gradients, but selection.rule ranks within a pool, and ranks have no gradient; "
        "take \"weighted-sum\"");
  for (const VerifierUse& verifier : config.verifiers)
    if (verifier.role == VerifierRole::kSelect &&
        !provides(registry, PluginKind::kVerifier, verifier.use.id, WN_VERIFIER_GRAD_1))
      refuse(fmt::format("follows gradients, but {} has no grad", verifier.use.id));
}

}  // namespace winnow

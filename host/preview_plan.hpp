// preview_plan.hpp: where on its way a candidate is looked at for verifiers that want a preview
// (wn_verifier_info.preview_time), and what that costs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/guard.hpp"

namespace winnow {

// For each wanted time the step of the leg before which the preview is made: the nearest of the
// times where steps begin, of two equally near ones the noisier.
std::vector<std::size_t> preview_steps(const Leg& leg, std::span<const double> wanted);

// NFE of one preview. `evaluated`: the latent carries its evaluation already.
double preview_price(const SamplerInfo& info, bool evaluated);

// NFE of a leg with these previews on its way, each of which saves the step after it
// `preview_credit`. `start_evaluated`: the leg's first latent carries its evaluation already.
double leg_price(const Leg& leg, std::span<const double> wanted, const SamplerInfo& info,
                 bool start_evaluated);

}  // namespace winnow

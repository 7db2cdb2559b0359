// verifier_statistics.hpp: what the summary of a run says of every verifier, as a mean with its
// interval and quantiles.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/set_metrics.hpp"

namespace winnow {

inline constexpr std::array<double, 5> kQuantiles = {0.05, 0.25, 0.5, 0.75, 0.95};

struct VerifierStatistics {
  std::string name;
  std::uint64_t n = 0;  // samples that it scored, at least 1
  Estimate mean;        // percentile bootstrap over the samples
  std::array<double, kQuantiles.size()> quantiles{};
};

// Of the chosen samples, or of the first candidates, of all tasks of a summary.json; a verifier
// without scores is left out. In the order in which the summary first names them.
std::vector<VerifierStatistics> verifier_statistics(const nlohmann::ordered_json& summary,
                                                    bool first, const MetricOptions& options);

}  // namespace winnow

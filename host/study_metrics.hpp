// study_metrics.hpp: the set metrics of runs, each computed once.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "host/feature_network.hpp"
#include "host/study_table.hpp"

namespace winnow {

// Metrics of the chosen samples of runs by one feature network. What was computed is kept in
// <out>/metrics, under a name that holds a hash of everything it depends on, so that a table is
// made again in seconds; the folder can be deleted at any time. Not thread-safe, not movable.
class StudyMetricsReader {
 public:
  // Loads nothing but the reference; the network when the first run needs it. Throws
  // Error(Exit::kUsage) for a reference that cannot be read.
  StudyMetricsReader(const StudyMetrics& metrics, const Registry& registry,
                     const std::filesystem::path& out);
  StudyMetricsReader(const StudyMetricsReader&) = delete;

  // Throws Error(Exit::kUsage) when the reference was made by another network, and what
  // FeatureNetwork throws.
  void check();

  // "inception_score", "inception_score_low", ... of a finished run. Throws what FeatureNetwork and
  // set_metrics throw.
  Fields operator()(const std::filesystem::path& run);

 private:
  FeatureNetwork& network();
  Fields compute(const std::filesystem::path& run);

  const StudyMetrics& metrics_;
  const Registry& registry_;
  std::filesystem::path folder_;
  std::string settings_;  // what the numbers depend on beside the run
  std::optional<Reference> reference_;
  std::unique_ptr<FeatureNetwork> network_;
};

}  // namespace winnow

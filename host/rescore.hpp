// rescore.hpp: the saved samples of a finished run under another verifier, and how the choice would
// change.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/saved_run.hpp"

namespace winnow {

struct NewScore {
  double value;         // head 0; NaN: it failed
  std::string failure;  // empty: it did not
};

struct Rescored {
  std::vector<std::vector<NewScore>> scores;  // as the samples of the run's tasks
  // By task the sample that the new verifier would choose; the chosen one where it is as good as
  // the best. Nothing when not all candidates were kept, or none could be scored.
  std::vector<std::optional<std::size_t>> choice;
  bool set_level = false;        // rated as additions to the choices of the tasks before
  bool wanted_previews = false;  // it looks at previews, which are not saved: it saw the samples
};

// Makes the verifier and shows it every sample, as it was written (8 bits), with the condition of
// its task, in batches. Throws Error(Exit::kPlugin) when it cannot be made or gives up a batch,
// Error(Exit::kUsage) for pictures that cannot be read.
Rescored rescore(const SavedRun& run, const Registry& registry, const PluginUse& verifier);

// Means over the tasks that have all that is compared; NaN: there is no such task.
struct MeanScore {
  std::string name;                // of a verifier of the run; empty: the new one
  double first, chosen, would_be;  // of the first candidates, the choices, the new choices
  std::uint64_t tasks = 0;
};

// How alike the new verifier and one of the run's order the samples (rank_correlation.hpp).
struct Agreement {
  std::string name;
  double within;            // mean over the tasks that have one; NaN: none has
  std::uint64_t tasks = 0;  // so many
  double over_all;          // of all samples of the run
  std::uint64_t samples = 0;
};

struct RescoreSummary {
  std::uint64_t samples = 0, failed = 0;    // scored now, and how many of them could not be
  std::uint64_t compared = 0, changed = 0;  // tasks with two choices; with two different ones
  bool task_failed = false;                 // every sample of some task failed
  std::vector<MeanScore> means;             // the run's verifiers, then the new one
  std::vector<Agreement> agreements;        // the run's verifiers
};
RescoreSummary summary_of(const SavedRun& run, const Rescored& rescored);

}  // namespace winnow

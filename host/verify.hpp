// verify.hpp: a random share of a run's candidates made again, compared with what its journal
// says, and with themselves, so that the claims of the plugins are proven or refuted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/registry.hpp"

namespace winnow {

struct VerifyRequest {
  double share = 0.01;     // of the candidates with a result; at least one is made
  std::uint64_t seed = 0;  // of the choice
  // Of the median difference between a verifier's scores and the journal's, relative to the larger
  // of |score| and the spread of its scores in this run.
  double tolerance = 1e-2;
};

// One claim of one plugin, or the same question where it claims nothing.
struct ClaimVerdict {
  std::string plugin, claim;  // "deterministic" or "batch_invariant"
  bool claimed = false;
  std::uint64_t held = 0, tried = 0;
  std::string counterexample;  // the first: "task 3, candidate 17"
  bool refuted() const { return claimed && held < tried; }
  bool untried() const { return tried == 0; }  // a deterministic run pads its batches
};

struct Verification {
  std::uint64_t candidates = 0, made = 0;  // with a result; made again
  std::uint64_t hashes_equal = 0;
  bool hashes_must_be_equal = false;  // deterministic, one batch size, and the same plugin files
  std::vector<std::string> notes;     // what limits the verdict: other plugin files, a torn journal
  struct Difference {
    std::string verifier;
    std::uint64_t compared = 0;
    double largest = 0, median = 0;  // |again - journal| / max(|journal|, spread of the run's)
  };
  std::vector<Difference> differences;  // by verifier, as in the config
  std::vector<ClaimVerdict> claims;
  std::vector<std::string> faults;  // sentences; empty: the run is what it says
  bool same_bits() const;           // of all samples and scores that were compared
};

// Every chosen candidate is made twice, alone: once against once shows whether sampler and
// verifiers are deterministic; what is, is compared with the journal, which shows whether the batch
// that it was made in mattered. Candidates only: final generations are not made again, and sets'
// scores hang on what was accepted before. Throws Error for what is no readable run, and
// Error(Exit::kUsage) when nothing has a result.
Verification verify_run(const RunConfig& config, const Registry& registry,
                        const std::filesystem::path& run, const VerifyRequest& request);

}  // namespace winnow

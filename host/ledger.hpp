// ledger.hpp: what was spent, by kind. Logical counters do not depend on how the run was executed;
// the others do.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace winnow {

struct Ledger {               // logical: the same for any batch size, cache and interruption
  double search_nfe = 0;      // once per step of a candidate, failed ones included
  double final_nfe = 0;       // final generation, outside the search budget
  double backward_nfe = 0;    // gradient noises
  double network_passes = 0;  // NFE times passes per NFE (2 with classifier-free guidance)
  std::uint64_t candidates = 0;
  std::uint64_t failed_candidates = 0;
  std::uint64_t previews = 0;
  std::uint64_t decoded = 0;                            // samples and previews
  std::map<std::string, std::uint64_t> verifier_calls;  // samples scored, by the verifier's name

  Ledger& operator+=(const Ledger& other);
  bool operator==(const Ledger&) const = default;
};

// How the work was done; differs between repetitions.
struct Effort {
  double recomputed_nfe =
      0;  // work made again: evicted latents, parents after a resume, work lost by a kill
  std::uint64_t replayed_candidates = 0;  // results taken from recorded pools, not made
  double replayed_nfe = 0;                // what they, and such final samples, are charged
  double seconds = 0;                     // wall clock, over all parts of the run
  double sampler_seconds = 0;
  std::map<std::string, double> verifier_seconds;
  std::uint64_t batches = 0;
  std::uint32_t parts = 1;  // times the run was started
};

nlohmann::ordered_json to_json(const Ledger& ledger);
nlohmann::ordered_json to_json(const Effort& effort);
// Throws nlohmann::json::exception when a counter is missing.
Ledger ledger_from(const nlohmann::ordered_json& json);

}  // namespace winnow

// ledger.cpp: the ledger as JSON, the form in which summary.json and `plan --json` show it.
#include "host/ledger.hpp"

namespace winnow {

nlohmann::ordered_json to_json(const Ledger& ledger) {
  return {{"search_nfe", ledger.search_nfe},
          {"final_nfe", ledger.final_nfe},
          {"backward_nfe", ledger.backward_nfe},
          {"network_passes", ledger.network_passes},
          {"candidates", ledger.candidates},
          {"failed_candidates", ledger.failed_candidates},
          {"previews", ledger.previews},
          {"decoded", ledger.decoded},
          {"verifier_calls", ledger.verifier_calls}};
}

nlohmann::ordered_json to_json(const Effort& effort) {
  return {{"recomputed_nfe", effort.recomputed_nfe},
          {"seconds", effort.seconds},
          {"sampler_seconds", effort.sampler_seconds},
          {"verifier_seconds", effort.verifier_seconds},
          {"batches", effort.batches},
          {"parts", effort.parts}};
}

}  // namespace winnow

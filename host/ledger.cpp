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
          {"replayed_candidates", effort.replayed_candidates},
          {"replayed_nfe", effort.replayed_nfe},
          {"seconds", effort.seconds},
          {"sampler_seconds", effort.sampler_seconds},
          {"verifier_seconds", effort.verifier_seconds},
          {"batches", effort.batches},
          {"parts", effort.parts}};
}

Ledger ledger_from(const nlohmann::ordered_json& json) {
  Ledger ledger;
  json.at("search_nfe").get_to(ledger.search_nfe);
  json.at("final_nfe").get_to(ledger.final_nfe);
  json.at("backward_nfe").get_to(ledger.backward_nfe);
  json.at("network_passes").get_to(ledger.network_passes);
  json.at("candidates").get_to(ledger.candidates);
  json.at("failed_candidates").get_to(ledger.failed_candidates);
  json.at("previews").get_to(ledger.previews);
  json.at("decoded").get_to(ledger.decoded);
  for (const auto& [name, calls] : json.at("verifier_calls").items())
    ledger.verifier_calls[name] = calls.get<std::uint64_t>();
  return ledger;
}

Ledger& Ledger::operator+=(const Ledger& other) {
  search_nfe += other.search_nfe;
  final_nfe += other.final_nfe;
  backward_nfe += other.backward_nfe;
  network_passes += other.network_passes;
  candidates += other.candidates;
  failed_candidates += other.failed_candidates;
  previews += other.previews;
  decoded += other.decoded;
  for (const auto& [name, calls] : other.verifier_calls) verifier_calls[name] += calls;
  return *this;
}

}  // namespace winnow

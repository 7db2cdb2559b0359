// cli_verify.cpp: the verb that makes a share of a run's candidates again: verify.
#include <fmt/format.h>

#include "host/cli_verbs.hpp"
#include "host/code_trust.hpp"
#include "host/figures.hpp"
#include "host/verify.hpp"

namespace winnow {
namespace {

using nlohmann::ordered_json;

const char* verdict_of(const ClaimVerdict& claim) {
  if (claim.untried()) return "not tried";
  if (claim.refuted()) return "refuted";
  if (claim.claimed) return "holds";
  return claim.held == claim.tried ? "not claimed, held" : "not claimed, did not hold";
}

std::string claims_text(const Verification& result) {
  std::vector<std::vector<std::string>> rows = {{"plugin", "claim", "verdict", "held"}};
  for (const ClaimVerdict& claim : result.claims)
    rows.push_back({claim.plugin, claim.claim, verdict_of(claim),
                    fmt::format("{} of {}", claim.held, claim.tried)});
  return table_text(rows);
}

std::string differences_text(const Verification& result) {
  std::vector<std::vector<std::string>> rows = {
      {"verifier", "compared", "median difference", "largest"}};
  for (const auto& difference : result.differences)
    if (difference.compared == 0)
      rows.push_back({difference.verifier, "0", "-", "-"});
    else
      rows.push_back({difference.verifier, std::to_string(difference.compared),
                      fmt::format("{:.2g}", difference.median),
                      fmt::format("{:.2g}", difference.largest)});
  return table_text(rows);
}

std::string closing(const Verification& result, double tolerance) {
  if (!result.faults.empty()) return "\n";
  if (result.same_bits()) return "\nwhat was made again is what the journal says\n";
  return fmt::format(
      "\nwhat was made again differs from the journal, the scores by no more than "
      "--tolerance {:g} in the median\n",
      tolerance);
}

ordered_json to_json(const Verification& result) {
  ordered_json json = {{"candidates", result.candidates},
                       {"made", result.made},
                       {"hashes_equal", result.hashes_equal},
                       {"hashes_must_be_equal", result.hashes_must_be_equal},
                       {"same_bits", result.same_bits()},
                       {"differences", ordered_json::array()},
                       {"claims", ordered_json::array()},
                       {"notes", result.notes},
                       {"faults", result.faults}};
  for (const auto& difference : result.differences)
    json["differences"].push_back({{"verifier", difference.verifier},
                                   {"compared", difference.compared},
                                   {"median", difference.median},
                                   {"largest", difference.largest}});
  for (const ClaimVerdict& claim : result.claims)
    json["claims"].push_back({{"plugin", claim.plugin},
                              {"claim", claim.claim},
                              {"claimed", claim.claimed},
                              {"held", claim.held},
                              {"tried", claim.tried},
                              {"counterexample", claim.counterexample}});
  return json;
}

}  // namespace

Answer verify_verb(const CommandLine& line) {
  std::error_code failed;
  if (!std::filesystem::is_directory(line.directory, failed))
    throw Error(Exit::kUsage, fmt::format("'{}' is no run directory", line.directory.string()));
  const Registry registry = scan_plugins(line);
  const RunConfig config = load_config(config_file(line.directory), {}, registry);
  require_trust(config_file(line.directory), code_of_config(config, registry),
                words_to_lock(config_file(line.directory), line));
  const Verification result =
      verify_run(config, registry, line.directory,
                 {.share = line.share, .seed = line.seed, .tolerance = line.tolerance});
  Answer answer;
  answer.exit = result.faults.empty() ? Exit::kDone : Exit::kPlugin;
  answer.text =
      fmt::format("{}: {} of {} candidates made again, {} with the same bits{}\n\n",
                  line.directory.string(), result.made, result.candidates, result.hashes_equal,
                  result.hashes_must_be_equal || result.hashes_equal == result.made
                      ? ""
                      : " (only deterministic = true promises them)") +
      differences_text(result) + "\n" + claims_text(result);
  for (const std::string& fault : result.faults) answer.text.append("\n").append(fault);
  for (const std::string& note : result.notes) answer.text.append("\nnote: ").append(note);
  answer.text += closing(result, line.tolerance);
  answer.json = to_json(result);
  answer.json["exit"] = static_cast<int>(answer.exit);
  return answer;
}

}  // namespace winnow

// cli_verbs.hpp: the verbs of the command line: a parsed line in, an answer out. They throw Error;
// whoever calls them prints.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/cli.hpp"
#include "host/cli_parser.hpp"
#include "host/error.hpp"
#include "host/progress.hpp"
#include "host/registry.hpp"
#include "host/run.hpp"

namespace winnow {

// `text` is printed, or `json` under --json; the exit code is the same.
struct Answer {
  Exit exit = Exit::kDone;
  std::string text;  // whole lines; empty: nothing to print
  nlohmann::ordered_json json;
};

// Messages go to spdlog, which must write above `progress`.
Answer run_verb(const CommandLine& line, const StopSignals& signals, ProgressPrinter& progress);
Answer study_verb(const CommandLine& line, const StopSignals& signals, ProgressPrinter& progress);
Answer recommend_verb(const CommandLine& line);
Answer export_verb(const CommandLine& line);
Answer plan_verb(const CommandLine& line);
Answer check_verb(const CommandLine& line);
Answer show_verb(const CommandLine& line);
Answer verify_verb(const CommandLine& line);
Answer status_verb(const CommandLine& line);
Answer stats_verb(const CommandLine& line);
Answer metrics_verb(const CommandLine& line);
Answer rescore_verb(const CommandLine& line);
Answer plugins_list_verb(const CommandLine& line);
Answer plugins_info_verb(const CommandLine& line);
Answer plugins_new_verb(const CommandLine& line);
Answer plugins_inspect_verb(const CommandLine& line);
Answer plugins_pack_verb(const CommandLine& line);
Answer plugins_install_verb(const CommandLine& line);
Answer plugins_remove_verb(const CommandLine& line);
Answer plugins_verify_verb(const CommandLine& line);
Answer plugins_lock_verb(const CommandLine& line);
// The words behind `winnow plugins lock` that allow what a config with the line's overrides, or a
// study, names.
std::string words_to_lock(const std::filesystem::path& file, const CommandLine& line);
Answer plugins_docs_verb(const CommandLine& line);
// `print` writes results as they come, unless under --json.
Answer plugins_check_verb(const CommandLine& line,
                          const std::function<void(const std::string&)>& print);
Answer docs_configuration_verb(const CommandLine& line);
Answer docs_check_verb();
Answer version_verb();

// All packages that the --plugin arguments, the environment and the installation offer.
Registry scan_plugins(const CommandLine& line);

// The usable plugin of this id or alias, of any kind, else the first that is not usable. Throws
// Error(Exit::kPlugin) with the nearest id.
const FoundPlugin& find_any_plugin(const Registry& registry, const std::string& id);

// The file to read: `config` itself, or the run.toml in it when it is a run directory. Neither:
// Error(Exit::kUsage).
std::filesystem::path config_file(const std::filesystem::path& config);

// The mean over the tasks of a summary of one verifier's scores: of the first candidates and of the
// chosen samples, where both are there; where no task has a first one, of the chosen samples alone.
// NaN: none.
struct MeanScores {
  double first, best;
  std::size_t scored, chosen;  // chosen samples that it scored, and all of them
};
MeanScores mean_scores(const nlohmann::ordered_json& summary, const std::string& verifier);

// What a finished run tells people.
std::string run_text(const RunConfig& config, const std::filesystem::path& directory,
                     const RunOutcome& outcome);

// "best", "17", "3/17", "3/best": task and candidate (0: the best). `task` is --task. Otherwise
// Error(Exit::kUsage).
struct CandidateName {
  std::uint64_t task, candidate;
};
CandidateName parse_candidate(const std::string& text, std::uint64_t task);

}  // namespace winnow

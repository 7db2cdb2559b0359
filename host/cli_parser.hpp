// cli_parser.hpp: the words of a command line, as a struct; mistakes come with the nearest valid
// word.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace winnow {

enum class Verb {
  kHelp,
  kVersion,
  kRun,
  kStudy,
  kRecommend,
  kExport,
  kPlan,
  kCheck,
  kShow,
  kVerify,
  kStatus,
  kStats,
  kMetrics,
  kRescore,
  kPluginsList,
  kPluginsInfo,
  kPluginsNew,
  kPluginsInspect,
  kPluginsPack,
  kPluginsInstall,
  kPluginsRemove,
  kPluginsVerify,
  kPluginsLock,
  kPluginsDocs,
  kPluginsCheck,
  kDocsConfiguration,
  kDocsCheck,
};

// plugins check. The package or id is `id`, its options are `overrides`, one test is `only`.
struct PluginCheck {
  int level = 5;
  std::optional<std::uint64_t> seed;  // nothing: a random one
  double seconds = 120;               // that a test may take
  bool list = false, in_process = false;
  std::string shape;  // of pictures: "3x64x64"
  std::optional<std::string> prompt;
  std::string junit;  // a file
};

// Verb by verb only the fields that its help names are set.
struct CommandLine {
  Verb verb = Verb::kHelp;
  std::string help;  // the text to print for kHelp
  bool json = false, quiet = false;
  int verbose = 0;

  std::filesystem::path config;                // a TOML file, or a run directory
  std::vector<std::filesystem::path> studies;  // study: TOML files
  std::vector<std::string> overrides;          // key=value; stats, metrics, rescore: options
  std::vector<std::filesystem::path> plugins;  // --plugin
  std::filesystem::path out;                   // a folder; show: a PNG; rescore, pack: a file
  std::string progress = "auto";
  bool quick = false, plan = false, table = false;  // study
  std::string only;                                 // study: a sweep; empty: all
  std::size_t jobs = 1;                             // study: runs at once
  bool worker = false;                              // study: makes points for another process
  bool attach = false;                              // run
  bool measure = true;                              // plan
  bool load = false, print = false;                 // check
  std::filesystem::path directory;        // show, status, verify, rescore, recommend, export
  std::string candidate = "best";         // show: "best", "17", "3/17", "3/best"
  std::uint64_t task = 0;                 // show
  double share = 0.01, tolerance = 1e-2;  // verify
  std::string id;                         // rescore, plugins info, inspect ...; plugins new: a name
  std::string kind;                 // plugins list: "sampler", "verifier", "search" or "": all
  bool why = false;                 // plugins list
  std::string language = "cpp";     // plugins new
  std::filesystem::path package;    // plugins pack, install
  bool force = false;               // plugins install
  std::vector<std::string> locked;  // plugins lock: configs, overrides behind them, studies and ids
  std::filesystem::path lock_file;  // plugins lock

  PluginCheck plugin_check;

  // recommend
  double budget = 0;
  std::string metric = "judge_mean", over = "search";
  std::vector<std::string> where;
  bool survivors = false;  // export

  // stats and metrics
  std::filesystem::path set, reference;
  std::string features;                // a verifier's id
  bool first = false, half = false;    // --first of a run directory; stats: rows as float16
  std::optional<std::uint64_t> count;  // at most so many pictures
  std::uint64_t seed = 0, rows = 2000;
  std::uint32_t resamples = 200, neighbours = 3;
};

// `arguments` without the program's name. Throws Error(Exit::kUsage) for everything it cannot read,
// with the nearest verb, flag or value.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

// Whether --json stands among the flags; for mistakes, which end the parsing before it is known.
bool asks_for_json(const std::vector<std::string>& arguments);

}  // namespace winnow

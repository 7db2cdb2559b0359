// config.hpp: a run's TOML file, its includes and the overrides, checked into plain structs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/isolation/isolation.hpp"
#include "host/options.hpp"
#include "host/registry.hpp"

namespace winnow {

struct PluginUse {
  std::string id;                    // canonical (aliases resolved)
  std::vector<OptionValue> options;  // checked, defaults filled in, sorted by key
  Isolate isolate = Isolate::kDefault;
};

enum class VerifierRole { kSelect, kReport };
struct VerifierUse {
  PluginUse use;
  std::string name;     // unique; default: the last part of the id
  double weight = 1.0;  // > 0
  VerifierRole role = VerifierRole::kSelect;
};

enum class SelectionRule { kSingle, kWeightedSum, kMeanRank, kZSum, kWorstRank };

// The caps hold per task, but for seconds; the first one reached wins. At least one is set, or the
// search ends by itself.
struct Budget {
  std::optional<std::uint64_t> nfe;         // search NFE of each task
  std::optional<std::uint64_t> candidates;  // candidates of each task (RESCORE is free)
  std::optional<double> seconds;            // of the whole run, over all its parts
};

struct TaskSpec {
  std::int64_t class_id = -1;
  std::string prompt;
  std::filesystem::path image;  // PNG, given as the condition's tensor "image"; empty: none
};

enum class Keep { kNone, kBest, kAll };

// How the work is done; never what comes out of it. These may differ between the parts of a resumed
// run.
struct Execution {
  std::uint32_t batch = 0;                   // 0: the sampler's preferred batch
  std::uint64_t cache_bytes = 256ull << 20;  // latents kept for children
  std::vector<std::filesystem::path> pools;  // run directories to take results from, absolute
  Isolation isolation;
};

struct RunConfig {
  std::string name = "run";
  std::uint64_t seed = 0;
  bool deterministic = false;
  Budget budget;
  std::vector<TaskSpec> tasks;  // after `repeat`: all classes in order, then again
  PluginUse sampler;
  std::vector<VerifierUse> verifiers;
  SelectionRule rule = SelectionRule::kSingle;
  PluginUse search;
  Keep keep = Keep::kBest;
  std::filesystem::path output_dir;  // absolute; empty: --out decides
  Execution execution;
};

// Reads `file` (with includes), applies `overrides` ("search.candidates=64", right side TOML),
// checks everything against the registry's option tables. All mistakes are thrown at once:
// Error(Exit::kUsage) with the rendered text. A plugin that is named but cannot be used:
// Error(Exit::kPlugin) if that is the only mistake.
RunConfig load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                      const Registry& registry);

// The whole config as TOML, every default written out, keys in fixed order, paths absolute: equal
// configs give equal text. [execution], output.dir and isolate are left out: they do not change
// results.
std::string resolved_toml(const RunConfig& config);

// Key by key: "search.candidates: 16 -> 32", one per line; empty: equal.
std::string config_difference(const std::string& old_toml, const std::string& new_toml);

// A page of Markdown generated from the tables that load_config checks against and the registry's
// options.
std::string configuration_page(const Registry& registry);

}  // namespace winnow

// config_keys.cpp: the table itself.
#include "host/config_keys.hpp"

#include <algorithm>

#include "host/config_key_builders.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

ConfigKey above(ConfigKey key, double min) {
  key.spec.min = min;
  key.spec.min_open = true;
  return key;
}

ConfigKey one_of(ConfigKey key, std::vector<OptionChoice> choices) {
  key.spec.choices = std::move(choices);
  return key;
}

ConfigKey described(ConfigKey key, const std::string& default_text, const std::string& also = "") {
  key.default_text = default_text;
  key.also = also;
  return key;
}

ConfigKey plugin_key(const std::string& kind) {
  ConfigKey result = key("plugin", WN_OPT_STR, "Id of the " + kind + " plugin.");
  result.needed = true;
  return result;
}

ConfigKey isolate_key(const std::string& help, const std::string& default_text) {
  return described(
      one_of(key("isolate", WN_OPT_STR, help), {{"none", "in winnow's own process"},
                                                {"plugin", "in one process for all its instances"},
                                                {"instance", "in a process for each instance"}}),
      default_text);
}

ConfigSection run_section() {
  return {"run",
          "What the run is called and where its randomness starts.",
          false,
          false,
          false,
          {with_default(key("name", WN_OPT_STR, "Name of the run, shown in reports."),
                        std::string("run")),
           at_least(with_default(key("seed", WN_OPT_I64,
                                     "All noise is a function of this seed and of the task."),
                                 std::int64_t{0}),
                    0),
           with_default(key("deterministic", WN_OPT_BOOL,
                            "Fix the batch shape, so that repeated and interrupted runs agree to "
                            "the last bit."),
                        false)}};
}

ConfigSection budget_section() {
  return {
      "budget",
      "What may be spent; the first cap that is reached ends the search. The final generation "
      "is not part of it.",
      false,
      false,
      false,
      {described(
           at_most(
               at_least(key("nfe", WN_OPT_I64, "Denoiser evaluations of each task's search."), 1),
               1e12),
           "no cap"),
       described(
           at_most(at_least(key("candidates", WN_OPT_I64, "Candidates of each task."), 1), 1e12),
           "no cap"),
       described(
           above(key("seconds", WN_OPT_F64, "Seconds of the whole run, over all its parts."), 0),
           "no cap")}};
}

ConfigSection tasks_section() {
  return {"tasks",
          "What is asked for: exactly one of `classes`, `prompts` and `images`. At most 1,000,000 "
          "tasks.",
          false,
          true,
          false,
          {described(at_least(key("classes", WN_OPT_I64_LIST, "Class ids."), 0), "none"),
           described(key("prompts", WN_OPT_STR_LIST,
                         "Prompts of at most 10,000 characters each, or a file of them, one per "
                         "line; empty lines are passed over. A .jsonl file has an object with a "
                         "\"prompt\" on each line, a .csv file a column named prompt; what else "
                         "they hold is passed over."),
                     "none", "path"),
           described(key("images", WN_OPT_STR_LIST,
                         "PNG files that condition the sampler, relative to this file."),
                     "none"),
           described(at_least(key("limit", WN_OPT_I64,
                                  "Only the first so many of the list, or of the file."),
                              1),
                     "all"),
           at_most(at_least(with_default(key("repeat", WN_OPT_I64,
                                             "The whole list is taken this often: all in order, "
                                             "then again."),
                                         std::int64_t{1}),
                            1),
                   1e6)}};
}

ConfigSection plugin_section(const std::string& name, const std::string& help) {
  return {name,
          help,
          false,
          true,
          true,
          {plugin_key(name),
           isolate_key("Where the plugin runs; see docs/isolation.md.", "that of [execution]")}};
}

ConfigSection verifier_section() {
  return {
      "verifier",
      "One table for each verifier; all other keys are options of the plugin. A file's list of "
      "verifiers replaces that of the files it includes.",
      true,
      true,
      true,
      {plugin_key("verifier"),
       described(key("name", WN_OPT_STR,
                     "Name in reports and overrides, unique: letters, digits, `_`, `.` and "
                     "`-`, at most 64."),
                 "the last part of the plugin's id"),
       isolate_key("Where the plugin runs; see docs/isolation.md.", "that of [execution]"),
       at_most(above(with_default(key("weight", WN_OPT_F64, "Weight in the selection."), 1.0), 0),
               1e9),
       one_of(
           with_default(key("role", WN_OPT_STR, "What its scores are for."), std::string("select")),
           {{"select", "the search and the final choice use them"},
            {"report", "held out: reported, never selected on"}})}};
}

ConfigSection selection_section() {
  return {"selection",
          "How the scores of several verifiers become one.",
          false,
          false,
          false,
          {described(one_of(key("rule", WN_OPT_STR, "The rule."),
                            {{"single", "the score of the one verifier that selects"},
                             {"weighted-sum", "sum of weight times score"},
                             {"mean-rank", "weighted mean of the ranks within a pool"},
                             {"z-sum", "weighted sum of standardised scores within a pool"},
                             {"worst-rank",
                              "the worst of the ranks within a pool; weights do not "
                              "count"}}),
                     "`\"single\"` with one selecting verifier, needed with more")}};
}

ConfigSection output_section() {
  return {"output",
          "Where the run lives and what it keeps.",
          false,
          false,
          false,
          {described(key("dir", WN_OPT_PATH, "The run directory; `--out` goes before it."), "none"),
           one_of(with_default(key("keep", WN_OPT_STR, "Which samples are written."),
                               std::string("best")),
                  {{"best", "the best of each task"},
                   {"all", "those of all candidates"},
                   {"none", "none, for runs whose scores are all that is looked at"}})}};
}

ConfigSection execution_section() {
  return {"execution",
          "How the work is done, never what comes out of it: these may change when a run is "
          "continued.",
          false,
          false,
          false,
          {described(at_most(at_least(with_default(key("batch", WN_OPT_I64,
                                                       "Candidates in one call of the sampler."),
                                                   std::int64_t{0}),
                                      0),
                             1e6),
                     "`0`: the sampler's preferred batch"),
           described(with_default(key("cache", WN_OPT_STR,
                                      "Memory for latents kept for children: a number of bytes, or "
                                      "text with a unit (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)."),
                                  std::string("256 MiB")),
                     "", "i64"),
           described(with_default(key("pool", WN_OPT_STR_LIST,
                                      "Run directories, relative to this file. What they hold of "
                                      "this run's candidates is taken from there instead of being "
                                      "made; it is charged all the same."),
                                  std::vector<std::string>{}),
                     "none"),
           isolate_key("Where plugins run that do not say it themselves.",
                       "`\"none\"` for packages of this installation, `\"plugin\"` for all others"),
           at_least(with_default(key("call_timeout", WN_OPT_F64,
                                     "Seconds that a plugin in a process of its own has for one "
                                     "call; 0: no limit."),
                                 300.0),
                    0),
           described(with_default(key("plugin_memory", WN_OPT_STR,
                                      "Memory that such a process may allocate, as `cache`."),
                                  std::string("0")),
                     "`0`: 3/4 of the machine's", "i64"),
           at_most(at_least(with_default(key("restarts", WN_OPT_I64,
                                             "How often such a process is started again after it "
                                             "died, before its plugin is given up."),
                                         std::int64_t{3}),
                            0),
                   1e6)}};
}

}  // namespace

std::vector<ConfigSection> config_sections() {
  return {run_section(),
          budget_section(),
          tasks_section(),
          plugin_section("sampler",
                         "The generative model; all other keys are options of the "
                         "plugin."),
          verifier_section(),
          selection_section(),
          plugin_section("search",
                         "The algorithm that proposes candidates; all other keys are "
                         "options of the plugin."),
          output_section(),
          execution_section()};
}

const ConfigSection& section_of(const std::vector<ConfigSection>& sections, std::string_view name) {
  return *std::find_if(sections.begin(), sections.end(),
                       [&](const ConfigSection& section) { return section.name == name; });
}

std::vector<std::string> key_names(const ConfigSection& section) {
  std::vector<std::string> names;
  for (const ConfigKey& key : section.keys) names.push_back(key.spec.key);
  return names;
}

}  // namespace winnow

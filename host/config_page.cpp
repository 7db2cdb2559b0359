// config_page.cpp: docs/configuration.md, from the table of keys, the plugins' option tables and
// the exit codes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "host/config.hpp"
#include "host/config_keys.hpp"
#include "host/option_table.hpp"

namespace winnow {
namespace {

struct ExitLine {
  Exit exit;
  const char* meaning;
};
constexpr auto kExits = std::to_array<ExitLine>({
    {Exit::kDone, "done, or the run was finished already"},
    {Exit::kUsage, "a mistake on the command line or in the config"},
    {Exit::kPlugin, "a plugin could not be loaded, or broke its contract"},
    {Exit::kCandidates, "every candidate of a task failed"},
    {Exit::kJournal, "the journal is damaged, or another process writes it"},
    {Exit::kResources, "out of disk or memory"},
    {Exit::kInternal, "an error in winnow itself"},
    {Exit::kCheckpointed, "stopped by SIGTERM after a checkpoint; the same command goes on"},
    {Exit::kInterrupted, "stopped by SIGINT; the same command goes on"},
});

constexpr const char* kHead = R"(# Configuration

<!-- Generated from the tables that the reader checks against. Do not edit. -->

A run is one TOML file. It is read strictly: an unknown key, a value of the wrong type or out of
bounds, and a plugin that cannot be used are errors, all shown at once, with file, line and column.

`include = ["other.toml"]`, at the top of a file, reads other files first (relative to the file that
includes them). Later keys win, and the including file wins over what it includes. A `[sampler]`,
`[search]` or verifier that names another plugin drops the options of the one before; `[tasks]` of
another kind replace those before; a list of `[[verifier]]` replaces the whole list before. Files
include each other at most 16 deep, and not in a circle.

Arguments such as `search.candidates=64` override keys; the right side is TOML, and a word that is no
TOML value counts as text where text is expected. `verifier.0.weight=2` and
`verifier.brightness.weight=2` reach one verifier, by index or by name. Relative paths are relative to
the file that holds them, in overrides to the current folder.

A file has at most 128 MiB, 10,000 keys, and tables within each other at most 64 deep.
)";

std::string section_text(const ConfigSection& section) {
  const char* heading = section.list ? "\n## [[{}]]\n\n{}\n\n" : "\n## [{}]\n\n{}\n\n";
  std::string text =
      fmt::format(fmt::runtime(heading), section.name, section.help) + kOptionTableHead;
  for (const ConfigKey& key : section.keys) {
    std::string type = type_cell(key.spec);
    if (!key.also.empty()) type += " or " + key.also;
    const std::string fallback = !key.default_text.empty() ? key.default_text
                                 : key.needed              ? "needed"
                                                           : default_cell(key.spec, {});
    text += option_row(key.spec.key, type, fallback, help_cell(key.spec));
  }
  return text;
}

std::string plugin_text(const FoundPlugin& found) {
  const PluginManifest& plugin = found.plugin();
  const std::string& summary = plugin.summary.empty() ? found.package->summary : plugin.summary;
  const std::string head =
      fmt::format("\n### `{}` ({})\n\n{}\n", plugin.id, to_string(plugin.kind), summary);
  if (plugin.options.empty()) return head + "\nNo options.\n";
  return head + "\n" + option_table(plugin.options, found.package->directory);
}

}  // namespace

std::string configuration_page(const Registry& registry) {
  std::string text = kHead;
  for (const ConfigSection& section : config_sections()) text += section_text(section);
  std::map<std::pair<PluginKind, std::string>, const FoundPlugin*> sorted;
  for (const FoundPlugin& found : registry.plugins()) {
    if (found.skipped.empty()) {
      sorted.emplace(std::pair(found.plugin().kind, found.plugin().id), &found);
    }
  }
  text += "\n## Options of the plugins\n";
  for (const auto& [id, found] : sorted) text += plugin_text(*found);
  text += "\n## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const ExitLine& line : kExits) {
    text += fmt::format("| {} | {} |\n", static_cast<int>(line.exit), line.meaning);
  }
  return text;
}

}  // namespace winnow

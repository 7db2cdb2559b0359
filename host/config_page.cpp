// config_page.cpp: docs/configuration.md, from the table of keys, the plugins' option tables and
// the exit codes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "host/config.hpp"
#include "host/config_keys.hpp"
#include "winnow/winnow.h"

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

A file has at most 1 MiB, 10,000 keys, and tables within each other at most 64 deep.
)";

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// "f64 in (0, 1]"
std::string type_cell(const OptionSpec& spec) {
  std::string text = option_type_name(spec.type);
  const std::string range = spec.choices.empty() ? option_range(spec) : "";
  if (!range.empty()) text += " " + range;
  if (!spec.unit.empty()) text += ", " + spec.unit;
  return text;
}

std::string help_cell(const OptionSpec& spec) {
  std::string text = spec.help;
  for (const OptionChoice& choice : spec.choices) {
    if (!text.empty()) text += &choice == &spec.choices.front() ? " " : "; ";
    text += fmt::format("`\"{}\"`", choice.value);
    std::string_view meaning = choice.help;
    if (meaning.ends_with('.')) meaning.remove_suffix(1);
    if (!meaning.empty()) text += fmt::format(": {}", meaning);
  }
  if (!spec.choices.empty() && !text.ends_with('.')) text += '.';
  return text;
}

// A default path lies in the package, wherever that is installed.
std::string default_cell(const OptionSpec& spec, const std::filesystem::path& package) {
  if (!spec.default_value) return "needed";
  if (spec.type == WN_OPT_PATH && !package.empty()) {
    const std::filesystem::path path = std::get<std::string>(*spec.default_value);
    const std::filesystem::path inside = path.lexically_relative(package);
    if (!inside.empty() && *inside.begin() != "..") {
      return fmt::format("`\"{}\"` of the package", inside.string());
    }
  }
  return fmt::format("`{}`", to_toml(*spec.default_value));
}

std::string row(const std::string& key, const std::string& type, const std::string& fallback,
                const std::string& help) {
  return fmt::format("| `{}` | {} | {} | {} |\n", key, cell(type), cell(fallback), cell(help));
}

constexpr const char* kTableHead = "| key | type | default | meaning |\n|---|---|---|---|\n";

std::string section_text(const ConfigSection& section) {
  const char* heading = section.list ? "\n## [[{}]]\n\n{}\n\n" : "\n## [{}]\n\n{}\n\n";
  std::string text = fmt::format(fmt::runtime(heading), section.name, section.help) + kTableHead;
  for (const ConfigKey& key : section.keys) {
    std::string type = type_cell(key.spec);
    if (!key.also.empty()) type += " or " + key.also;
    const std::string fallback = !key.default_text.empty() ? key.default_text
                                 : key.needed              ? "needed"
                                                           : default_cell(key.spec, {});
    text += row(key.spec.key, type, fallback, help_cell(key.spec));
  }
  return text;
}

std::string plugin_text(const FoundPlugin& found) {
  const PluginManifest& plugin = found.plugin();
  const std::string& summary = plugin.summary.empty() ? found.package->summary : plugin.summary;
  std::string text =
      fmt::format("\n### `{}` ({})\n\n{}\n", plugin.id, to_string(plugin.kind), summary);
  if (plugin.options.empty()) return text + "\nNo options.\n";
  text += std::string("\n") + kTableHead;
  for (const OptionSpec& spec : plugin.options) {
    if (!spec.deprecated_use.empty()) {
      text +=
          row(spec.key, type_cell(spec), "", fmt::format("Old name of `{}`.", spec.deprecated_use));
    } else {
      text += row(spec.key, type_cell(spec), default_cell(spec, found.package->directory),
                  help_cell(spec));
    }
  }
  return text;
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

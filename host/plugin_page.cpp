// plugin_page.cpp: see plugin_page.hpp.
#include "host/plugin_page.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/option_table.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

// What stands for a value that only the user knows.
std::string placeholder(const OptionSpec& spec) {
  if (!spec.choices.empty()) return fmt::format("\"{}\"", spec.choices.front().value);
  switch (spec.type) {
    case WN_OPT_BOOL:
      return "true";
    case WN_OPT_I64:
      return std::to_string(static_cast<std::int64_t>(spec.min.value_or(1)));
    case WN_OPT_F64:
      return fmt::format("{:.1f}", spec.min.value_or(1));
    case WN_OPT_STR:
    case WN_OPT_PATH:
      return "\"...\"";
    default:
      return "[]";
  }
}

// The table that turns it on, with the options that have no default.
std::string config_text(const PluginManifest& plugin) {
  const bool verifier = plugin.kind == PluginKind::kVerifier;
  std::string text = fmt::format("```toml\n{}{}{}\nplugin = \"{}\"\n", verifier ? "[[" : "[",
                                 to_string(plugin.kind), verifier ? "]]" : "]", plugin.id);
  for (const OptionSpec& spec : plugin.options)
    if (!spec.default_value && spec.deprecated_use.empty())
      text += fmt::format("{} = {}  # needed\n", spec.key, placeholder(spec));
  return text + "```\n";
}

std::string code_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names)
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  return text;
}

std::string facts_text(const FoundPlugin& found) {
  const PackageManifest& package = *found.package;
  const PluginManifest& plugin = found.plugin();
  std::string text;
  const auto add = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text += fmt::format("- {}: {}\n", name, value);
  };
  add("package", fmt::format("`{}` {}", package.id, package.version));
  add("licence", package.license);
  add("by", package.vendor);
  add("home", package.url);
  add("also called", code_list(plugin.aliases));
  add("provides", code_list(plugin.provides));
  add("needs of the host",
      fmt::format("plugin ABI {}.{}{}{}", package.abi_major, package.needs_minor,
                  plugin.requires_host.empty() ? "" : ", ", code_list(plugin.requires_host)));
  std::vector<std::string> claims;
  for (const auto& [name, value] : plugin.claims)
    if (value != "false") claims.push_back(value == "true" ? name : name + " = " + value);
  add("claims", code_list(claims));
  return text;
}

}  // namespace

std::string plugin_page(const FoundPlugin& found) {
  const PluginManifest& plugin = found.plugin();
  std::string text =
      fmt::format("# `{}`\n\n{}\n\nA {} for winnow:\n\n{}\n## Options\n\n", plugin.id,
                  plugin.summary, to_string(plugin.kind), config_text(plugin));
  text +=
      plugin.options.empty() ? "None.\n" : option_table(plugin.options, found.package->directory);
  return text + "\n## Facts\n\n" + facts_text(found);
}

}  // namespace winnow

// cli_plugins.cpp: the verbs that look at plugins and load none: plugins list, plugins info; and
// the version.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "host/cli_verbs.hpp"
#include "host/figures.hpp"
#include "host/text.hpp"
#include "host/why_not_taken.hpp"

namespace winnow {
namespace {

using nlohmann::ordered_json;

ordered_json to_json(const OptionData& data) {
  return std::visit([](const auto& value) { return ordered_json(value); }, data);
}

ordered_json to_json(const OptionSpec& spec) {
  ordered_json json = {{"key", spec.key}, {"type", option_type_name(spec.type)}};
  if (spec.default_value) json["default"] = to_json(*spec.default_value);
  if (spec.min) json["min"] = *spec.min;
  if (spec.max) json["max"] = *spec.max;
  for (const OptionChoice& choice : spec.choices) json["choices"].push_back(choice.value);
  if (!spec.unit.empty()) json["unit"] = spec.unit;
  if (!spec.help.empty()) json["help"] = spec.help;
  return json;
}

ordered_json brief_json(const FoundPlugin& found) {
  ordered_json json = {{"id", found.plugin().id},
                       {"kind", to_string(found.plugin().kind)},
                       {"version", found.package->version},
                       {"summary", found.plugin().summary},
                       {"package", found.package->id},
                       {"directory", found.package->directory.string()},
                       {"origin", found.origin},
                       {"usable", found.skipped.empty()}};
  if (!found.skipped.empty()) json["reason"] = found.skipped;
  return json;
}

// The lock of the folder that the command is given in.
std::optional<PluginLock> lock_here() {
  if (!std::filesystem::exists(std::filesystem::symlink_status(kLockFile))) return std::nullopt;
  return read_plugin_lock(kLockFile);
}

// A line for each package, unless its plugins fare differently.
std::string reasons_text(const std::vector<Verdict>& verdicts, const Registry& registry) {
  std::string text;
  for (std::size_t first = 0, last; first < verdicts.size(); first = last) {
    const FoundPlugin& found = *verdicts[first].plugin;
    const std::string& why_not = verdicts[first].why_not;
    std::vector<std::string> ids;
    for (last = first; last < verdicts.size() && verdicts[last].plugin->package == found.package &&
                       verdicts[last].why_not == why_not;
         ++last)
      ids.push_back(verdicts[last].plugin->plugin().id);
    text += fmt::format("{}: {}taken from {} ({}){}{}\n", fmt::join(ids, ", "),
                        why_not.empty() ? "" : "not ", found.package->directory.string(),
                        found.origin, why_not.empty() ? "" : ": ", why_not);
  }
  for (const BrokenPackage& broken : registry.broken())
    text += fmt::format("{} ({}): {}\n", broken.path.string(), broken.origin, broken.reason);
  return text;
}

void add_reasons(const Registry& registry, const std::string& kind, Answer& answer) {
  const std::optional<PluginLock> lock = lock_here();
  std::vector<Verdict> all = verdicts(registry, lock ? &*lock : nullptr);
  std::erase_if(all, [&](const Verdict& verdict) {
    return !kind.empty() && to_string(verdict.plugin->plugin().kind) != kind;
  });
  answer.text.append("\n").append(reasons_text(all, registry));
  answer.json["plugins"] = ordered_json::array();
  for (const Verdict& verdict : all) {
    auto& json = answer.json["plugins"].emplace_back(brief_json(*verdict.plugin));
    json["usable"] = verdict.why_not.empty();
    if (!verdict.why_not.empty()) json["reason"] = verdict.why_not;
  }
  answer.json["broken"] = ordered_json::array();
  for (const BrokenPackage& broken : registry.broken())
    answer.json["broken"].push_back(
        {{"path", broken.path.string()}, {"origin", broken.origin}, {"reason", broken.reason}});
}

bool goes_by(const PluginManifest& plugin, const std::string& id) {
  return plugin.id == id || std::count(plugin.aliases.begin(), plugin.aliases.end(), id) > 0;
}

std::vector<std::vector<std::string>> package_rows(const FoundPlugin& found) {
  const PackageManifest& package = *found.package;
  const PluginManifest& plugin = found.plugin();
  std::vector<std::vector<std::string>> rows;
  const auto add = [&rows](const char* name, const std::string& value) {
    if (!value.empty()) rows.push_back({std::string("  ") + name, value});
  };
  add("kind", to_string(plugin.kind));
  add("version", package.version);
  add("package", package.id);
  add("vendor", package.vendor);
  add("license", package.license);
  add("url", package.url);
  add("aliases", fmt::format("{}", fmt::join(plugin.aliases, ", ")));
  add("provides", fmt::format("{}", fmt::join(plugin.provides, ", ")));
  add("needs", fmt::format("{}", fmt::join(plugin.requires_host, ", ")));
  std::vector<std::string> claims;
  for (const auto& [name, value] : plugin.claims)
    if (value == "true") claims.push_back(name);
  add("claims", fmt::format("{}", fmt::join(claims, ", ")));
  add("network", package.network ? "yes" : "");
  add("writes", fmt::format("{}", fmt::join(package.writes, ", ")));
  add("folder", package.directory.string());
  add("found by", found.origin);
  add("not usable", found.skipped);
  return rows;
}

std::string options_text(const std::vector<OptionSpec>& options) {
  std::string text;
  for (const OptionSpec& spec : options) {
    text += fmt::format("  {} = {}  ({}{}{}{}{})\n", spec.key,
                        spec.default_value ? to_toml(*spec.default_value) : "(needed)",
                        option_type_words(spec.type), option_range(spec).empty() ? "" : " ",
                        option_range(spec), spec.unit.empty() ? "" : ", ", spec.unit);
    if (!spec.help.empty()) text += "      " + spec.help + "\n";
    if (!spec.deprecated_use.empty())
      text += fmt::format("      Deprecated: use {}.\n", spec.deprecated_use);
  }
  return text;
}

std::string last_part(const std::string& id) { return id.substr(id.rfind('.') + 1); }

// For one whose beginning is another or left out; empty: none is near.
std::string near_by_last_part(const std::string& id, const std::vector<std::string>& ids) {
  std::vector<std::string> parts;
  for (const std::string& known : ids) parts.push_back(last_part(known));
  const std::string near = nearest_name(last_part(id), parts);
  const auto at = std::find(parts.begin(), parts.end(), near);
  if (near.empty() || at == parts.end()) return "";
  return fmt::format("did you mean '{}'?", ids[static_cast<std::size_t>(at - parts.begin())]);
}

}  // namespace

Registry scan_plugins(const CommandLine& line) {
  return Registry::scan(default_search_path(line.plugins), host_facts());
}

const FoundPlugin& find_any_plugin(const Registry& registry, const std::string& id) {
  const FoundPlugin* skipped = nullptr;
  std::vector<std::string> ids;
  for (const FoundPlugin& found : registry.plugins()) {
    ids.push_back(found.plugin().id);
    if (!goes_by(found.plugin(), id)) continue;
    if (found.skipped.empty()) return found;
    if (!skipped) skipped = &found;
  }
  if (skipped) return *skipped;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string near = did_you_mean(id, ids);
  if (near.empty()) near = near_by_last_part(id, ids);
  if (near.empty())
    near = ids.empty() ? "none is installed"
                       : fmt::format("winnow plugins list shows the {} that there are", ids.size());
  throw Error(Exit::kPlugin, fmt::format("no plugin '{}'; {}", id, near));
}

Answer plugins_list_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  Answer answer;
  answer.json = {{"plugins", ordered_json::array()}};
  std::vector<std::vector<std::string>> rows;
  for (const FoundPlugin& found : registry.plugins()) {
    const std::string kind = to_string(found.plugin().kind);
    if (!line.kind.empty() && kind != line.kind) continue;
    if (!found.skipped.empty()) continue;
    answer.json["plugins"].push_back(brief_json(found));
    rows.push_back({found.plugin().id, kind, found.package->version, found.plugin().summary});
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::tie(a[1], a[0]) < std::tie(b[1], b[0]);
  });
  answer.text = rows.empty() ? "no plugins\n" : table_text(rows);
  if (line.why) add_reasons(registry, line.kind, answer);
  return answer;
}

Answer plugins_info_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const FoundPlugin& found = find_any_plugin(registry, line.id);
  const PluginManifest& plugin = found.plugin();
  Answer answer;
  answer.text = fmt::format("{}: {}\n", plugin.id, plugin.summary) +
                table_text(package_rows(found)) +
                (plugin.options.empty() ? "" : "\noptions\n" + options_text(plugin.options));
  answer.json = brief_json(found);
  answer.json["license"] = found.package->license;
  answer.json["vendor"] = found.package->vendor;
  answer.json["url"] = found.package->url;
  answer.json["aliases"] = plugin.aliases;
  answer.json["provides"] = plugin.provides;
  answer.json["claims"] = plugin.claims;
  answer.json["requires_host"] = plugin.requires_host;
  answer.json["network"] = found.package->network;
  answer.json["writes"] = found.package->writes;
  answer.json["keywords"] = plugin.keywords;
  answer.json["options"] = ordered_json::array();
  for (const OptionSpec& spec : plugin.options) answer.json["options"].push_back(to_json(spec));
  return answer;
}

Answer version_verb() {
  const HostFacts facts = host_facts();
  Answer answer;
  answer.text = fmt::format("winnow {} (plugin ABI {}.{}, LibTorch of this installation: {})\n",
                            WN_SDK_VERSION, facts.abi_major, facts.max_minor,
                            facts.libtorch_version.empty() ? "none" : facts.libtorch_version);
  answer.json = {{"version", WN_SDK_VERSION},
                 {"abi", {{"major", facts.abi_major}, {"minor", facts.max_minor}}},
                 {"libtorch", facts.libtorch_version}};
  return answer;
}

}  // namespace winnow

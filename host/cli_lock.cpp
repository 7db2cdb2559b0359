// cli_lock.cpp: the verb plugins lock.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "host/cli_verbs.hpp"
#include "host/code_trust.hpp"
#include "host/disk.hpp"
#include "host/figures.hpp"
#include "host/in_shell.hpp"
#include "host/plugin_lock.hpp"
#include "host/study_points.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool is_config(const std::string& name) {
  return name.find('/') != name.npos || name.ends_with(".toml") || fs::exists(name);
}

// "search.candidates=64", as after the config of a run.
bool is_override(const std::string& name) {
  const auto equals = name.find('=');
  return equals != name.npos && name.find('/') >= equals && !fs::exists(name);
}

bool is_study(const fs::path& file) {
  Diagnostics mistakes;  // whoever reads it for good tells them
  const auto text = read_text_file(file, kLargestTomlFile, {file.string()}, mistakes);
  const auto root =
      text ? parse_toml(*text, file.string(), mistakes) : std::optional<toml::table>();
  return root && root->contains("study");
}

// What the words of the command name.
class Wanted {
 public:
  Wanted(const CommandLine& line, const Registry& registry) : registry_(registry) {
    const auto& words = line.locked;
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (is_override(words[i]))
        throw Error(Exit::kUsage, fmt::format("'{}' stands behind no config; expected CONFIG {}",
                                              words[i], in_shell(words[i])));
      if (!is_config(words[i])) {
        ids.push_back(words[i]);
        continue;
      }
      const fs::path file = config_file(words[i]);
      std::vector<std::string> overrides;
      while (i + 1 < words.size() && is_override(words[i + 1])) overrides.push_back(words[++i]);
      if (is_study(file))
        add_study(file, overrides);
      else
        add_config(file, load_config(file, overrides, registry));
    }
  }

  std::vector<std::string> ids;  // an alias counts as its id; some may be there twice
  std::vector<NamedCode> code;
  fs::path folder;  // of the first config; empty: there is none

 private:
  void add_config(const fs::path& base, const RunConfig& config) {
    if (folder.empty()) folder = fs::absolute(base).parent_path();
    std::ranges::move(plugins_of(config), std::back_inserter(ids));
    std::ranges::move(code_of_config(config, registry_), std::back_inserter(code));
  }

  // All its runs, those of --quick among them.
  void add_study(const fs::path& file, const std::vector<std::string>& overrides) {
    if (!overrides.empty())
      throw Error(Exit::kUsage, fmt::format("'{}' stands behind the study {}, whose settings are "
                                            "in its file",
                                            overrides.front(), file.string()));
    for (const bool quick : {false, true}) {
      const Study study = load_study(file, quick, registry_);
      for (const StudyPoint& point : study_points(study, registry_))
        add_config(study.base, point.config);
      if (!study.metrics.use.id.empty()) ids.push_back(study.metrics.use.id);
    }
    std::ranges::sort(ids);
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  }

  const Registry& registry_;
};

// What the configs' options name, beside what is there.
std::vector<std::vector<std::string>> add_code(const std::vector<NamedCode>& named, CodeLock& code,
                                               ordered_json& json) {
  std::vector<std::vector<std::string>> rows;
  std::set<fs::path> seen;
  for (const NamedCode& one : named) {
    if (!seen.insert(one.path).second) continue;
    const std::string hash = sha256_hex_of_code(one.path);
    const bool added = code.emplace(hash, one.path.filename().string()).second;
    rows.push_back(
        {"  " + one.path.string(), one.plugin, hash.substr(0, 16), added ? "added" : "as it was"});
    json.push_back({{"path", one.path.string()}, {"plugin", one.plugin}, {"sha256", hash}});
  }
  return rows;
}

const char* word_for(const LockedPlugin* before, const LockedPlugin& now) {
  if (!before) return "added";
  return *before == now ? "as it was" : "changed";
}

}  // namespace

std::string words_to_lock(const fs::path& file, const CommandLine& line) {
  std::string words = in_shell(file.string());
  for (const std::string& one : line.overrides) words += " " + in_shell(one);
  for (const fs::path& plugin : line.plugins) words += " --plugin " + in_shell(plugin.string());
  return words;
}

Answer plugins_lock_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const Wanted wanted(line, registry);
  const fs::path file =
      fs::absolute(line.lock_file.empty() ? wanted.folder / kLockFile : fs::path(line.lock_file));
  PluginLock lock;
  CodeLock code;
  if (fs::exists(file)) lock = read_plugin_lock(file), code = read_code_lock(file);
  Answer answer;
  answer.json = {{"file", file.string()}, {"plugins", ordered_json::array()}};
  std::vector<std::vector<std::string>> rows;
  for (const std::string& id : wanted.ids) {
    const FoundPlugin& found = find_any_plugin(registry, id);
    if (!found.skipped.empty())
      throw Error(Exit::kPlugin, fmt::format("'{}' cannot be used: {}: {}", id,
                                             found.package->path.string(), found.skipped));
    const LockedPlugin now = locked_as_found(found);
    const auto before = lock.find(found.plugin().id);
    const std::string word = word_for(before == lock.end() ? nullptr : &before->second, now);
    lock[found.plugin().id] = now;
    rows.push_back({"  " + found.plugin().id, now.version, now.manifest.substr(0, 16), word});
    answer.json["plugins"].push_back({{"id", found.plugin().id},
                                      {"kind", now.kind},
                                      {"package", now.package},
                                      {"version", now.version},
                                      {"manifest", now.manifest},
                                      {"library", now.library},
                                      {"was", word}});
  }
  answer.json["code"] = ordered_json::array();
  for (auto& row : add_code(wanted.code, code, answer.json["code"])) rows.push_back(row);
  disk::replace_file(file.parent_path(), file.filename().string(), plugin_lock_text(lock, code));
  answer.text = fmt::format("{}: {} plugins\n", file.string(), lock.size()) + table_text(rows);
  return answer;
}

}  // namespace winnow

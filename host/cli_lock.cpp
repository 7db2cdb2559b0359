// cli_lock.cpp: the verb plugins lock.
#include <fmt/format.h>

#include "host/cli_verbs.hpp"
#include "host/code_trust.hpp"
#include "host/disk.hpp"
#include "host/figures.hpp"
#include "host/plugin_lock.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool is_config(const std::string& name) {
  return name.find('/') != name.npos || name.ends_with(".toml") || fs::exists(name);
}

fs::path lock_file(const CommandLine& line) {
  if (!line.lock_file.empty()) return fs::absolute(line.lock_file);
  for (const std::string& name : line.locked)
    if (is_config(name)) return fs::absolute(config_file(name)).parent_path() / kLockFile;
  return fs::absolute(kLockFile);
}

// A config may name the same id as another one; an alias counts as its id.
std::vector<std::string> ids_of(const CommandLine& line, const Registry& registry) {
  std::vector<std::string> ids;
  for (const std::string& name : line.locked) {
    if (!is_config(name)) {
      ids.push_back(name);
      continue;
    }
    const auto named = plugins_of(load_config(config_file(name), {}, registry));
    ids.insert(ids.end(), named.begin(), named.end());
  }
  return ids;
}

// What the configs' options name, beside what is there.
std::vector<std::vector<std::string>> add_code(const CommandLine& line, const Registry& registry,
                                               CodeLock& code, ordered_json& json) {
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : line.locked) {
    if (!is_config(name)) continue;
    for (const NamedCode& one :
         code_of_config(load_config(config_file(name), {}, registry), registry)) {
      const std::string hash = sha256_hex_of_code(one.path);
      const bool added = code.emplace(hash, one.path.filename().string()).second;
      rows.push_back({"  " + one.path.string(), one.plugin, hash.substr(0, 16),
                      added ? "added" : "as it was"});
      json.push_back({{"path", one.path.string()}, {"plugin", one.plugin}, {"sha256", hash}});
    }
  }
  return rows;
}

const char* word_for(const LockedPlugin* before, const LockedPlugin& now) {
  if (!before) return "added";
  return *before == now ? "as it was" : "changed";
}

}  // namespace

Answer plugins_lock_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const fs::path file = lock_file(line);
  PluginLock lock;
  CodeLock code;
  if (fs::exists(file)) lock = read_plugin_lock(file), code = read_code_lock(file);
  Answer answer;
  answer.json = {{"file", file.string()}, {"plugins", ordered_json::array()}};
  std::vector<std::vector<std::string>> rows;
  for (const std::string& id : ids_of(line, registry)) {
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
  for (auto& row : add_code(line, registry, code, answer.json["code"])) rows.push_back(row);
  disk::replace_file(file.parent_path(), file.filename().string(), plugin_lock_text(lock, code));
  answer.text = fmt::format("{}: {} plugins\n", file.string(), lock.size()) + table_text(rows);
  return answer;
}

}  // namespace winnow

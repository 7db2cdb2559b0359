// plugin_lock.cpp: see plugin_lock.hpp.
#include "host/plugin_lock.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/error.hpp"
#include "host/library_file.hpp"
#include "host/sha256.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHead =
    "# Which builds of which plugins the configs in this folder may use. Made by\n"
    "# `winnow plugins lock`; a run with another build is refused.\n"
    "file_format = \"1.0\"\n";
const std::vector<std::string> kKeys = {"id", "kind", "package", "version", "manifest", "library"};
const std::vector<std::string> kCodeKeys = {"name", "sha256"};

bool is_sha256(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string text(const toml::table& table, const char* key, Diagnostics& diagnostics) {
  const toml::node* node = table.get(key);
  if (!node) {
    diagnostics.add(where_of(table), fmt::format("'{}' is missing", key));
  } else if (!node->is_string()) {
    diagnostics.add(where_of(*node),
                    fmt::format("'{}' is {}, expected text", key, describe(*node)));
  } else {
    const std::string value = node->as_string()->get();
    const std::string_view name = key;
    const bool hash = name == "manifest" || name == "library" || name == "sha256";
    if (hash && !is_sha256(value))
      diagnostics.add(where_of(*node),
                      fmt::format("'{}' is no sha256: expected 64 hexadecimal digits in lower "
                                  "case",
                                  key));
    return value;
  }
  return "";
}

void add_entry(const toml::node& node, PluginLock& lock, Diagnostics& diagnostics) {
  const toml::table* table = node.as_table();
  if (!table) {
    diagnostics.add(where_of(node), "expected a table [[plugin]], found " + describe(node));
    return;
  }
  refuse_unknown_keys(*table, kKeys, "in [[plugin]]", diagnostics);
  const std::string id = text(*table, "id", diagnostics);
  const auto value = [&](const char* key) { return text(*table, key, diagnostics); };
  const LockedPlugin entry{value("kind"), value("package"), value("version"), value("manifest"),
                           value("library")};
  if (!lock.emplace(id, entry).second)
    diagnostics.add(where_of(*table), fmt::format("a second plugin '{}'", id));
}

void add_code(const toml::node& node, CodeLock& code, Diagnostics& diagnostics) {
  const toml::table* table = node.as_table();
  if (!table) {
    diagnostics.add(where_of(node), "expected a table [[code]], found " + describe(node));
    return;
  }
  refuse_unknown_keys(*table, kCodeKeys, "in [[code]]", diagnostics);
  code[text(*table, "sha256", diagnostics)] = text(*table, "name", diagnostics);
}

struct WholeLock {
  PluginLock plugins;
  CodeLock code;
};

template <class Add>
void each(const toml::table& root, const char* key, Diagnostics& diagnostics, const Add& add) {
  const toml::node* node = root.get(key);
  if (!node) return;
  const toml::array* tables = node->as_array();
  if (!tables)
    diagnostics.add(where_of(*node),
                    fmt::format("expected tables [[{}]], found {}", key, describe(*node)));
  for (std::size_t i = 0; tables && i < tables->size(); ++i) add(*tables->get(i));
}

WholeLock read_whole(const fs::path& file) {
  Diagnostics diagnostics;
  const std::string name = file.string();
  const auto source = read_text_file(file, kLargestTomlFile, {name}, diagnostics);
  diagnostics.throw_if_any();
  const auto root = parse_toml(*source, name, diagnostics);
  diagnostics.throw_if_any();
  refuse_unknown_keys(*root, std::vector<std::string>{"file_format", "plugin", "code"}, "in a lock",
                      diagnostics);
  const auto format = root->get("file_format");
  if (!format || format->value_or(std::string()) != "1.0")
    diagnostics.add(format ? where_of(*format) : Where{name}, "expected file_format = \"1.0\"");
  WholeLock lock;
  each(*root, "plugin", diagnostics,
       [&](const toml::node& node) { add_entry(node, lock.plugins, diagnostics); });
  each(*root, "code", diagnostics,
       [&](const toml::node& node) { add_code(node, lock.code, diagnostics); });
  diagnostics.throw_if_any();
  return lock;
}

const FoundPlugin* usable(const Registry& registry, const std::string& id) {
  for (const FoundPlugin& found : registry.plugins())
    if (found.skipped.empty() && found.plugin().id == id) return &found;
  return nullptr;
}

}  // namespace

PluginLock read_plugin_lock(const fs::path& file) { return read_whole(file).plugins; }

CodeLock read_code_lock(const fs::path& file) { return read_whole(file).code; }

std::string plugin_lock_text(const PluginLock& lock, const CodeLock& code) {
  std::string text = kHead;
  for (const auto& [id, entry] : lock)
    text += fmt::format(
        "\n[[plugin]]\nid = {}\nkind = {}\npackage = {}\nversion = {}\n"
        "manifest = \"{}\"\nlibrary = \"{}\"\n",
        toml_string(id), toml_string(entry.kind), toml_string(entry.package),
        toml_string(entry.version), entry.manifest, entry.library);
  for (const auto& [hash, name] : code)
    text += fmt::format("\n[[code]]\nname = {}\nsha256 = \"{}\"\n", toml_string(name), hash);
  return text;
}

LockedPlugin locked_as_found(const FoundPlugin& found) {
  check_library_file(found);
  return {to_string(found.plugin().kind), found.package->id, found.package->version,
          sha256_hex_of_file(found.package->path), found.variant().sha256};
}

std::string why_not_locked(const PluginLock& lock, const FoundPlugin& found) {
  const std::string manifest = sha256_hex_of_file(found.package->path);
  const std::string installed = fmt::format(
      "installed in '{}' is {} with", found.package->directory.string(), found.package->version);
  const auto entry = lock.find(found.plugin().id);
  if (entry == lock.end())
    return fmt::format("is not in the lock; {} the manifest {}", installed, manifest);
  const LockedPlugin& locked = entry->second;
  if (locked.manifest == manifest) return "";
  std::string why = fmt::format("the lock has version {} with the manifest {}, {} {}",
                                locked.version, locked.manifest, installed, manifest);
  if (locked.library != found.variant().sha256)
    why += fmt::format("; its library was {}, is {}", locked.library, found.variant().sha256);
  return why;
}

std::vector<std::string> plugins_of(const RunConfig& config) {
  std::vector<std::string> ids = {config.sampler.id, config.search.id};
  for (const VerifierUse& verifier : config.verifiers) ids.push_back(verifier.use.id);
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void require_locked(const fs::path& config_file, const std::vector<std::string>& ids,
                    const Registry& registry) {
  const fs::path file = fs::absolute(config_file).parent_path() / kLockFile;
  if (!fs::exists(fs::symlink_status(file))) return;  // a link to nothing is no leave
  const PluginLock lock = read_plugin_lock(file);
  std::string differences, different;
  for (const std::string& id : ids) {
    const FoundPlugin* found = usable(registry, id);
    if (!found) continue;  // the config's reader has refused it
    const std::string why = why_not_locked(lock, *found);
    if (why.empty()) continue;
    differences += fmt::format("\n{}: {}", id, why);
    different += " " + id;
  }
  if (!differences.empty())
    throw Error(Exit::kPlugin,
                fmt::format("'{}' allows other builds of the plugins than those installed:{}\nto "
                            "accept what is installed: winnow plugins lock --file {}{}",
                            file.string(), differences, file.string(), different));
}

}  // namespace winnow

// manifest.cpp: winnow-plugin.toml to structs.
#include "host/manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "host/text.hpp"
#include "host/toml_source.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostPlugins = 256;
constexpr std::size_t kMostFiles = 1024;  // variants, data files

using Names = std::vector<std::string>;

bool is_id(std::string_view id) {
  if (id.empty() || id.size() > 128 || id.find("..") != std::string_view::npos) return false;
  if (id.front() == '.' || id.back() == '.') return false;
  return id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") == std::string_view::npos;
}

bool is_version(std::string_view version) {  // 1.2.3, 1.2.3-rc.1+build
  const std::string_view core = version.substr(0, version.find_first_of("-+"));
  if (std::count(core.begin(), core.end(), '.') != 2) return false;
  const bool digits = core.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool full =
      core.front() != '.' && core.back() != '.' && core.find("..") == std::string_view::npos;
  const bool plain = version.find_first_not_of(
                         "0123456789.-+abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
                     std::string_view::npos;
  return digits && full && plain;
}

// Typed access to one table of the manifest; every mistake goes to the diagnostics.
class TableReader {
 public:
  TableReader(const toml::table& table, std::string place, Diagnostics& diagnostics)
      : table_(table), place_(std::move(place)), diagnostics_(diagnostics) {}

  std::string text(const char* key) { return value<std::string>(key, WN_OPT_STR); }
  Names texts(const char* key) { return value<Names>(key, WN_OPT_STR_LIST); }
  bool flag(const char* key) { return value<bool>(key, WN_OPT_BOOL); }

  std::string needed_text(const char* key) {
    if (!table_.get(key)) {
      diagnostics_.add(where_of(table_), fmt::format("'{}' is missing {}", key, place_));
    }
    return text(key);
  }

  std::string choice(const char* key, const Names& names, const std::string& fallback) {
    if (!table_.get(key)) return fallback;
    OptionSpec spec;
    for (const std::string& name : names) spec.choices.push_back({name, ""});
    return value<std::string>(key, WN_OPT_STR, spec);
  }

  std::uint64_t count(const char* key, double most) {
    OptionSpec spec;
    spec.min = 0;
    spec.max = most;
    return static_cast<std::uint64_t>(value<std::int64_t>(key, WN_OPT_I64, spec));
  }

  // Points at the value of a key that is there.
  void complain(const char* key, const std::string& message, const std::string& help = "") {
    diagnostics_.add(where_of(*table_.get(key)), message, help);
  }
  bool has(const char* key) const { return table_.get(key) != nullptr; }
  bool is_text(const char* key) const { return has(key) && table_.get(key)->is_string(); }

 private:
  template <class T>
  T value(const char* key, std::uint32_t type, OptionSpec spec = {}) {
    const toml::node* node = table_.get(key);
    if (!node) return T{};
    spec.type = type;
    const auto data = read_option(*node, spec, fmt::format("'{}'", key), diagnostics_);
    return data ? std::get<T>(*data) : T{};
  }

  const toml::table& table_;
  std::string place_;
  Diagnostics& diagnostics_;
};

class ManifestReader {
 public:
  ManifestReader(const fs::path& file, const toml::table& root, Diagnostics& diagnostics)
      : root_(root), diagnostics_(diagnostics) {
    manifest_.path = file;
    manifest_.directory = file.parent_path();
  }

  PackageManifest read() {
    if (!read_format()) return manifest_;
    known(root_,
          {"file_format", "package", "abi", "isolation", "plugin", "variant", "data", "provenance"},
          "at the top of a manifest");
    if (const toml::table* table = section("package", true)) read_package(*table);
    if (const toml::table* table = section("abi", true)) read_abi(*table);
    if (const toml::table* table = section("isolation", false)) read_isolation(*table);
    if (const toml::table* table = section("provenance", false)) read_provenance(*table);
    for (const toml::table* table : list("plugin", kMostPlugins, true)) read_plugin(*table);
    for (const toml::table* table : list("variant", kMostFiles, true)) read_variant(*table);
    for (const toml::table* table : list("data", kMostFiles, false)) read_data(*table);
    return manifest_;
  }

 private:
  void known(const toml::table& table, const Names& keys, const std::string& place) {
    if (!lenient_) refuse_unknown_keys(table, keys, place, diagnostics_);
  }

  Where whole_file() const { return {manifest_.path.string()}; }

  bool read_format() {
    const toml::node* node = root_.get("file_format");
    if (!node) {
      diagnostics_.add(whole_file(), "'file_format' is missing", "file_format = \"1.0\"");
      return false;
    }
    const std::string format = TableReader(root_, "", diagnostics_).text("file_format");
    if (!node->is_string()) return false;
    if (!format.starts_with("1.") ||
        format.find_first_not_of("0123456789", 2) != std::string::npos || format.size() < 3) {
      diagnostics_.add(where_of(*node),
                       fmt::format("'file_format' is '{}', this host reads 1.x", format));
      return false;
    }
    lenient_ = format != "1.0";
    return true;
  }

  const toml::table* section(const char* name, bool needed) {
    const toml::node* node = root_.get(name);
    if (node && node->is_table()) return node->as_table();
    if (node) {
      diagnostics_.add(where_of(*node),
                       fmt::format("expected one table [{}], found {}", name, describe(*node)));
    } else if (needed) {
      diagnostics_.add(whole_file(), fmt::format("[{}] is missing", name));
    }
    return nullptr;
  }

  std::vector<const toml::table*> list(const char* name, std::size_t most, bool needed) {
    std::vector<const toml::table*> tables;
    const toml::node* node = root_.get(name);
    const toml::array* array = node ? node->as_array() : nullptr;
    if (node && !array) {
      diagnostics_.add(where_of(*node),
                       fmt::format("expected tables [[{}]], found {}", name, describe(*node)));
    } else if (needed && (!array || array->empty())) {
      diagnostics_.add(whole_file(), fmt::format("no [[{}]]", name));
    } else if (array && array->size() > most) {
      diagnostics_.add(where_of(*array),
                       fmt::format("{} of [[{}]], at most {} are read", array->size(), name, most));
    } else if (array) {
      for (const toml::node& element : *array) {
        if (element.is_table()) {
          tables.push_back(element.as_table());
        } else {
          diagnostics_.add(where_of(element), fmt::format("expected a table [[{}]], found {}", name,
                                                          describe(element)));
        }
      }
    }
    return tables;
  }

  void check_id(TableReader& reader, const char* key, const std::string& id) {
    if (!reader.is_text(key) || is_id(id)) return;
    reader.complain(key, fmt::format("'{}' is no id, expected [a-z0-9_-] joined by dots, at most "
                                     "128 characters",
                                     id));
  }

  void read_package(const toml::table& table) {
    known(table, {"id", "version", "summary", "license", "vendor", "url", "issues", "citation"},
          "in [package]");
    TableReader reader(table, "in [package]", diagnostics_);
    manifest_.id = reader.needed_text("id");
    check_id(reader, "id", manifest_.id);
    manifest_.version = reader.needed_text("version");
    if (reader.is_text("version") && !is_version(manifest_.version)) {
      reader.complain("version",
                      fmt::format("'{}' is no version, expected 1.2.3", manifest_.version));
    }
    manifest_.summary = reader.text("summary");
    manifest_.license = reader.text("license");
    manifest_.vendor = reader.text("vendor");
    manifest_.url = reader.text("url");
    reader.text("issues");
    reader.text("citation");
  }

  void read_abi(const toml::table& table) {
    constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
    known(table, {"major", "needs_minor", "built_minor"}, "in [abi]");
    TableReader reader(table, "in [abi]", diagnostics_);
    if (!reader.has("major")) {
      diagnostics_.add(where_of(table), "'major' is missing in [abi]");
    }
    manifest_.abi_major = static_cast<std::uint32_t>(reader.count("major", kMost));
    manifest_.needs_minor = static_cast<std::uint32_t>(reader.count("needs_minor", kMost));
    manifest_.built_minor = manifest_.needs_minor;
    if (!reader.has("built_minor")) return;
    manifest_.built_minor = static_cast<std::uint32_t>(reader.count("built_minor", kMost));
    if (manifest_.built_minor < manifest_.needs_minor) {
      reader.complain("built_minor", "'built_minor' is below 'needs_minor'");
    }
  }

  void read_isolation(const toml::table& table) {
    known(table, {"mode", "network", "writes"}, "in [isolation]");
    TableReader reader(table, "in [isolation]", diagnostics_);
    manifest_.isolation = reader.choice("mode", {"any", "process", "in-process"}, "any");
    manifest_.network = reader.flag("network");
    manifest_.writes = reader.texts("writes");
  }

  void read_provenance(const toml::table& table) {
    known(table, {"repo", "commit", "dirty", "built_with"}, "in [provenance]");
    TableReader reader(table, "in [provenance]", diagnostics_);
    reader.text("repo");
    reader.text("commit");
    reader.flag("dirty");
    reader.text("built_with");
  }

  void read_plugin(const toml::table& table) {
    known(table,
          {"id", "kind", "summary", "aliases", "provides", "requires", "optional", "keywords",
           "claims", "option"},
          "in [[plugin]]");
    TableReader reader(table, "in [[plugin]]", diagnostics_);
    PluginManifest plugin;
    plugin.id = reader.needed_text("id");
    check_id(reader, "id", plugin.id);
    reader.needed_text("kind");
    const std::string kind =
        reader.is_text("kind") ? reader.choice("kind", {"sampler", "verifier", "search"}, "") : "";
    plugin.kind = kind == "sampler"  ? PluginKind::kSampler
                  : kind == "search" ? PluginKind::kSearch
                                     : PluginKind::kVerifier;
    plugin.summary = reader.text("summary");
    if (plugin.summary.empty()) plugin.summary = manifest_.summary;
    plugin.aliases = reader.texts("aliases");
    plugin.keywords = reader.texts("keywords");
    plugin.requires_host = reader.texts("requires");
    plugin.optional_host = reader.texts("optional");
    plugin.provides = reader.texts("provides");
    read_provides(reader, kind, plugin);
    read_claims(table, plugin);
    if (const toml::node* options = table.get("option")) {
      if (options->is_array()) {
        plugin.options = parse_option_specs(*options->as_array(), diagnostics_, lenient_);
      } else {
        diagnostics_.add(where_of(*options),
                         "expected tables [[plugin.option]], found " + describe(*options));
      }
    }
    check_once(reader, plugin);
    manifest_.plugins.push_back(std::move(plugin));
  }

  void read_provides(TableReader& reader, const std::string& kind, PluginManifest& plugin) {
    if (kind.empty()) return;
    const std::string wanted = "wn." + kind + "/";
    if (!reader.has("provides")) {
      plugin.provides = {wanted + "1"};
      return;
    }
    const bool there = std::any_of(plugin.provides.begin(), plugin.provides.end(),
                                   [&](const std::string& id) { return id.starts_with(wanted); });
    if (!there) {
      reader.complain("provides", fmt::format("a {} provides '{}1', found {}", kind, wanted,
                                              list_of(plugin.provides)));
    }
  }

  void read_claims(const toml::table& table, PluginManifest& plugin) {
    const toml::node* node = table.get("claims");
    if (!node) return;
    if (!node->is_table()) {
      diagnostics_.add(where_of(*node),
                       fmt::format("'claims' is {}, expected a table", describe(*node)));
      return;
    }
    for (const auto& [key, value] : *node->as_table()) {
      const std::string name(key.str());
      if (const auto* text = value.as_string()) {
        plugin.claims[name] = text->get();
      } else if (const auto* flag = value.as_boolean()) {
        plugin.claims[name] = flag->get() ? "true" : "false";
      } else if (const auto* number = value.as_integer()) {
        plugin.claims[name] = std::to_string(number->get());
      } else {
        diagnostics_.add(where_of(value),
                         fmt::format("claim '{}' is {}, expected true, false, text or an integer",
                                     name, describe(value)));
      }
    }
  }

  void check_once(TableReader& reader, const PluginManifest& plugin) {
    for (const PluginManifest& other : manifest_.plugins) {
      if (!plugin.id.empty() && other.id == plugin.id) {
        reader.complain("id", fmt::format("a second plugin '{}'", plugin.id));
      }
    }
  }

  void read_variant(const toml::table& table) {
    known(table,
          {"file", "sha256", "size", "os", "arch", "libc", "cpu", "cuda", "libtorch", "python"},
          "in [[variant]]");
    TableReader reader(table, "in [[variant]]", diagnostics_);
    Variant variant;
    variant.file = read_file(reader);
    variant.sha256 = read_sha256(reader);
    variant.size = reader.count("size", 1e15);
    variant.os = reader.text("os");
    variant.arch = reader.text("arch");
    variant.libc = reader.text("libc");
    variant.cpu = reader.texts("cpu");
    variant.python = reader.text("python");
    if (reader.is_text("python") && variant.python.empty())
      reader.complain("python", "expected versions of Python, such as \">=3.11\"");
    if (const toml::node* need = table.get("libtorch")) variant.libtorch = read_libtorch(*need);
    if (const toml::node* cuda = table.get("cuda"); cuda && cuda->is_table()) {
      known(*cuda->as_table(), {"min_driver", "sm", "ptx", "runtime"}, "in 'cuda'");
    }
    manifest_.variants.push_back(std::move(variant));
  }

  void read_data(const toml::table& table) {
    known(table, {"file", "sha256"}, "in [[data]]");
    TableReader reader(table, "in [[data]]", diagnostics_);
    const fs::path file = read_file(reader);
    manifest_.data.push_back({file, read_sha256(reader)});
  }

  LibtorchNeed read_libtorch(const toml::node& node) {
    const toml::table* table = node.as_table();
    if (!table) {
      diagnostics_.add(where_of(node),
                       "expected libtorch = { link = \"host\", version = \"...\" }");
      return {};
    }
    known(*table, {"link", "version", "stable_abi"}, "in 'libtorch'");
    TableReader reader(*table, "in 'libtorch'", diagnostics_);
    reader.needed_text("link");
    LibtorchNeed need;
    need.link = reader.is_text("link") ? reader.choice("link", {"host", "own"}, "") : "";
    need.version = reader.text("version");
    need.stable_abi = reader.text("stable_abi");
    if (need.link == "host" && need.version.empty() && need.stable_abi.empty()) {
      diagnostics_.add(where_of(node), "link = \"host\" needs 'version' or 'stable_abi'");
    }
    return need;
  }

  std::string read_sha256(TableReader& reader) {
    const std::string sum = reader.needed_text("sha256");
    const bool good =
        sum.size() == 64 && sum.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (reader.is_text("sha256") && !good) {
      reader.complain("sha256", "expected 64 hexadecimal digits in lower case");
    }
    return sum;
  }

  // A path that stays in the package, as written and also after its symlinks.
  fs::path read_file(TableReader& reader) {
    const std::string text = reader.needed_text("file");
    if (!reader.is_text("file")) return {};
    const fs::path file(text);
    const bool climbs = std::find(file.begin(), file.end(), "..") != file.end();
    if (text.empty() || file.is_absolute() || climbs || text.find('\0') != std::string::npos) {
      reader.complain("file",
                      fmt::format("'{}' is not a path relative to the package without '..'", text));
      return {};
    }
    std::error_code error;
    const fs::path package = fs::weakly_canonical(manifest_.directory, error);
    const fs::path real = error ? fs::path() : fs::weakly_canonical(package / file, error);
    const fs::path inside = real.lexically_relative(package);
    if (error || inside.empty() || *inside.begin() == "..") {
      reader.complain("file",
                      fmt::format("'{}' leads out of the package, to '{}'", text, real.string()));
      return {};
    }
    return file.lexically_normal();
  }

  const toml::table& root_;
  Diagnostics& diagnostics_;
  PackageManifest manifest_;
  bool lenient_ = false;  // the file is of a newer minor format
};

}  // namespace

std::string to_string(PluginKind kind) {
  switch (kind) {
    case PluginKind::kSampler:
      return "sampler";
    case PluginKind::kVerifier:
      return "verifier";
    case PluginKind::kSearch:
      return "search";
  }
  return "";
}

PackageManifest read_manifest(const fs::path& file) {
  Diagnostics diagnostics;
  const fs::path path = fs::absolute(file).lexically_normal();
  const std::string name = path.string();
  const auto text = read_text_file(path, kLargestTomlFile, {name}, diagnostics);
  diagnostics.throw_if_any(Exit::kPlugin);
  const auto root = parse_toml(*text, name, diagnostics);
  diagnostics.throw_if_any(Exit::kPlugin);
  refuse_control_characters(*root, diagnostics);
  PackageManifest manifest = ManifestReader(path, *root, diagnostics).read();
  diagnostics.throw_if_any(Exit::kPlugin);
  return manifest;
}

}  // namespace winnow

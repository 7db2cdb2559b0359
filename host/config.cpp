// config.cpp: a run's TOML file to a checked RunConfig.
#include "host/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "host/config_keys.hpp"
#include "host/config_layers.hpp"
#include "host/config_merge.hpp"
#include "host/config_reader.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMostVerifiers = 256;

bool is_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kLetters) == std::string_view::npos &&
         name.find_first_not_of("0123456789") != std::string_view::npos;
}

// "256 MiB" in bytes.
std::optional<std::uint64_t> parse_bytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array<Unit, 10> kUnits = {{{"", 1.0},
                                            {"B", 1.0},
                                            {"KB", 1e3},
                                            {"MB", 1e6},
                                            {"GB", 1e9},
                                            {"TB", 1e12},
                                            {"KiB", 1024.0},
                                            {"MiB", 1048576.0},
                                            {"GiB", 1073741824.0},
                                            {"TiB", 1099511627776.0}}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  for (const Unit& unit : kUnits) {
    if (unit.name != text) continue;
    const double bytes = number * unit.bytes;
    if (!(bytes >= 0 && bytes < 9e18)) return std::nullopt;
    return static_cast<std::uint64_t>(bytes);
  }
  return std::nullopt;
}

// Ids and aliases of a kind's usable plugins, for suggestions.
std::vector<std::string> plugin_names(PluginKind kind, const Registry& registry) {
  std::vector<std::string> names;
  for (const FoundPlugin& found : registry.plugins()) {
    if (found.plugin().kind == kind && found.skipped.empty()) names.push_back(found.plugin().id);
  }
  return names;
}

bool is_known(const std::string& id, const Registry& registry) {
  const auto names = [&](const FoundPlugin& found) {
    const std::vector<std::string>& aliases = found.plugin().aliases;
    return found.plugin().id == id ||
           std::find(aliases.begin(), aliases.end(), id) != aliases.end();
  };
  return std::any_of(registry.plugins().begin(), registry.plugins().end(), names);
}

// The nearest id; or, as people leave out the vendor, the id with the nearest last part.
std::string near_plugin(const std::string& id, const std::vector<std::string>& ids) {
  std::string near = did_you_mean(id, ids);
  if (!near.empty()) return near;
  std::vector<std::string> last_parts;
  for (const std::string& known : ids) last_parts.push_back(default_verifier_name(known));
  const std::string part = nearest_name(default_verifier_name(id), last_parts);
  for (std::size_t i = 0; i < ids.size() && !part.empty(); ++i) {
    if (last_parts[i] == part) return fmt::format("did you mean '{}'?", ids[i]);
  }
  return ids.empty() ? "" : "there are " + list_of(ids);
}

class ConfigReader {
 public:
  ConfigReader(std::string file, const toml::table& root, const Registry& registry,
               Diagnostics& diagnostics)
      : file_(std::move(file)),
        sections_(config_sections()),
        root_(root),
        registry_(registry),
        diagnostics_(diagnostics) {}

  RunConfig read() {
    if (root_.contains("study") && !root_.contains("sampler")) {
      diagnostics_.add({.file = file_}, "this is a study, expected a run config",
                       "winnow study takes it");
      return {};
    }
    check_top();
    read_run();
    read_budget();
    config_.tasks = read_tasks(open("tasks"), diagnostics_);
    if (const toml::table* table = table_of("sampler")) {
      config_.sampler = plugin_use(PluginKind::kSampler, *table, open("sampler")).use;
    }
    read_verifiers();
    read_selection();
    if (const toml::table* table = table_of("search")) {
      config_.search = plugin_use(PluginKind::kSearch, *table, open("search")).use;
    }
    read_output();
    read_execution();
    return std::move(config_);
  }

  // All that is wrong is that plugins cannot be used.
  bool only_plugins_fail() const {
    return plugin_mistakes_ > 0 && plugin_mistakes_ == diagnostics_.all().size();
  }

 private:
  struct Use {
    PluginUse use;
    bool report_only = false;
  };

  void check_top() {
    std::vector<std::string> names = {"include"};
    for (const ConfigSection& section : sections_) names.push_back(section.name);
    for (const auto& [key, node] : root_) {
      const std::string name(key.str());
      if (std::find(names.begin(), names.end(), name) != names.end()) continue;
      std::string help = did_you_mean(name, names);
      misspelt_.push_back(nearest_name(name, names));
      for (const ConfigSection& section : sections_) {
        const std::vector<std::string> keys = key_names(section);
        const bool here = std::find(keys.begin(), keys.end(), name) != keys.end();
        if (help.empty() && here && !node.is_table() && !section.plugin_options) {
          help = fmt::format("'{}' belongs to [{}]", name, section.name);
        }
      }
      if (help.empty()) help = "there are " + list_of(names);
      diagnostics_.add(where_of(key), fmt::format("unknown key '{}'", name), help);
    }
    for (const ConfigSection& section : sections_) check_form(section);
  }

  void check_form(const ConfigSection& section) {
    const toml::node* node = root_.get(section.name);
    const std::string form =
        fmt::format("{}{}{}", section.list ? "[[" : "[", section.name, section.list ? "]]" : "]");
    if (!node) {
      if (section.needed && !is_misspelt(section.name))
        diagnostics_.add({file_}, fmt::format("the config has no {}", form));
      return;
    }
    if (section.list ? node->is_array() : node->is_table()) return;
    const toml::key* key = key_of(root_, section.name);
    // For a table in the wrong brackets the name is the word to change, else the value.
    const bool header = node->is_table() || node->is_array_of_tables();
    diagnostics_.add(header ? where_of(*key) : where_of(*node),
                     fmt::format("'{}' is {}, expected {}", section.name, describe(*node), form),
                     fmt::format("write {}", form));
  }

  // A section under a wrong name is not missed as well.
  bool is_misspelt(const std::string& name) const {
    return std::find(misspelt_.begin(), misspelt_.end(), name) != misspelt_.end();
  }

  const toml::table* table_of(const std::string& name) const {
    return root_.get_as<toml::table>(name);
  }

  SectionReader open(const std::string& name) {
    SectionReader reader(section_of(sections_, name), table_of(name), diagnostics_);
    const std::size_t before = diagnostics_.all().size();
    reader.check_keys(sections_);
    // A key with a typing error is enough of a mistake.
    const bool keys_good = diagnostics_.all().size() == before;
    if (keys_good && name == "tasks" && table_of(name) && !names_tasks(*table_of(name))) {
      diagnostics_.add(where_of(*table_of(name)),
                       "[tasks] holds no task, expected 'classes', 'prompts' or 'images'");
    }
    return reader;
  }

  static bool names_tasks(const toml::table& table) {
    return table.contains("classes") || table.contains("prompts") || table.contains("images");
  }

  void read_run() {
    const SectionReader section = open("run");
    config_.name = section.value<std::string>("name");
    if (section.node("name") && section.node("name")->is_string() &&
        (config_.name.empty() || config_.name.size() > 200)) {
      section.complain("name", "'run.name' is expected to have 1 to 200 bytes");
    }
    config_.seed = static_cast<std::uint64_t>(section.value<std::int64_t>("seed"));
    config_.deterministic = section.value<bool>("deterministic");
  }

  void read_budget() {
    const SectionReader section = open("budget");
    if (const auto nfe = section.get("nfe")) {
      config_.budget.nfe = static_cast<std::uint64_t>(std::get<std::int64_t>(*nfe));
    }
    if (const auto candidates = section.get("candidates")) {
      config_.budget.candidates = static_cast<std::uint64_t>(std::get<std::int64_t>(*candidates));
    }
    if (const auto seconds = section.get("seconds")) {
      config_.budget.seconds = std::get<double>(*seconds);
      if (*config_.budget.seconds > 1e12) {
        section.complain("seconds", "'budget.seconds' is above 1e12", "leave it out for no cap");
      }
    }
  }

  // Looks the plugin up and checks its options; after a mistake the options stay unchecked.
  Use plugin_use(PluginKind kind, const toml::table& table, const SectionReader& section) {
    Use result;
    result.use.isolate = isolate_of(section);
    const toml::node* node = table.get("plugin");
    if (!node) return result;
    const auto* id = node->as_string();
    if (!id) {
      diagnostics_.add(where_of(*node), fmt::format("'plugin' is {}, expected the id of a {}",
                                                    describe(*node), to_string(kind)));
      return result;
    }
    const FoundPlugin* found = look_up(kind, id->get(), where_of(*node));
    if (!found) return result;
    result.use.id = found->plugin().id;
    result.report_only = found->plugin().claims_true("report_only");
    const auto reserved = key_names(section_of(sections_, to_string(kind)));
    result.use.options =
        check_options(table, reserved, found->plugin().options, result.use.id, diagnostics_);
    return result;
  }

  // The plugin may be in a package that could not be read.
  std::string help_for(PluginKind kind, const std::string& id) const {
    std::string help = near_plugin(id, plugin_names(kind, registry_));
    const auto& broken = registry_.broken();
    if (broken.empty()) return help;
    if (!help.empty()) help += " ";
    return help + fmt::format(
                      "{} package{} could not be read, the first is {}: see 'winnow plugins "
                      "list --why'",
                      broken.size(), broken.size() == 1 ? "" : "s", broken[0].path.string());
  }

  const FoundPlugin* look_up(PluginKind kind, const std::string& id, const Where& where) {
    if (!is_known(id, registry_)) {
      ++plugin_mistakes_;
      diagnostics_.add(where,
                       fmt::format("no {} plugin '{}' on the search path", to_string(kind), id),
                       help_for(kind, id));
      return nullptr;
    }
    try {
      return &registry_.find(kind, id);
    } catch (const Error& error) {
      ++plugin_mistakes_;
      diagnostics_.add(where, error.what());
      return nullptr;
    }
  }

  void read_verifiers() {
    const toml::array* list = root_.get_as<toml::array>("verifier");
    if (!list) return;
    if (list->size() > kMostVerifiers) {
      diagnostics_.add(where_of(*list), fmt::format("{} verifiers, at most {} are taken",
                                                    list->size(), kMostVerifiers));
      return;
    }
    for (const toml::node& element : *list) {
      if (const toml::table* table = element.as_table()) {
        read_verifier(*table);
      } else {
        diagnostics_.add(where_of(element),
                         fmt::format("expected a table [[verifier]], found {}", describe(element)));
      }
    }
    if (selecting_.empty() && !role_unclear_ && !is_misspelt("verifier")) {
      diagnostics_.add(list->empty() ? where_of(*list) : where_of(*list->get(0)),
                       "no verifier selects, expected at least one with role = \"select\"");
    }
  }

  void read_verifier(const toml::table& table) {
    const SectionReader section(section_of(sections_, "verifier"), &table, diagnostics_);
    section.check_keys(sections_);
    const Use use = plugin_use(PluginKind::kVerifier, table, section);
    VerifierUse verifier;
    verifier.use = use.use;
    verifier.weight = section.value<double>("weight");
    const std::string role = section.value<std::string>("role");
    role_unclear_ = role_unclear_ || role.empty();
    verifier.role = role == "report" ? VerifierRole::kReport : VerifierRole::kSelect;
    read_name(section, table, verifier);
    if (role == "select" && use.report_only) {
      refuse_judge(section, table, use.use.id);
      role_unclear_ = true;
    } else if (role == "select") {
      selecting_.push_back(&table);
    }
    config_.verifiers.push_back(std::move(verifier));
  }

  void refuse_judge(const SectionReader& section, const toml::table& table, const std::string& id) {
    const Where where =
        where_of(section.node("role") ? *section.node("role") : *table.get("plugin"));
    diagnostics_.add(where,
                     fmt::format("{} is a held-out judge (its manifest claims report_only): a "
                                 "search that selected on it would be judged by itself",
                                 id),
                     "role = \"report\"");
  }

  void read_name(const SectionReader& section, const toml::table& table, VerifierUse& verifier) {
    const bool given = section.node("name") != nullptr;
    const auto* plugin = table.get_as<std::string>("plugin");
    if (given) {
      verifier.name = section.value<std::string>("name");
    } else if (plugin) {
      verifier.name =
          default_verifier_name(verifier.use.id.empty() ? plugin->get() : verifier.use.id);
    }
    const toml::node* node = given ? section.node("name") : plugin;
    if (!node || !node->is_string()) return;
    if (given && !is_name(verifier.name)) {
      section.complain("name", fmt::format("'{}' is no name: letters, digits, '_', '.' and '-', at "
                                           "most 64, not only digits",
                                           verifier.name));
    }
    for (const VerifierUse& other : config_.verifiers) {
      if (other.name != verifier.name) continue;
      diagnostics_.add(where_of(*node), fmt::format("a second verifier '{}'", verifier.name),
                       "give each a 'name' of its own");
      break;
    }
  }

  void read_selection() {
    const SectionReader section = open("selection");
    if (!section.node("rule")) {
      if (selecting_.size() > 1) {
        diagnostics_.add(
            where_of(*selecting_[1]),
            fmt::format("{} verifiers select, and no [selection] says how their scores "
                        "become one",
                        selecting_.size()),
            "rule = \"weighted-sum\", \"mean-rank\", \"worst-rank\" or \"z-sum\"");
      }
      return;
    }
    const std::string rule = section.value<std::string>("rule");
    config_.rule = rule == "weighted-sum" ? SelectionRule::kWeightedSum
                   : rule == "mean-rank"  ? SelectionRule::kMeanRank
                   : rule == "z-sum"      ? SelectionRule::kZSum
                   : rule == "worst-rank" ? SelectionRule::kWorstRank
                                          : SelectionRule::kSingle;
    if (rule == "single" && selecting_.size() > 1) {
      section.complain(
          "rule",
          fmt::format("'single' is for one verifier that selects, there are {}", selecting_.size()),
          "rule = \"weighted-sum\", \"mean-rank\", \"worst-rank\" or \"z-sum\"");
    }
  }

  void read_output() {
    const SectionReader section = open("output");
    config_.output_dir = section.value<std::string>("dir");
    const auto keep = section.value<std::string>("keep");
    config_.keep = keep == "all" ? Keep::kAll : keep == "none" ? Keep::kNone : Keep::kBest;
  }

  void read_pools(const SectionReader& section) {
    const auto names = section.value<std::vector<std::string>>("pool");
    for (std::size_t i = 0; i < names.size(); ++i) {
      const toml::node& element = *section.node("pool")->as_array()->get(i);
      const std::filesystem::path pool = beside_source(element, names[i]);
      std::error_code unreadable;
      if (!std::filesystem::exists(pool / "run.toml", unreadable))
        diagnostics_.add(where_of(element),
                         fmt::format("the pool '{}' is no run directory: it {}", pool.string(),
                                     std::filesystem::exists(pool, unreadable) ? "has no run.toml"
                                                                               : "is not there"));
      config_.execution.pools.push_back(pool);
    }
  }

  void read_execution() {
    const SectionReader section = open("execution");
    config_.execution.batch = static_cast<std::uint32_t>(section.value<std::int64_t>("batch"));
    read_pools(section);
    read_bytes(section, "cache", config_.execution.cache_bytes);
    Isolation& isolation = config_.execution.isolation;
    isolation.mode = isolate_of(section);
    isolation.call_timeout = section.value<double>("call_timeout");
    isolation.restarts = static_cast<std::uint32_t>(section.value<std::int64_t>("restarts"));
    read_bytes(section, "plugin_memory", isolation.memory);
  }

  static Isolate isolate_of(const SectionReader& section) {
    const std::string text = section.value<std::string>("isolate");
    return text == "none"       ? Isolate::kNone
           : text == "plugin"   ? Isolate::kPlugin
           : text == "instance" ? Isolate::kInstance
                                : Isolate::kDefault;
  }

  static void read_bytes(const SectionReader& section, const char* key, std::uint64_t& into) {
    const toml::node* node = section.node(key);
    std::optional<std::uint64_t> bytes;
    if (const auto* integer = node ? node->as_integer() : nullptr) {
      if (integer->get() >= 0) bytes = static_cast<std::uint64_t>(integer->get());
    } else {
      const auto text = section.get(key);
      if (!text) return;
      bytes = parse_bytes(std::get<std::string>(*text));
    }
    if (bytes) {
      into = *bytes;
    } else {
      section.complain(key, fmt::format("'execution.{}' is {}, expected bytes or text such as "
                                        "\"256 MiB\"",
                                        key, describe(*node)));
    }
  }

  std::string file_;
  std::vector<ConfigSection> sections_;
  const toml::table& root_;
  const Registry& registry_;
  Diagnostics& diagnostics_;
  RunConfig config_;
  std::vector<const toml::table*> selecting_;
  std::vector<std::string> misspelt_;  // sections that some unknown key is near to
  bool role_unclear_ = false;
  std::size_t plugin_mistakes_ = 0;
};

RunConfig checked_config(const std::filesystem::path& file, const std::optional<toml::table>& root,
                         const Registry& registry, Diagnostics& diagnostics) {
  if (!root) diagnostics.throw_if_any();
  ConfigReader reader(file.string(), *root, registry, diagnostics);
  RunConfig config = reader.read();
  diagnostics.throw_if_any(reader.only_plugins_fail() ? Exit::kPlugin : Exit::kUsage);
  return config;
}

}  // namespace

RunConfig load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                      const Registry& registry) {
  Diagnostics diagnostics;
  const auto root = merge_config(file, overrides, diagnostics);
  return checked_config(file, root, registry, diagnostics);
}

RunConfig load_layered_config(const std::filesystem::path& file, ConfigLayers layers,
                              const Registry& registry) {
  Diagnostics diagnostics;
  diagnostics.add_source(layers.file, layers.text);
  const auto root = merge_config(file, {}, diagnostics, std::move(layers.tables));
  return checked_config(file, root, registry, diagnostics);
}

}  // namespace winnow

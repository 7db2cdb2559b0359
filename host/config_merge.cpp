// config_merge.cpp: includes and overrides.
#include "host/config_merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>

#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDeepestInclude = 16;
constexpr std::size_t kMostFiles = 256;
constexpr std::array<std::string_view, 3> kTaskKinds = {"classes", "prompts", "images"};
constexpr std::array<std::string_view, 5> kVerifierKeys = {"plugin", "name", "weight", "role",
                                                           "isolate"};

// Copies of nodes forget where they came from, so nodes are only ever moved.
void put(toml::table& into, const toml::key& key, toml::node& node) {
  into.erase(key.str());
  node.visit([&](auto& value) { into.insert(key, std::move(value)); });
}

void merge_tables(toml::table& base, toml::table& over) {
  for (auto&& [key, node] : over) {
    toml::node* old = base.get(key.str());
    if (old && old->is_table() && node.is_table()) {
      merge_tables(*old->as_table(), *node.as_table());
    } else {
      put(base, key, node);
    }
  }
}

// The options of one plugin mean nothing to another.
void merge_plugin(toml::table& base, toml::table& over) {
  const auto* before = base.get_as<std::string>("plugin");
  const auto* after = over.get_as<std::string>("plugin");
  if (before && after && before->get() != after->get()) {
    for (auto it = base.begin(); it != base.end();) {
      const bool stays = std::find(kVerifierKeys.begin(), kVerifierKeys.end(), it->first.str()) !=
                         kVerifierKeys.end();
      it = stays ? std::next(it) : base.erase(it);
    }
  }
  merge_tables(base, over);
}

void merge_tasks(toml::table& base, toml::table& over) {
  const auto names = [&](std::string_view kind) { return over.contains(kind); };
  if (std::any_of(kTaskKinds.begin(), kTaskKinds.end(), names)) {
    for (const std::string_view kind : kTaskKinds) base.erase(kind);
  }
  merge_tables(base, over);
}

void merge_roots(toml::table& base, toml::table& over) {
  for (auto&& [key, node] : over) {
    toml::node* old = base.get(key.str());
    if (!old || !old->is_table() || !node.is_table()) {
      put(base, key, node);
    } else if (key.str() == "sampler" || key.str() == "search") {
      merge_plugin(*old->as_table(), *node.as_table());
    } else if (key.str() == "tasks") {
      merge_tasks(*old->as_table(), *node.as_table());
    } else {
      merge_tables(*old->as_table(), *node.as_table());
    }
  }
}

class Includes {
 public:
  explicit Includes(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  // `from`: the place that names the file.
  std::optional<toml::table> read(const fs::path& file, const Where& from) {
    std::error_code unreadable;  // told when it is read
    fs::path real = fs::weakly_canonical(file, unreadable);
    if (unreadable) real = file;
    if (!may_read(file, real, from)) return std::nullopt;
    ++files_;
    const auto text = read_text_file(file, kLargestConfigFile, from, diagnostics_);
    if (!text) return std::nullopt;
    std::optional<toml::table> table = parse_toml(*text, file.string(), diagnostics_);
    if (!table) return std::nullopt;
    chain_.push_back({real, file.string()});
    std::optional<toml::table> result = with_included(file, *table);
    chain_.pop_back();
    return result;
  }

 private:
  struct Link {
    fs::path real;
    std::string shown;
  };

  bool may_read(const fs::path& file, const fs::path& real, const Where& from) {
    const auto same = [&](const Link& link) { return link.real == real; };
    const auto first = std::find_if(chain_.begin(), chain_.end(), same);
    if (first != chain_.end()) {
      std::string circle;
      for (auto link = first; link != chain_.end(); ++link) circle += link->shown + " -> ";
      diagnostics_.add(from, "the files include each other in a circle: " + circle + file.string());
      return false;
    }
    if (chain_.size() < kDeepestInclude && files_ < kMostFiles) return true;
    diagnostics_.add(from, fmt::format("too many includes: at most {} deep, {} files",
                                       kDeepestInclude, kMostFiles));
    return false;
  }

  std::optional<toml::table> with_included(const fs::path& file, toml::table& table) {
    toml::table base;
    bool good = true;
    if (const toml::node* include = table.get("include")) {
      good = read_all(file, *include, base);
      table.erase("include");
    }
    if (!good) return std::nullopt;
    merge_roots(base, table);
    return base;
  }

  bool read_all(const fs::path& file, const toml::node& include, toml::table& base) {
    const toml::array* names = include.as_array();
    if (!names) {
      const std::string help = include.is_string() ? "include = [\"...\"]" : "";
      diagnostics_.add(where_of(include),
                       fmt::format("'include' is {}, expected a list of files", describe(include)),
                       help);
      return false;
    }
    bool good = true;
    for (const toml::node& name : *names) {
      const auto* text = name.as_string();
      if (!text) {
        diagnostics_.add(where_of(name), fmt::format("'include' holds {}, expected the name of a "
                                                     "file",
                                                     describe(name)));
        good = false;
        continue;
      }
      const fs::path path = (file.parent_path() / text->get()).lexically_normal();
      std::optional<toml::table> included = read(path, where_of(name));
      if (included) merge_roots(base, *included);
      good = good && included;
    }
    return good;
  }

  Diagnostics& diagnostics_;
  std::vector<Link> chain_;
  std::size_t files_ = 0;
};

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() < 7 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

class Overrides {
 public:
  Overrides(std::vector<toml::table> layers, Diagnostics& diagnostics)
      : diagnostics_(diagnostics), parsed_(std::move(layers)) {}

  // False: one of them is no override.
  bool parse_all(const std::vector<std::string>& texts) {
    bool good = true;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::optional<toml::table> table = parse(texts[i], fmt::format("override {}", i + 1));
      good = good && table;
      if (table) parsed_.push_back(std::move(*table));
    }
    return good;
  }

  void apply(toml::table& root) {
    // A new plugin drops the options of the old one, so it goes first: the order of the arguments
    // is of no consequence then.
    std::stable_partition(parsed_.begin(), parsed_.end(),
                          [](const toml::table& table) { return names_plugin(table); });
    for (toml::table& table : parsed_) lay_over(root, table);
  }

 private:
  static bool names_plugin(const toml::table& table) {
    for (const auto& [key, node] : table) {
      if (key.str() == "plugin") return true;
      if (node.is_table() && names_plugin(*node.as_table())) return true;
    }
    return false;
  }

  std::optional<toml::table> parse(const std::string& text, const std::string& name) {
    diagnostics_.add_source(name, text);
    const std::size_t equals = text.find('=');
    const std::size_t first = text.find_first_not_of(" \t", equals + 1);
    if (equals == std::string::npos || text.find_first_of("\r\n") != std::string::npos) {
      const auto length = static_cast<std::uint32_t>(characters_of(text).size());
      diagnostics_.add({name, 1, 1, std::max(length, 1u)},
                       fmt::format("'{}' is no override, expected key=value on one line", text));
      return std::nullopt;
    }
    if (first == std::string::npos) {
      const auto column = static_cast<std::uint32_t>(characters_of(text).size() + 1);
      diagnostics_.add({name, 1, column, 1}, "a value is missing after '='");
      return std::nullopt;
    }
    Diagnostics mistakes;
    std::optional<toml::table> table = parse_toml(text, name, mistakes);
    if (!table && std::string_view("\"'[{").find(text[first]) == std::string_view::npos) {
      // A bare word: text, if the key before it is one. Keys that expect no text refuse it later.
      Diagnostics word_mistakes;
      table =
          parse_toml(text.substr(0, first) + toml_string(text.substr(first)), name, word_mistakes);
      if (!table) mistakes = word_mistakes;
    }
    if (!table || table->empty()) {
      for (const Diagnostic& one : mistakes.all())
        diagnostics_.add(one.where, one.message, one.help);
      if (mistakes.empty()) diagnostics_.add({name, 1, 1, 1}, "expected key=value");
      return std::nullopt;
    }
    return table;
  }

  void lay_over(toml::table& root, toml::table& table) {
    if (const toml::key* include = key_of(table, "include")) {
      diagnostics_.add(where_of(*include), "'include' cannot be an override");
      return;
    }
    toml::node* verifiers = table.get("verifier");
    if (verifiers && verifiers->is_table()) {
      for (auto&& [key, node] : *verifiers->as_table()) {
        lay_over_verifier(root.get_as<toml::array>("verifier"), key, node);
      }
      table.erase("verifier");
    }
    merge_roots(root, table);
  }

  void lay_over_verifier(toml::array* list, const toml::key& key, toml::node& node) {
    toml::table* found = list ? find_verifier(*list, key) : nullptr;
    if (!found) {
      refuse_verifier(list, key);
    } else if (!node.is_table()) {
      diagnostics_.add(where_of(node),
                       fmt::format("a verifier is a table, found {}", describe(node)),
                       fmt::format("verifier.{}.weight=...", key.str()));
    } else {
      merge_plugin(*found, *node.as_table());
    }
  }

  static std::string name_of(const toml::table& verifier) {
    if (const auto* name = verifier.get_as<std::string>("name")) return name->get();
    const auto* plugin = verifier.get_as<std::string>("plugin");
    return plugin ? default_verifier_name(plugin->get()) : "";
  }

  static toml::table* find_verifier(toml::array& list, const toml::key& key) {
    if (is_digits(key.str())) {
      const std::size_t index = std::stoul(std::string(key.str()));
      return index < list.size() ? list.get(index)->as_table() : nullptr;
    }
    for (toml::node& element : list) {
      toml::table* table = element.as_table();
      if (table && name_of(*table) == key.str()) return table;
    }
    return nullptr;
  }

  void refuse_verifier(const toml::array* list, const toml::key& key) {
    std::vector<std::string> names;
    for (std::size_t i = 0; list && i < list->size(); ++i) {
      const toml::table* table = list->get(i)->as_table();
      if (table) names.push_back(name_of(*table));
    }
    const std::string near = did_you_mean(key.str(), names);
    diagnostics_.add(where_of(key),
                     fmt::format("no verifier '{}', the config has {}", key.str(), names.size()),
                     near.empty() && !names.empty() ? "there are " + list_of(names) : near);
  }

  Diagnostics& diagnostics_;
  std::vector<toml::table> parsed_;
};

}  // namespace

std::string default_verifier_name(const std::string& plugin_id) {
  return plugin_id.substr(plugin_id.rfind('.') + 1);  // npos + 1 == 0
}

toml::table overrides_table(const std::vector<std::string>& overrides, Diagnostics& diagnostics) {
  Overrides over({}, diagnostics);
  over.parse_all(overrides);
  toml::table root;
  over.apply(root);
  return root;
}

std::optional<toml::table> merge_config(const fs::path& file,
                                        const std::vector<std::string>& overrides,
                                        Diagnostics& diagnostics, std::vector<toml::table> layers) {
  std::optional<toml::table> root = Includes(diagnostics).read(file, {file.string()});
  // Overrides are parsed also when the file was not, so that all mistakes are shown at once.
  Overrides over(std::move(layers), diagnostics);
  over.parse_all(overrides);
  if (!root) return std::nullopt;
  over.apply(*root);
  return root;
}

}  // namespace winnow

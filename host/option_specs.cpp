// option_specs.cpp: reads the option tables of a manifest.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "host/options.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

constexpr std::size_t kMostOptions = 256;

// Keys with a meaning of their own in [sampler], [search] and [[verifier]].
constexpr std::array<std::string_view, 5> kReserved = {"plugin", "name", "weight", "role",
                                                       "isolate"};

bool is_option_key(std::string_view key) {
  if (key.empty() || key.size() > 64 || key.front() == '.' || key.back() == '.') return false;
  if (key.find("..") != std::string_view::npos) return false;
  return key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") == std::string_view::npos;
}

bool is_number(std::uint32_t type) {
  return type == WN_OPT_I64 || type == WN_OPT_F64 || type == WN_OPT_I64_LIST ||
         type == WN_OPT_F64_LIST;
}

class SpecReader {
 public:
  SpecReader(const toml::table& table, Diagnostics& diagnostics)
      : table_(table), diagnostics_(diagnostics) {}

  OptionSpec read(bool lenient) {
    const std::vector<std::string> keys = {"key",  "type",  "default", "min",
                                           "max",  "open",  "choices", "help",
                                           "unit", "since", "scale",   "deprecated"};
    if (!lenient) refuse_unknown_keys(table_, keys, "in [[plugin.option]]", diagnostics_);
    read_key();
    read_type();
    spec_.help = text("help");
    spec_.unit = text("unit");
    spec_.since = text("since");
    spec_.scale = text("scale");
    read_bounds();
    read_choices();
    read_deprecated(lenient);
    if (const toml::node* value = table_.get("default"); value && spec_.type != 0) {
      spec_.default_value = read_option(*value, spec_, "'default'", diagnostics_);
    }
    return spec_;
  }

 private:
  void read_key() {
    spec_.key = text("key");
    const toml::node* node = table_.get("key");
    if (!node) {
      diagnostics_.add(where_of(table_), "an option without 'key'");
      return;
    }
    if (!node->is_string()) return;
    const std::string first = spec_.key.substr(0, spec_.key.find('.'));
    if (!is_option_key(spec_.key)) {
      diagnostics_.add(where_of(*node),
                       fmt::format("'{}' is no option key, expected [a-z0-9_-] joined by dots, at "
                                   "most 64 characters",
                                   spec_.key));
    } else if (std::find(kReserved.begin(), kReserved.end(), first) != kReserved.end()) {
      diagnostics_.add(where_of(*node),
                       fmt::format("'{}' cannot be an option: run configs use that key", first));
    }
  }

  void read_type() {
    const toml::node* node = table_.get("type");
    if (!node) {
      diagnostics_.add(where_of(table_), "an option without 'type'");
      return;
    }
    const std::string name = text("type");
    if (!node->is_string()) return;
    spec_.type = option_type_of(name);
    if (spec_.type != 0) return;
    std::vector<std::string> names;
    for (std::uint32_t type = WN_OPT_BOOL; type <= WN_OPT_STR_LIST; ++type) {
      names.push_back(option_type_name(type));
    }
    diagnostics_.add(where_of(*node),
                     fmt::format("'type' is '{}', expected {}", name, list_of(names)),
                     did_you_mean(name, names));
  }

  void read_bounds() {
    spec_.min = bound("min");
    spec_.max = bound("max");
    if (spec_.min && spec_.max && *spec_.min > *spec_.max) {
      diagnostics_.add(where_of(*table_.get("max")), "'max' is below 'min'");
    }
    const toml::node* open = table_.get("open");
    if (!open) return;
    OptionSpec ends;
    ends.type = WN_OPT_STR_LIST;
    ends.choices = {{"min", ""}, {"max", ""}};
    const auto data = read_option(*open, ends, "'open'", diagnostics_);
    if (!data) return;
    for (const std::string& end : std::get<std::vector<std::string>>(*data)) {
      (end == "min" ? spec_.min_open : spec_.max_open) = true;
    }
  }

  std::optional<double> bound(const char* name) {
    const toml::node* node = table_.get(name);
    if (!node) return std::nullopt;
    if (spec_.type != 0 && !is_number(spec_.type)) {
      diagnostics_.add(where_of(*key_of(table_, name)),
                       fmt::format("'{}' is for numbers, this option is {}", name,
                                   option_type_name(spec_.type)));
      return std::nullopt;
    }
    OptionSpec number;
    number.type = WN_OPT_F64;
    const auto data = read_option(*node, number, fmt::format("'{}'", name), diagnostics_);
    if (!data) return std::nullopt;
    return std::get<double>(*data);
  }

  void read_choices() {
    const toml::node* node = table_.get("choices");
    if (!node) return;
    if (spec_.type != 0 && spec_.type != WN_OPT_STR) {
      diagnostics_.add(where_of(*key_of(table_, "choices")),
                       "'choices' is for options of type str");
      return;
    }
    if (!node->is_array()) {
      diagnostics_.add(where_of(*node),
                       fmt::format("'choices' is {}, expected a list", describe(*node)));
      return;
    }
    for (const toml::node& element : *node->as_array()) read_choice(element);
  }

  void read_choice(const toml::node& element) {
    const std::vector<std::string> keys = {"value", "help"};
    if (const auto* value = element.as_string()) {
      spec_.choices.push_back({value->get(), ""});
      return;
    }
    const toml::table* table = element.as_table();
    if (!table || !table->get("value") || !table->get("value")->is_string()) {
      diagnostics_.add(where_of(element), "a choice is { value = \"...\", help = \"...\" }");
      return;
    }
    refuse_unknown_keys(*table, keys, "in a choice", diagnostics_);
    spec_.choices.push_back({**table->get("value")->as_string(), text_of(*table, "help")});
  }

  void read_deprecated(bool lenient) {
    const std::vector<std::string> keys = {"since", "use"};
    const toml::node* node = table_.get("deprecated");
    if (!node) return;
    const toml::table* table = node->as_table();
    if (!table || !table->get("use")) {
      diagnostics_.add(where_of(*node), "expected deprecated = { since = \"...\", use = \"...\" }");
      return;
    }
    if (!lenient) refuse_unknown_keys(*table, keys, "in 'deprecated'", diagnostics_);
    text_of(*table, "since");
    spec_.deprecated_use = text_of(*table, "use");
  }

  std::string text(const char* name) { return text_of(table_, name); }

  std::string text_of(const toml::table& table, const char* name) {
    const toml::node* node = table.get(name);
    if (!node) return "";
    OptionSpec plain;
    plain.type = WN_OPT_STR;
    const auto data = read_option(*node, plain, fmt::format("'{}'", name), diagnostics_);
    return data ? std::get<std::string>(*data) : "";
  }

  const toml::table& table_;
  Diagnostics& diagnostics_;
  OptionSpec spec_;
};

// What can only be seen with all options at hand.
void check_together(const std::vector<OptionSpec>& specs, const std::vector<Where>& places,
                    Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const OptionSpec& spec = specs[i];
    for (std::size_t j = 0; j < i; ++j) {
      const std::string &a = specs[j].key, &b = spec.key;
      if (a == b) diagnostics.add(places[i], fmt::format("a second option '{}'", b));
      if (a.starts_with(b + ".") || b.starts_with(a + ".")) {
        diagnostics.add(places[i], fmt::format("'{}' and '{}' cannot both be options", a, b));
      }
    }
    if (spec.deprecated_use.empty()) continue;
    const auto replacement = std::find_if(specs.begin(), specs.end(), [&](const OptionSpec& other) {
      return other.key == spec.deprecated_use;
    });
    if (replacement == specs.end() || !replacement->deprecated_use.empty() ||
        replacement->type != spec.type) {
      diagnostics.add(
          places[i], fmt::format("'{}' is replaced by '{}', which is no current option of its type",
                                 spec.key, spec.deprecated_use));
    }
  }
}

}  // namespace

std::vector<OptionSpec> parse_option_specs(const toml::array& tables, Diagnostics& diagnostics,
                                           bool lenient) {
  std::vector<OptionSpec> specs;
  std::vector<Where> places;
  if (tables.size() > kMostOptions) {
    diagnostics.add(where_of(tables), fmt::format("{} options, a plugin has at most {}",
                                                  tables.size(), kMostOptions));
    return specs;
  }
  for (const toml::node& element : tables) {
    const toml::table* table = element.as_table();
    if (!table) {
      diagnostics.add(where_of(element), "an option is a table, [[plugin.option]]");
      continue;
    }
    specs.push_back(SpecReader(*table, diagnostics).read(lenient));
    const toml::node* key = table->get("key");
    places.push_back(key ? where_of(*key) : where_of(*table));
  }
  check_together(specs, places, diagnostics);
  return specs;
}

}  // namespace winnow

// options.cpp: values of options: types, bounds, choices, defaults.
#include "host/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "host/text.hpp"
#include "host/toml_source.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

struct TypeName {
  std::uint32_t type;
  const char* name;
  const char* words;
};
constexpr std::array<TypeName, 8> kTypes = {{
    {WN_OPT_BOOL, "bool", "true or false"},
    {WN_OPT_I64, "i64", "an integer"},
    {WN_OPT_F64, "f64", "a number"},
    {WN_OPT_STR, "str", "text"},
    {WN_OPT_PATH, "path", "a path (text)"},
    {WN_OPT_I64_LIST, "i64[]", "a list of integers"},
    {WN_OPT_F64_LIST, "f64[]", "a list of numbers"},
    {WN_OPT_STR_LIST, "str[]", "a list of texts"},
}};

std::string number_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{}", value);
  // Without a point or an exponent TOML would read an integer.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string bound_text(double value) { return fmt::format("{}", value); }

// Reads values of one option; every mistake says whose value it is.
class ValueReader {
 public:
  ValueReader(const OptionSpec& spec, const std::string& subject, Diagnostics& diagnostics)
      : spec_(spec), subject_(subject), diagnostics_(diagnostics) {}

  std::optional<OptionData> read(const toml::node& node) {
    switch (spec_.type) {
      case WN_OPT_BOOL:
        if (const auto* value = node.as_boolean()) return value->get();
        return wrong_type(node, WN_OPT_BOOL);
      case WN_OPT_I64:
        return single(integer(node));
      case WN_OPT_F64:
        return single(number(node));
      case WN_OPT_STR:
        return single(text(node));
      case WN_OPT_PATH:
        return single(path(node));
      case WN_OPT_I64_LIST:
        return list<std::int64_t>(node, [this](const toml::node& n) { return integer(n); });
      case WN_OPT_F64_LIST:
        return list<double>(node, [this](const toml::node& n) { return number(n); });
      default:
        return list<std::string>(node, [this](const toml::node& n) { return text(n); });
    }
  }

 private:
  template <class T>
  static std::optional<OptionData> single(const std::optional<T>& value) {
    if (!value) return std::nullopt;
    return OptionData(*value);
  }

  template <class T, class Read>
  std::optional<OptionData> list(const toml::node& node, Read read_element) {
    const toml::array* array = node.as_array();
    if (!array) return wrong_type(node, spec_.type);
    std::vector<T> values;
    bool good = true;
    for (const toml::node& element : *array) {
      std::optional<T> value = read_element(element);
      good = good && value.has_value();
      if (value) values.push_back(std::move(*value));
    }
    if (!good) return std::nullopt;
    return OptionData(std::move(values));
  }

  std::optional<std::int64_t> integer(const toml::node& node) {
    const auto* value = node.as_integer();
    if (!value) return wrong_type(node, WN_OPT_I64);
    if (!in_bounds(node, static_cast<double>(value->get()))) return std::nullopt;
    return value->get();
  }

  std::optional<double> number(const toml::node& node) {
    std::optional<double> value;
    if (const auto* real = node.as_floating_point()) value = real->get();
    if (const auto* whole = node.as_integer()) value = static_cast<double>(whole->get());
    if (!value) return wrong_type(node, WN_OPT_F64);
    if (std::isnan(*value)) return wrong_value(node, "'nan' is not a number to compute with");
    if (!in_bounds(node, *value)) return std::nullopt;
    return value;
  }

  std::optional<std::string> text(const toml::node& node) {
    const auto* value = node.as_string();
    if (!value) return wrong_type(node, WN_OPT_STR);
    if (spec_.choices.empty()) return value->get();
    std::vector<std::string> names;
    for (const OptionChoice& choice : spec_.choices) names.push_back(choice.value);
    if (std::find(names.begin(), names.end(), value->get()) != names.end()) return value->get();
    diagnostics_.add(where_of(node),
                     fmt::format("{} is '{}', expected {}", subject_, value->get(), list_of(names)),
                     did_you_mean(value->get(), names));
    return std::nullopt;
  }

  std::optional<std::string> path(const toml::node& node) {
    namespace fs = std::filesystem;
    const auto* value = node.as_string();
    if (!value) return wrong_type(node, WN_OPT_PATH);
    if (value->get().empty()) return std::string();
    if (value->get().find('\0') != std::string::npos) {
      return wrong_value(node, "a path holds no zero byte");
    }
    // An override's source is no file of any folder, so this is then the current folder.
    const auto& source = node.source().path;
    const fs::path folder = source ? fs::absolute(*source).parent_path() : fs::current_path();
    return (folder / value->get()).lexically_normal().string();
  }

  // `wanted`: the type of the value, or of one element of a list.
  std::nullopt_t wrong_type(const toml::node& node, std::uint32_t wanted) {
    std::string help;
    const auto* real = node.as_floating_point();
    if (wanted == WN_OPT_I64 && real && std::trunc(real->get()) == real->get() &&
        std::abs(real->get()) < 1e15) {
      help = fmt::format("write {}", static_cast<std::int64_t>(real->get()));
    }
    const bool wants_text = wanted == WN_OPT_STR || wanted == WN_OPT_PATH;
    if (wants_text && node.is_value()) help = "text needs double quotes";
    diagnostics_.add(
        where_of(node),
        fmt::format("{} is {}, expected {}", subject_, describe(node), option_type_words(wanted)),
        help);
    return std::nullopt;
  }

  std::nullopt_t wrong_value(const toml::node& node, const std::string& why) {
    diagnostics_.add(where_of(node), fmt::format("{}: {}", subject_, why));
    return std::nullopt;
  }

  bool in_bounds(const toml::node& node, double value) {
    const bool low = spec_.min && (spec_.min_open ? value <= *spec_.min : value < *spec_.min);
    const bool high = spec_.max && (spec_.max_open ? value >= *spec_.max : value > *spec_.max);
    if (!low && !high) return true;
    const std::string unit = spec_.unit.empty() ? "" : " " + spec_.unit;
    diagnostics_.add(where_of(node), fmt::format("{} is {}, expected a value {}{}", subject_, value,
                                                 option_range(spec_), unit));
    return false;
  }

  const OptionSpec& spec_;
  const std::string& subject_;
  Diagnostics& diagnostics_;
};

struct Writer {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return toml_string(value); }
  template <class T>
  std::string operator()(const std::vector<T>& list) const {
    std::string text = "[";
    for (const T& element : list) {
      if (text.size() > 1) text += ", ";
      text += (*this)(element);
    }
    return text + "]";
  }
};

const OptionSpec* find_spec(const std::vector<OptionSpec>& specs, const std::string& key) {
  for (const OptionSpec& spec : specs) {
    if (spec.key == key) return &spec;
  }
  return nullptr;
}

// Walks the table of one plugin along the dotted keys of its options.
class OptionCheck {
 public:
  OptionCheck(const std::vector<OptionSpec>& specs, const std::string& plugin_id,
              Diagnostics& diagnostics)
      : specs_(specs), plugin_id_(plugin_id), diagnostics_(diagnostics) {}

  void walk(const toml::table& table, const std::string& prefix,
            const std::vector<std::string>& reserved) {
    for (const auto& [key, value] : table) {
      const std::string name(key.str());
      if (prefix.empty() && std::find(reserved.begin(), reserved.end(), name) != reserved.end()) {
        continue;
      }
      const std::string path = prefix + name;
      if (const OptionSpec* spec = find_spec(specs_, path)) {
        take(*spec, key, value);
      } else if (value.is_table() && begins_an_option(path + ".")) {
        walk(*value.as_table(), path + ".", reserved);
      } else {
        refuse(key, path, reserved);
      }
    }
  }

  std::vector<OptionValue> finish(const toml::table& table) {
    for (const OptionSpec& spec : specs_) {
      if (!spec.deprecated_use.empty() || given_.count(spec.key)) continue;
      if (spec.default_value) {
        given_.emplace(spec.key, OptionValue{spec.key, spec.type, *spec.default_value});
      } else if (!mistaken_.count(spec.key)) {
        miss(spec, table);
      }
    }
    std::vector<OptionValue> values;
    for (auto& [key, value] : given_) values.push_back(std::move(value));
    return values;
  }

 private:
  void take(const OptionSpec& named, const toml::key& key, const toml::node& value) {
    const OptionSpec* spec = &named;
    if (!named.deprecated_use.empty()) {
      spec = find_spec(specs_, named.deprecated_use);
      if (!spec) spec = &named;
    }
    const std::string subject = fmt::format("option '{}' of {}", named.key, plugin_id_);
    std::optional<OptionData> data = read_option(value, *spec, subject, diagnostics_);
    if (given_.count(spec->key) || mistaken_.count(spec->key)) {
      diagnostics_.add(where_of(key),
                       fmt::format("option '{}' is given twice, also by its old name", spec->key));
    } else if (data) {
      given_.emplace(spec->key, OptionValue{spec->key, spec->type, std::move(*data)});
    } else {
      mistaken_.insert(spec->key);
    }
  }

  bool begins_an_option(const std::string& prefix) const {
    return std::any_of(specs_.begin(), specs_.end(),
                       [&](const OptionSpec& spec) { return spec.key.starts_with(prefix); });
  }

  void refuse(const toml::key& key, const std::string& path,
              const std::vector<std::string>& reserved) {
    std::vector<std::string> names;
    for (const OptionSpec& spec : specs_) {
      if (spec.deprecated_use.empty()) names.push_back(spec.key);
    }
    std::vector<std::string> near = names;
    near.insert(near.end(), reserved.begin(), reserved.end());
    for (const std::string& name : names) {  // tables of dotted keys: "restart"
      if (const std::size_t dot = name.rfind('.'); dot != std::string::npos) {
        near.push_back(name.substr(0, dot));
      }
    }
    // Probably this was meant, so it is not missed as well.
    mistaken_.insert(nearest_name(path, near));
    const std::string suggestion = did_you_mean(path, near);
    const std::string all = names.empty() ? "it has no options" : "there are " + list_of(names);
    diagnostics_.add(where_of(key), fmt::format("unknown option '{}' of {}", path, plugin_id_),
                     suggestion.empty() ? all : suggestion);
  }

  void miss(const OptionSpec& spec, const toml::table& table) {
    const toml::node* plugin = table.get("plugin");
    diagnostics_.add(plugin ? where_of(*plugin) : where_of(table),
                     fmt::format("{} needs the option '{}', {}", plugin_id_, spec.key,
                                 option_type_words(spec.type)),
                     spec.help);
  }

  const std::vector<OptionSpec>& specs_;
  const std::string& plugin_id_;
  Diagnostics& diagnostics_;
  std::map<std::string, OptionValue> given_;
  std::set<std::string> mistaken_;  // given, but not usable: no need to ask for it again
};

}  // namespace

std::optional<OptionData> read_option(const toml::node& value, const OptionSpec& spec,
                                      const std::string& subject, Diagnostics& diagnostics) {
  return ValueReader(spec, subject, diagnostics).read(value);
}

std::vector<OptionValue> check_options(const toml::table& table,
                                       const std::vector<std::string>& reserved,
                                       const std::vector<OptionSpec>& specs,
                                       const std::string& plugin_id, Diagnostics& diagnostics) {
  OptionCheck check(specs, plugin_id, diagnostics);
  check.walk(table, "", reserved);
  return check.finish(table);
}

std::string option_type_name(std::uint32_t type) {
  for (const TypeName& known : kTypes) {
    if (known.type == type) return known.name;
  }
  return "";
}

std::uint32_t option_type_of(std::string_view name) {
  for (const TypeName& known : kTypes) {
    if (known.name == name) return known.type;
  }
  return 0;
}

std::string option_type_words(std::uint32_t type) {
  for (const TypeName& known : kTypes) {
    if (known.type == type) return known.words;
  }
  return "";
}

std::string option_range(const OptionSpec& spec) {
  if (!spec.choices.empty()) {
    std::vector<std::string> names;
    for (const OptionChoice& choice : spec.choices) names.push_back(choice.value);
    return "of " + list_of(names);
  }
  if (spec.min && spec.max) {
    return fmt::format("in {}{}, {}{}", spec.min_open ? '(' : '[', bound_text(*spec.min),
                       bound_text(*spec.max), spec.max_open ? ')' : ']');
  }
  if (spec.min) {
    return fmt::format("{} {}", spec.min_open ? "above" : "of at least", bound_text(*spec.min));
  }
  if (spec.max) {
    return fmt::format("{} {}", spec.max_open ? "below" : "of at most", bound_text(*spec.max));
  }
  return "";
}

std::string to_toml(const OptionData& data) { return std::visit(Writer(), data); }

}  // namespace winnow

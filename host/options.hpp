// options.hpp: the option table of a plugin (from its manifest) and the values a config gives it.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/diagnostic.hpp"

namespace winnow {

// The order of the alternatives is fixed; `OptionSpec::type` (WN_OPT_*) says which one is held:
// BOOL bool, I64 int64_t, F64 double, STR and PATH std::string, then the three lists.
using OptionData = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                                std::vector<double>, std::vector<std::string>>;

struct OptionChoice {
  std::string value;
  std::string help;
  bool operator==(const OptionChoice&) const = default;
};

// One [[plugin.option]] table of a manifest.
struct OptionSpec {
  std::string key;                          // dotted
  std::uint32_t type = 0;                   // WN_OPT_*
  std::optional<OptionData> default_value;  // none: the config must give it
  std::optional<double> min, max;           // bounds of numbers, of every element in lists
  bool min_open = false, max_open = false;  // exclusive bounds
  std::vector<OptionChoice> choices;        // STR only; empty: any
  std::string help, unit, since, scale;
  std::string deprecated_use;  // the key that replaces this one; empty: not deprecated
  bool operator==(const OptionSpec&) const = default;
};

// A checked value. `type` is WN_OPT_*.
struct OptionValue {
  std::string key;
  std::uint32_t type = 0;
  OptionData data;
  bool operator==(const OptionValue&) const = default;
};

// Reads `option = [...]` tables of a manifest; mistakes go to `diagnostics`. `lenient`: unknown
// keys are passed over (the manifest is of a newer format).
std::vector<OptionSpec> parse_option_specs(const toml::array& tables, Diagnostics& diagnostics,
                                           bool lenient = false);

// Reads one value of the type, bounds and choices of `spec`; nothing after a mistake. `subject`
// names it in messages: "'run.seed'". A relative PATH is made absolute from the folder of the file
// that holds it.
std::optional<OptionData> read_option(const toml::node& value, const OptionSpec& spec,
                                      const std::string& subject, Diagnostics& diagnostics);

// Checks `table` (without the keys in `reserved`) against `specs`: unknown keys (with the nearest
// valid name), types, bounds, choices, missing values. Fills in defaults; the result is sorted by
// key. Relative PATH values are taken relative to the folder of the file that holds them
// (overrides: to the current folder) and made absolute.
std::vector<OptionValue> check_options(const toml::table& table,
                                       const std::vector<std::string>& reserved,
                                       const std::vector<OptionSpec>& specs,
                                       const std::string& plugin_id, Diagnostics& diagnostics);

// "i64", "f64[]" ... for WN_OPT_*, and back (0: no such name).
std::string option_type_name(std::uint32_t type);
std::uint32_t option_type_of(std::string_view name);

// As a TOML value: 3, 0.5, "text", [1, 2].
std::string to_toml(const OptionData& data);

// Bounds or choices in words: "in (0, 1]", "of at least 1", "of 'a' or 'b'"; empty: any value.
std::string option_range(const OptionSpec& spec);

// "text", "an integer", "a list of numbers" ... for WN_OPT_*.
std::string option_type_words(std::uint32_t type);

}  // namespace winnow

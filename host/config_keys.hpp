// config_keys.hpp: the one table of everything a run config may hold; the reader checks against it,
// and docs/configuration.md is made from it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/options.hpp"

namespace winnow {

struct ConfigKey {
  OptionSpec spec;           // key, type, default, bounds, choices, help
  bool needed = false;       // a section without it is a mistake
  std::string default_text;  // for the page, where the default is computed; empty: spec's own
  std::string also;          // a second form that is accepted: "text: ..."
};

struct ConfigSection {
  std::string name;  // "run"
  std::string help;
  bool list = false;            // [[name]] instead of [name]
  bool needed = false;          // a config without it is a mistake
  bool plugin_options = false;  // further keys are options of the plugin that it names
  std::vector<ConfigKey> keys;
};

// In the order of the page. [include] is no section: a key at the top of a file.
std::vector<ConfigSection> config_sections();

// The section called `name`, which must be one.
const ConfigSection& section_of(const std::vector<ConfigSection>& sections, std::string_view name);

std::vector<std::string> key_names(const ConfigSection& section);

}  // namespace winnow

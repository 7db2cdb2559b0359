// config_layers.hpp: overrides of a run config that stand in another TOML file, such as a study.
#pragma once

#include <toml++/toml.h>

#include <optional>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/diagnostic.hpp"

namespace winnow {

// Tables that are laid over a config like overrides. Their nodes keep their places in `file`, so
// that a mistake is shown where it stands and relative paths start from that file's folder.
struct ConfigLayers {
  std::string file, text;  // the source, as in the nodes' places
  std::vector<toml::table> tables;
};

// As load_config of config.hpp.
RunConfig load_layered_config(const std::filesystem::path& file, ConfigLayers layers,
                              const Registry& registry);

// {search = {candidates = VALUE}} for the key "search.candidates"; `value` is copied with its
// places. Nothing, and a mistake at the key, when it is no dotted key.
std::optional<toml::table> layer_of(const toml::key& key, const toml::node& value,
                                    Diagnostics& diagnostics);
// The same for a key that is a value itself: `at` is where it stands.
std::optional<toml::table> layer_of(const std::string& key, const toml::source_region& at,
                                    const toml::node& value, Diagnostics& diagnostics);

}  // namespace winnow

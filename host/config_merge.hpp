// config_merge.hpp: one TOML table out of a config file, the files it includes, and the overrides.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/diagnostic.hpp"

namespace winnow {

// In bytes. A run directory's config holds every prompt, and files of prompts may have half of
// this.
inline constexpr std::size_t kLargestConfigFile = std::size_t{128} << 20;

// Reads `file` and what it includes, then lays the layers (parsed overrides) and the overrides over
// it; every node keeps the place it came from ("override 1" for the first override). Later keys
// win. A [sampler], [search] or verifier that names another plugin drops the options of the one
// before, and [tasks] that name another kind of task drop the kind before. Nothing is returned when
// a file or override could not be parsed.
std::optional<toml::table> merge_config(const std::filesystem::path& file,
                                        const std::vector<std::string>& overrides,
                                        Diagnostics& diagnostics,
                                        std::vector<toml::table> layers = {});

// The table that key=value arguments alone make.
toml::table overrides_table(const std::vector<std::string>& overrides, Diagnostics& diagnostics);

// The last part of a plugin's id, which is a verifier's name when none is given.
std::string default_verifier_name(const std::string& plugin_id);

}  // namespace winnow

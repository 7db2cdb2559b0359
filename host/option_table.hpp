// option_table.hpp: keys with their types, defaults and meanings as a table of Markdown.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "host/options.hpp"

namespace winnow {

inline constexpr const char* kOptionTableHead =
    "| key | type | default | meaning |\n|---|---|---|---|\n";

std::string type_cell(const OptionSpec& spec);  // "f64 in (0, 1]"
std::string help_cell(const OptionSpec& spec);  // with the meanings of its choices
// A default path of a plugin lies in its package, wherever that is installed; `package` may be
// empty.
std::string default_cell(const OptionSpec& spec, const std::filesystem::path& package);
// One line; '|' and line ends are escaped.
std::string option_row(const std::string& key, const std::string& type, const std::string& fallback,
                       const std::string& help);

// The head and a row for each option.
std::string option_table(const std::vector<OptionSpec>& options,
                         const std::filesystem::path& package);

}  // namespace winnow

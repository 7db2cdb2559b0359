// option_table.cpp: see option_table.hpp.
#include "host/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "winnow/winnow.h"

namespace winnow {
namespace {

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) {
    text.replace(at, 1, "\\|");
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

std::string type_cell(const OptionSpec& spec) {
  std::string text = option_type_name(spec.type);
  const std::string range = spec.choices.empty() ? option_range(spec) : "";
  if (!range.empty()) text += " " + range;
  if (!spec.unit.empty()) text += ", " + spec.unit;
  return text;
}

std::string help_cell(const OptionSpec& spec) {
  std::string text = spec.help;
  for (const OptionChoice& choice : spec.choices) {
    if (!text.empty()) text += &choice == &spec.choices.front() ? " " : "; ";
    text += fmt::format("`\"{}\"`", choice.value);
    std::string_view meaning = choice.help;
    if (meaning.ends_with('.')) meaning.remove_suffix(1);
    if (!meaning.empty()) text += fmt::format(": {}", meaning);
  }
  if (!spec.choices.empty() && !text.ends_with('.')) text += '.';
  return text;
}

std::string default_cell(const OptionSpec& spec, const std::filesystem::path& package) {
  if (!spec.default_value) return "needed";
  if (spec.type == WN_OPT_PATH && !package.empty()) {
    const std::filesystem::path path = std::get<std::string>(*spec.default_value);
    const std::filesystem::path inside = path.lexically_relative(package);
    if (!inside.empty() && *inside.begin() != "..") {
      return fmt::format("`\"{}\"` of the package", inside.string());
    }
  }
  return fmt::format("`{}`", to_toml(*spec.default_value));
}

std::string option_row(const std::string& key, const std::string& type, const std::string& fallback,
                       const std::string& help) {
  return fmt::format("| `{}` | {} | {} | {} |\n", key, cell(type), cell(fallback), cell(help));
}

std::string option_table(const std::vector<OptionSpec>& options,
                         const std::filesystem::path& package) {
  std::string text = kOptionTableHead;
  for (const OptionSpec& spec : options) {
    if (!spec.deprecated_use.empty()) {
      text += option_row(spec.key, type_cell(spec), "",
                         fmt::format("Old name of `{}`.", spec.deprecated_use));
    } else {
      text += option_row(spec.key, type_cell(spec), default_cell(spec, package), help_cell(spec));
    }
  }
  return text;
}

}  // namespace winnow

// config_reader.cpp: sections by their table of keys.
#include "host/config_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

// "[budget]", when the unknown `key` is one of its keys; a key may stand in the wrong section.
std::string elsewhere(const std::string& key, const std::vector<ConfigSection>& all) {
  for (const ConfigSection& section : all) {
    const std::vector<std::string> names = key_names(section);
    if (std::find(names.begin(), names.end(), key) != names.end()) {
      const char* form = section.list ? "'{}' belongs to [[{}]]" : "'{}' belongs to [{}]";
      return fmt::format(fmt::runtime(form), key, section.name);
    }
  }
  return "";
}

}  // namespace

std::filesystem::path beside_source(const toml::node& node, const std::string& name) {
  namespace fs = std::filesystem;
  const auto& source = node.source().path;
  const fs::path folder = source ? fs::absolute(*source).parent_path() : fs::current_path();
  return (folder / name).lexically_normal();
}

SectionReader::SectionReader(const ConfigSection& section, const toml::table* table,
                             Diagnostics& diagnostics)
    : section_(section), table_(table), diagnostics_(diagnostics) {}

void SectionReader::check_keys(const std::vector<ConfigSection>& all) const {
  if (!table_) return;
  const std::vector<std::string> names = key_names(section_);
  for (const auto& [key, value] : *table_) {
    const std::string name(key.str());
    if (section_.plugin_options) break;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::string help = did_you_mean(name, names);
    if (help.empty()) help = elsewhere(name, all);
    if (help.empty()) help = "there are " + list_of(names);
    diagnostics_.add(where_of(key), fmt::format("unknown key '{}' in [{}]", name, section_.name),
                     help);
  }
  for (const ConfigKey& key : section_.keys) {
    if (!key.needed || table_->contains(key.spec.key)) continue;
    diagnostics_.add(where_of(*table_),
                     fmt::format("[{}] has no '{}'", section_.name, key.spec.key), key.spec.help);
  }
}

const toml::node* SectionReader::node(const std::string& key) const {
  return table_ ? table_->get(key) : nullptr;
}

std::optional<OptionData> SectionReader::get(const std::string& key) const {
  const auto found =
      std::find_if(section_.keys.begin(), section_.keys.end(),
                   [&](const ConfigKey& candidate) { return candidate.spec.key == key; });
  const toml::node* given = node(key);
  if (!given) return found->spec.default_value;
  return read_option(*given, found->spec, fmt::format("'{}.{}'", section_.name, key), diagnostics_);
}

void SectionReader::complain(const std::string& key, const std::string& message,
                             const std::string& help) const {
  diagnostics_.add(where_of(*node(key)), message, help);
}

}  // namespace winnow

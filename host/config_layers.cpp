// config_layers.cpp: dotted keys and values to tables that remember where they came from.
#include "host/config_layers.hpp"

#include <fmt/format.h>

#include "host/toml_source.hpp"

namespace winnow {
namespace {

// toml++ drops the places of what is copied, and offers no other way to set them.
void set_place(toml::node& node, const toml::source_region& place) {
  const_cast<toml::source_region&>(node.source()) = place;
}

void copy_places(const toml::node& from, toml::node& to) {
  set_place(to, from.source());
  if (const toml::table* table = from.as_table()) {
    for (const auto& [key, value] : *table) copy_places(value, *to.as_table()->get(key.str()));
  } else if (const toml::array* array = from.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i)
      copy_places(*array->get(i), *to.as_array()->get(i));
  }
}

// The parts of a dotted key, quotes taken off; empty: it is none.
std::vector<std::string> parts_of(const std::string& key) {
  Diagnostics ignored;
  std::optional<toml::table> parsed;
  if (key.find_first_of("\r\n=#") == std::string::npos)
    parsed = parse_toml(key + " = 0", "key", ignored);
  std::vector<std::string> parts;
  const toml::table* table = parsed ? &*parsed : nullptr;
  while (table && table->size() == 1) {
    parts.emplace_back(table->begin()->first.str());
    table = table->begin()->second.as_table();
  }
  return parts;
}

}  // namespace

std::optional<toml::table> layer_of(const toml::key& key, const toml::node& value,
                                    Diagnostics& diagnostics) {
  return layer_of(std::string(key.str()), key.source(), value, diagnostics);
}

std::optional<toml::table> layer_of(const std::string& key, const toml::source_region& at,
                                    const toml::node& value, Diagnostics& diagnostics) {
  const std::vector<std::string> parts = parts_of(key);
  if (parts.empty()) {
    toml::key place("", toml::source_region(at));
    diagnostics.add(
        where_of(place),
        fmt::format("'{}' is no key of a run config, such as 'search.candidates'", key));
    return std::nullopt;
  }
  toml::table root;
  toml::table* inner = &root;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    const auto made =
        inner->insert(toml::key(parts[i], toml::source_region(at)), toml::table{}).first;
    set_place(made->second, at);
    inner = made->second.as_table();
  }
  value.visit([&](const auto& typed) {
    const auto made = inner->insert(toml::key(parts.back(), toml::source_region(at)), typed).first;
    copy_places(value, made->second);
  });
  return root;
}

}  // namespace winnow

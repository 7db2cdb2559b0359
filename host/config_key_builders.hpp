// config_key_builders.hpp: rows of the tables in config_keys.cpp and study_keys.cpp.
#pragma once

#include <string>
#include <utility>

#include "host/config_keys.hpp"

namespace winnow {

inline ConfigKey key(const std::string& name, std::uint32_t type, const std::string& help) {
  ConfigKey result;
  result.spec.key = name;
  result.spec.type = type;
  result.spec.help = help;
  return result;
}

inline ConfigKey with_default(ConfigKey key, OptionData value) {
  key.spec.default_value = std::move(value);
  return key;
}

inline ConfigKey at_least(ConfigKey key, double min) {
  key.spec.min = min;
  return key;
}

inline ConfigKey at_most(ConfigKey key, double max) {
  key.spec.max = max;
  return key;
}

}  // namespace winnow

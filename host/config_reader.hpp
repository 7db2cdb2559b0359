// config_reader.hpp: typed access to the sections of a merged config.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/config_keys.hpp"
#include "host/diagnostic.hpp"

namespace winnow {

// One table of a config, read by its section's keys. A section that is not there has its defaults.
class SectionReader {
 public:
  // `table` may be null. All three outlive the reader.
  SectionReader(const ConfigSection& section, const toml::table* table, Diagnostics& diagnostics);

  // One mistake for each unknown key (not for sections with plugin options) and each missing one.
  void check_keys(const std::vector<ConfigSection>& all) const;

  // The value of a key, or its default; nothing when there is neither, or after a mistake.
  std::optional<OptionData> get(const std::string& key) const;
  template <class T>
  T value(const std::string& key) const {
    const std::optional<OptionData> data = get(key);
    return data ? std::get<T>(*data) : T{};
  }

  const toml::node* node(const std::string& key) const;
  void complain(const std::string& key, const std::string& message,
                const std::string& help = "") const;  // at the key's value, which is there

 private:
  const ConfigSection& section_;
  const toml::table* table_;
  Diagnostics& diagnostics_;
};

// A path written at `node`: relative to the file that holds it; for overrides to the current
// folder.
std::filesystem::path beside_source(const toml::node& node, const std::string& name);

// The tasks of [tasks], repeated; files of prompts are read, images looked for. Never more than a
// million, never more than 256 MiB of text.
std::vector<TaskSpec> read_tasks(const SectionReader& section, Diagnostics& diagnostics);

}  // namespace winnow

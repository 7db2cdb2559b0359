// run_identity.hpp: what made the samples and scores of a run, by content, so that runs in
// different places can be compared: from the text of its run.toml and lock.json.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace winnow {

// A plugin: "plugin", "version", and every option as TOML; where the option names a file, the
// file's hash. The library's own hash is no part of it: a rebuilt plugin of the same version is the
// same plugin.
using PluginIdentity = std::map<std::string, std::string>;

struct RunIdentity {
  PluginIdentity sampler;
  struct Judge {
    std::string name;  // in the records of that run; no part of the identity
    PluginIdentity plugin;
  };
  std::vector<Judge> verifiers;  // in the order of the config
  std::string objective;         // names the score that a search follows: selecting verifiers, rule
  std::vector<std::string> conditions;  // by task, as condition_text() gives them
  bool keeps_all = false;               // samples of all candidates are written
  bool keeps_none = false;              // no sample is written
};

// Throws Error(Exit::kJournal) when the texts are not what this winnow writes.
RunIdentity identity_of(const std::string& run_toml, const std::string& lock_json);

// The first difference, "steps = 8 -> 16"; empty: equal.
std::string first_difference(const PluginIdentity& before, const PluginIdentity& after);

}  // namespace winnow

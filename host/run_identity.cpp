// run_identity.cpp: see run_identity.hpp.
#include "host/run_identity.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "host/error.hpp"
#include "host/recipe_key.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

using nlohmann::json;

const std::set<std::string> kUseOfVerifier{"name", "weight", "role"};

std::string toml_text(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return out.str();
}

class Reader {
 public:
  Reader(const toml::table& run, const json& lock)
      : run_(run), files_(lock.at("files")), plugins_(lock.at("plugins")) {}

  RunIdentity read() {
    RunIdentity identity;
    identity.sampler = plugin(table(run_, "sampler"));
    json objective = {run_.at_path("selection.rule").value_or(std::string())};
    for (const toml::node& node : *run_.get_as<toml::array>("verifier")) {
      const toml::table& verifier = *node.as_table();
      identity.verifiers.push_back({text(verifier, "name"), plugin(verifier)});
      if (text(verifier, "role") == "select")
        objective.push_back({identity.verifiers.back().plugin, verifier["weight"].value_or(1.0)});
    }
    identity.objective = objective.dump();
    identity.conditions = conditions(table(run_, "tasks"));
    const std::string keep = run_.at_path("output.keep").value_or(std::string());
    identity.keeps_all = keep == "all";
    identity.keeps_none = keep == "none";
    return identity;
  }

 private:
  static const toml::table& table(const toml::table& in, const char* name) {
    const auto* found = in.get_as<toml::table>(name);
    if (!found) throw Error(Exit::kJournal, fmt::format("run.toml has no [{}]", name));
    return *found;
  }
  static std::string text(const toml::table& in, const char* key) {
    return in[key].value_or(std::string());
  }

  std::string hash_of(const std::string& file) const {
    const auto found = files_.find(file);
    return found == files_.end() ? "" : found->get<std::string>();
  }

  void options(const toml::table& in, const std::string& prefix, PluginIdentity& out) const {
    for (const auto& [key, node] : in) {
      const std::string name = prefix + std::string(key.str());
      if (const auto* inner = node.as_table()) {
        options(*inner, name + ".", out);
        continue;
      }
      const auto* value = node.as_string();
      const std::string hash = value ? hash_of(value->get()) : "";
      out[name] = hash.empty() ? toml_text(node) : "the file " + hash;
    }
  }

  PluginIdentity plugin(const toml::table& in) const {
    PluginIdentity identity;
    options(in, "", identity);
    for (const std::string& key : kUseOfVerifier) identity.erase(key);
    identity["version"] = plugins_.at(text(in, "plugin")).at("version");
    return identity;
  }

  std::vector<std::string> conditions(const toml::table& tasks) const {
    std::vector<std::string> once;
    for (const auto& [key, node] : tasks) {
      const toml::array* list = node.as_array();
      for (std::size_t i = 0; list && i < list->size(); ++i) {
        const toml::node& element = *list->get(i);
        if (const auto* id = element.as_integer()) {
          once.push_back(condition_text(id->get(), "", ""));
        } else {
          const std::string& words = element.as_string()->get();
          const bool image = key == "images";
          once.push_back(image ? condition_text(-1, "", hash_of(words))
                               : condition_text(-1, words, ""));
        }
      }
    }
    std::vector<std::string> all;
    for (std::int64_t n = tasks["repeat"].value_or(std::int64_t{1}); n > 0; --n)
      all.insert(all.end(), once.begin(), once.end());
    return all;
  }

  const toml::table& run_;
  const json &files_, &plugins_;
};

}  // namespace

RunIdentity identity_of(const std::string& run_toml, const std::string& lock_json) try {
  Diagnostics diagnostics;
  const auto run = parse_toml(run_toml, "run.toml", diagnostics);
  if (!run) throw Error(Exit::kJournal, diagnostics.render());
  const json lock = json::parse(lock_json);
  return Reader(*run, lock).read();
} catch (const json::exception& error) {
  throw Error(Exit::kJournal, fmt::format("lock.json is damaged: {}", error.what()));
}

std::string first_difference(const PluginIdentity& before, const PluginIdentity& after) {
  std::set<std::string> keys{"plugin"};
  for (const auto* side : {&before, &after})
    for (const auto& [key, value] : *side) keys.insert(key);
  const auto difference = [&](const std::string& key) -> std::string {
    const auto value = [&](const PluginIdentity& side) {
      const auto found = side.find(key);
      return found == side.end() ? std::string("(none)") : found->second;
    };
    if (value(before) == value(after)) return "";
    return fmt::format("{} = {} -> {}", key, value(before), value(after));
  };
  if (const std::string other = difference("plugin"); !other.empty()) return other;
  for (const std::string& key : keys)
    if (const std::string found = difference(key); !found.empty()) return found;
  return "";
}

}  // namespace winnow

// config_text.cpp: a config as canonical text, and what differs between two of them.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "host/config.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

constexpr std::size_t kLongestValue = 72;  // characters of a value in a difference

const char* rule_name(SelectionRule rule) {
  switch (rule) {
    case SelectionRule::kSingle:
      return "single";
    case SelectionRule::kWeightedSum:
      return "weighted-sum";
    case SelectionRule::kMeanRank:
      return "mean-rank";
    case SelectionRule::kZSum:
      return "z-sum";
    case SelectionRule::kWorstRank:
      return "worst-rank";
  }
  return "";
}

bool same_task(const TaskSpec& a, const TaskSpec& b) {
  return a.class_id == b.class_id && a.prompt == b.prompt && a.image == b.image;
}

// The shortest list that gives all tasks when it is repeated (Knuth-Morris-Pratt's failure
// function): 500 tasks of ten classes are written as ten.
std::size_t shortest_period(const std::vector<TaskSpec>& tasks) {
  std::vector<std::size_t> border(tasks.size() + 1, 0);
  for (std::size_t i = 1, k = 0; i < tasks.size(); ++i) {
    while (k > 0 && !same_task(tasks[i], tasks[k])) k = border[k];
    if (same_task(tasks[i], tasks[k])) ++k;
    border[i + 1] = k;
  }
  const std::size_t period = tasks.size() - border[tasks.size()];
  return period > 0 && tasks.size() % period == 0 ? period : tasks.size();
}

std::string tasks_text(const std::vector<TaskSpec>& tasks) {
  if (tasks.empty()) return "[tasks]\n";
  const std::size_t period = shortest_period(tasks);
  const bool images = !tasks[0].image.empty();
  const bool classes = !images && tasks[0].class_id >= 0;
  std::string text = fmt::format("[tasks]\n{} = [", images    ? "images"
                                                    : classes ? "classes"
                                                              : "prompts");
  for (std::size_t i = 0; i < period; ++i) {
    if (i > 0) text += ", ";
    text += images    ? toml_string(tasks[i].image.string())
            : classes ? std::to_string(tasks[i].class_id)
                      : toml_string(tasks[i].prompt);
  }
  return text + fmt::format("]\nrepeat = {}\n", tasks.size() / period);
}

std::string plugin_text(const PluginUse& use) {
  std::string text = fmt::format("plugin = {}\n", toml_string(use.id));
  for (const OptionValue& option : use.options) {
    text += fmt::format("{} = {}\n", option.key, to_toml(option.data));
  }
  return text;
}

std::string budget_text(const Budget& budget) {
  std::string text = "[budget]\n";
  if (budget.nfe) text += fmt::format("nfe = {}\n", *budget.nfe);
  if (budget.candidates) text += fmt::format("candidates = {}\n", *budget.candidates);
  if (budget.seconds) text += fmt::format("seconds = {}\n", to_toml(OptionData(*budget.seconds)));
  return text;
}

// A config's values by dotted key, tables of [[verifier]] by their name.
class Flat {
 public:
  explicit Flat(const std::string& text) {
    Diagnostics diagnostics;
    const std::optional<toml::table> table = parse_toml(text, "run.toml", diagnostics);
    if (!table) throw Error(Exit::kUsage, "no resolved config: " + diagnostics.render());
    walk(*table, "");
  }

  const std::map<std::string, std::vector<std::string>>& values() const { return values_; }

 private:
  void walk(const toml::table& table, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string path = prefix + std::string(key.str());
      if (node.is_table()) {
        walk(*node.as_table(), path + ".");
      } else if (node.is_array() && node.as_array()->is_homogeneous(toml::node_type::table)) {
        walk_list(*node.as_array(), path);
      } else {
        values_[path] = elements(node);
      }
    }
  }

  // The order of the list is a value too: it decides ties.
  void walk_list(const toml::array& list, const std::string& path) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const toml::table& table = *list.get(i)->as_table();
      const auto* name = table.get_as<std::string>("name");
      const std::string shown = name ? name->get() : std::to_string(i);
      values_[path].push_back(shown);
      walk(table, path + "." + shown + ".");
    }
  }

  static std::vector<std::string> elements(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (!array) return {one(node)};
    std::vector<std::string> values;
    for (const toml::node& element : *array) values.push_back(one(element));
    if (values.size() != 1) return values;
    return {"[" + values[0] + "]"};
  }

  static std::string one(const toml::node& node) {
    if (const auto* text = node.as_string()) return toml_string(text->get());
    if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
    if (const auto* real = node.as_floating_point()) return to_toml(OptionData(real->get()));
    if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
    return "?";
  }

  std::map<std::string, std::vector<std::string>> values_;
};

std::string shown(const std::vector<std::string>& values) {
  if (values.size() == 1) return printable(values[0]);
  std::string text = fmt::format("[{}]", fmt::join(values, ", "));
  return printable(text);
}

std::string cut(const std::string& text) {
  const std::vector<std::string_view> characters = characters_of(text);
  if (characters.size() <= kLongestValue) return text;
  std::string result;
  for (std::size_t i = 0; i < kLongestValue; ++i) result += characters[i];
  return result + "...";
}

std::string change(const std::string& key, const std::vector<std::string>& before,
                   const std::vector<std::string>& after) {
  const std::string left = shown(before), right = shown(after);
  const bool fits = std::max(left.size(), right.size()) <= kLongestValue;
  if (fits || before.size() <= 1 || after.size() <= 1) {
    return fmt::format("{}: {} -> {}\n", key, cut(left), cut(right));
  }
  // Two long lists: their lengths, and where they part.
  const std::size_t both = std::min(before.size(), after.size());
  std::size_t first = 0;
  while (first < both && before[first] == after[first]) ++first;
  const std::string sizes = before.size() == after.size()
                                ? ""
                                : fmt::format(" ({} values -> {})", before.size(), after.size());
  const auto at = [&](const std::vector<std::string>& values) {
    return first < values.size() ? cut(printable(values[first])) : std::string("(none)");
  };
  return fmt::format("{}[{}]: {} -> {}{}\n", key, first, at(before), at(after), sizes);
}

}  // namespace

std::string resolved_toml(const RunConfig& config) {
  std::string text = fmt::format("[run]\nname = {}\nseed = {}\ndeterministic = {}\n\n",
                                 toml_string(config.name), config.seed, config.deterministic);
  text += budget_text(config.budget) + "\n" + tasks_text(config.tasks) + "\n";
  text += "[sampler]\n" + plugin_text(config.sampler) + "\n";
  for (const VerifierUse& verifier : config.verifiers) {
    text += "[[verifier]]\n" + plugin_text(verifier.use);
    text += fmt::format("name = {}\nweight = {}\nrole = \"{}\"\n\n", toml_string(verifier.name),
                        to_toml(OptionData(verifier.weight)),
                        verifier.role == VerifierRole::kSelect ? "select" : "report");
  }
  text += fmt::format("[selection]\nrule = \"{}\"\n\n", rule_name(config.rule));
  text += "[search]\n" + plugin_text(config.search) + "\n";
  text += fmt::format("[output]\nkeep = \"{}\"\n", config.keep == Keep::kAll    ? "all"
                                                   : config.keep == Keep::kNone ? "none"
                                                                                : "best");
  return text;
}

std::string config_difference(const std::string& old_toml, const std::string& new_toml) {
  const Flat before(old_toml), after(new_toml);
  std::string text;
  for (const auto& [key, values] : before.values()) {
    const auto other = after.values().find(key);
    if (other == after.values().end()) {
      text += fmt::format("{}: {} -> (none)\n", key, cut(shown(values)));
    } else if (other->second != values) {
      text += change(key, values, other->second);
    }
  }
  for (const auto& [key, values] : after.values()) {
    if (!before.values().count(key)) {
      text += fmt::format("{}: (none) -> {}\n", key, cut(shown(values)));
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace winnow

// config_tasks.cpp: [tasks] to the list of tasks.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "host/config_reader.hpp"
#include "host/prompt_file.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTasks = 1'000'000;
constexpr std::size_t kLongestPrompt = 10'000;  // characters
constexpr std::size_t kLargestPromptFile = std::size_t{64} << 20;
constexpr std::size_t kMostText = std::size_t{256} << 20;  // bytes of all prompts and paths
constexpr std::array<const char*, 3> kKinds = {"classes", "prompts", "images"};

class TaskReader {
 public:
  TaskReader(const SectionReader& section, Diagnostics& diagnostics)
      : section_(section), diagnostics_(diagnostics) {}

  std::vector<TaskSpec> read() {
    const auto repeat = static_cast<std::size_t>(section_.value<std::int64_t>("repeat"));
    const std::string kind = only_kind();
    if (kind.empty()) return {};
    const std::size_t before = diagnostics_.all().size();
    if (kind == "classes") read_classes();
    if (kind == "prompts") read_prompts();
    if (kind == "images") read_images();
    const bool good = diagnostics_.all().size() == before;
    if (good && tasks_.empty()) {
      section_.complain(kind, fmt::format("'tasks.{}' is empty, expected at least one task", kind));
    }
    if (!good || tasks_.empty() || repeat == 0) return {};
    if (const auto limit = section_.get("limit"))
      tasks_.resize(
          std::min(tasks_.size(), static_cast<std::size_t>(std::get<std::int64_t>(*limit))));
    else if (section_.node("limit"))
      return {};
    return repeated(kind, repeat);
  }

 private:
  std::string only_kind() {
    std::vector<std::string> kinds;
    for (const char* kind : kKinds) {
      if (section_.node(kind)) kinds.push_back(kind);
    }
    for (std::size_t i = 1; i < kinds.size(); ++i) {
      section_.complain(kinds[i],
                        fmt::format("'tasks.{}' beside 'tasks.{}', expected only one kind "
                                    "of task",
                                    kinds[i], kinds[0]));
    }
    return kinds.size() == 1 ? kinds[0] : "";
  }

  void read_classes() {
    for (const std::int64_t id : section_.value<std::vector<std::int64_t>>("classes")) {
      TaskSpec task;
      task.class_id = id;
      tasks_.push_back(std::move(task));
    }
  }

  void read_prompts() {
    const toml::node& node = *section_.node("prompts");
    if (const auto* file = node.as_string()) {
      read_prompt_file(node, file->get());
      return;
    }
    // The list is read for its type first; the places of its elements are needed afterwards.
    if (!section_.get("prompts")) return;
    for (const toml::node& element : *node.as_array()) {
      add_prompt(element.as_string()->get(), where_of(element));
    }
  }

  void read_prompt_file(const toml::node& node, const std::string& name) {
    const fs::path path = beside_source(node, name);
    const auto text = read_text_file(path, kLargestPromptFile, where_of(node), diagnostics_);
    if (!text) return;
    const std::size_t before = diagnostics_.all().size();
    const auto take = [&](std::string_view prompt, const Where& where) {
      add_prompt(prompt, where);
      return tasks_.size() <= kMostTasks;
    };
    for_each_prompt(path, *text, take, diagnostics_);
    // Only then: the text may be large.
    if (diagnostics_.all().size() > before) diagnostics_.add_source(path.string(), *text);
  }

  void add_prompt(std::string_view prompt, const Where& where) {
    const std::size_t bad = first_bad_utf8(prompt);
    if (bad != std::string_view::npos) {
      Where place = where;
      place.column += static_cast<std::uint32_t>(characters_of(prompt.substr(0, bad)).size());
      diagnostics_.add(place, "the prompt is not UTF-8 from here on");
      return;
    }
    const std::size_t length = characters_of(prompt).size();
    if (prompt.find_first_not_of(" \t\n") == std::string_view::npos) {
      diagnostics_.add(where, "the prompt is empty");
    } else if (length > kLongestPrompt) {
      diagnostics_.add(where, fmt::format("the prompt has {} characters, at most {} are taken",
                                          length, kLongestPrompt));
    } else {
      TaskSpec task;
      task.prompt = prompt;
      text_ += prompt.size();
      tasks_.push_back(std::move(task));
    }
  }

  void read_images() {
    if (!section_.get("images")) return;
    for (const toml::node& element : *section_.node("images")->as_array()) {
      TaskSpec task;
      task.image = beside_source(element, element.as_string()->get());
      if (!can_read(task.image, element)) continue;
      text_ += task.image.string().size();
      tasks_.push_back(std::move(task));
    }
  }

  bool can_read(const fs::path& image, const toml::node& element) {
    std::error_code error;
    if (fs::is_regular_file(image, error)) return true;
    read_text_file(image, 0, where_of(element), diagnostics_);  // says why, with the nearest name
    return false;
  }

  std::vector<TaskSpec> repeated(const std::string& kind, std::size_t repeat) {
    const std::string at = section_.node("repeat") ? "repeat" : kind;
    if (tasks_.size() > kMostTasks / repeat) {
      section_.complain(
          at, fmt::format("{} tasks, at most {} are taken", tasks_.size() * repeat, kMostTasks));
      return {};
    }
    if (text_ > kMostText / repeat) {
      section_.complain(at, fmt::format("the prompts of all tasks have {} bytes, at most {} are "
                                        "taken",
                                        text_ * repeat, kMostText));
      return {};
    }
    const std::size_t count = tasks_.size();
    tasks_.reserve(count * repeat);
    for (std::size_t i = count; i < count * repeat; ++i) tasks_.push_back(tasks_[i - count]);
    return std::move(tasks_);
  }

  const SectionReader& section_;
  Diagnostics& diagnostics_;
  std::vector<TaskSpec> tasks_;
  std::size_t text_ = 0;  // bytes
};

}  // namespace

std::vector<TaskSpec> read_tasks(const SectionReader& section, Diagnostics& diagnostics) {
  return TaskReader(section, diagnostics).read();
}

}  // namespace winnow

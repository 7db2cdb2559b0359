// cli_rescore.cpp: the verb rescore: a finished run's samples under another verifier.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>

#include "host/cli_verbs.hpp"
#include "host/disk.hpp"
#include "host/feature_network.hpp"
#include "host/figures.hpp"
#include "host/rescore.hpp"
#include "host/table.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kMostRows = 20;  // of changed choices in the text

// NaN would be no JSON.
ordered_json number(double x) { return std::isfinite(x) ? ordered_json(x) : nullptr; }

std::string text_of(double x) { return std::isfinite(x) ? score_text(x) : "-"; }

std::string count_text(std::uint64_t n) { return grouped(static_cast<double>(n)); }

// Scoring takes a while: what cannot be written is refused before. The run stays as it is.
void check_out(const fs::path& out, const fs::path& run) {
  if (out.empty()) return;
  if (out.extension() != ".csv" && out.extension() != ".json")
    throw Error(Exit::kUsage, fmt::format("--out '{}' ends in '{}'; expected .csv or .json",
                                          out.string(), out.extension().string()));
  const fs::path folder = fs::absolute(out).parent_path();
  if (!fs::is_directory(folder))
    throw Error(Exit::kUsage, fmt::format("the folder '{}' for '{}' is not there", folder.string(),
                                          out.filename().string()));
  const fs::path inside = fs::canonical(folder).lexically_relative(fs::weakly_canonical(run));
  if (!inside.empty() && *inside.begin() != "..")
    throw Error(Exit::kUsage, fmt::format("'{}' lies in the run directory, which stays as it is; "
                                          "give another place",
                                          out.string()));
}

std::string condition_of(const TaskSpec& spec) {
  if (spec.class_id >= 0) return fmt::format("class {}", spec.class_id);
  if (!spec.image.empty()) return spec.image.filename().string();
  constexpr std::size_t kLongest = 40;
  return spec.prompt.size() <= kLongest ? spec.prompt : spec.prompt.substr(0, kLongest) + "...";
}

// What rescore shows, in its forms.
class Page {
 public:
  Page(const SavedRun& run, const Rescored& rescored, std::string verifier)
      : run_(run),
        rescored_(rescored),
        summary_(summary_of(run, rescored)),
        verifier_(std::move(verifier)) {}

  const RescoreSummary& summary() const { return summary_; }

  std::string text() const {
    std::string text =
        fmt::format("{}: {} samples of {} tasks, scored by {}\n", run_.directory.string(),
                    count_text(summary_.samples), count_text(run_.tasks.size()), verifier_);
    if (summary_.failed) text += fmt::format("  {} failed\n", count_text(summary_.failed));
    if (run_.keeps_all)
      text += fmt::format("  it would choose otherwise in {} of {} tasks\n",
                          count_text(summary_.changed), count_text(summary_.compared));
    else
      text += "  only the best samples were kept (output.keep), so there is no other choice\n";
    return text + "\n" + means_text() + "\n" + agreements_text() + choices_text();
  }

  ordered_json json() const {
    ordered_json means = ordered_json::object(), agreements = ordered_json::object();
    for (const MeanScore& mean : summary_.means)
      (mean.name.empty() ? means["new"] : means["run"][mean.name]) = to_json(mean);
    for (const Agreement& one : summary_.agreements)
      agreements[one.name] = {{"within_tasks", number(one.within)},
                              {"tasks", one.tasks},
                              {"over_all", number(one.over_all)},
                              {"samples", one.samples}};
    ordered_json choices = ordered_json::array();
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) choices.push_back(choice_json(t));
    return {{"directory", run_.directory.string()},
            {"verifier", verifier_},
            {"keeps_all", run_.keeps_all},
            {"samples", summary_.samples},
            {"failed", summary_.failed},
            {"compared", summary_.compared},
            {"changed", run_.keeps_all ? ordered_json(summary_.changed) : nullptr},
            {"means", means},
            {"rank_correlation", agreements},
            {"tasks", choices}};
  }

  // A row for each sample.
  Table table() const {
    Table table{{"task", "candidate", "file", "chosen", "would_be_chosen", "score", "failure"}, {}};
    for (const std::string& name : run_.verifiers) table.columns.push_back("run." + name);
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      for (std::size_t s = 0; s < run_.tasks[t].samples.size(); ++s) {
        const SavedSample& sample = run_.tasks[t].samples[s];
        const NewScore& score = rescored_.scores[t][s];
        auto& row = table.rows.emplace_back();
        row = {static_cast<std::int64_t>(run_.tasks[t].index),
               static_cast<std::int64_t>(sample.candidate),
               sample.file.lexically_relative(run_.directory).string(),
               std::int64_t{run_.tasks[t].chosen == s},
               std::int64_t{rescored_.choice[t] == s},
               number_cell(score.value),
               score.failure.empty() ? Cell() : Cell(score.failure)};
        for (const double before : sample.scores) row.push_back(number_cell(before));
      }
    }
    return table;
  }

 private:
  static ordered_json to_json(const MeanScore& mean) {
    return {{"first", number(mean.first)},
            {"chosen", number(mean.chosen)},
            {"would_be_chosen", number(mean.would_be)},
            {"tasks", mean.tasks}};
  }

  ordered_json sample_json(std::size_t t, const std::optional<std::size_t>& s) const {
    if (!s) return nullptr;
    const SavedSample& sample = run_.tasks[t].samples[*s];
    ordered_json before = ordered_json::object();
    for (std::size_t v = 0; v < run_.verifiers.size(); ++v)
      before[run_.verifiers[v]] = number(sample.scores[v]);
    return {{"candidate", sample.candidate},
            {"file", sample.file.string()},
            {"scores", before},
            {"score", number(rescored_.scores[t][*s].value)}};
  }

  ordered_json choice_json(std::size_t t) const {
    const SavedTask& task = run_.tasks[t];
    ordered_json json = {{"task", task.index},
                         {"condition", condition_of(task.condition)},
                         {"samples", task.samples.size()},
                         {"chosen", sample_json(t, task.chosen)}};
    if (!run_.keeps_all) return json;
    json["would_be_chosen"] = sample_json(t, rescored_.choice[t]);
    json["changed"] = changed(t);
    return json;
  }

  bool changed(std::size_t t) const {
    return run_.tasks[t].chosen && rescored_.choice[t] &&
           run_.tasks[t].chosen != rescored_.choice[t];
  }

  std::string means_text() const {
    Rows rows = {{"  mean score of", "first", "chosen"}};
    if (run_.keeps_all) rows[0].insert(rows[0].end(), {"would be chosen", "difference"});
    for (const MeanScore& mean : summary_.means) {
      rows.push_back({"  " + (mean.name.empty() ? verifier_ + " (new)" : mean.name),
                      text_of(mean.first), text_of(mean.chosen)});
      if (!run_.keeps_all) continue;
      const double gain = mean.would_be - mean.chosen;
      rows.back().push_back(text_of(mean.would_be));
      rows.back().push_back(std::isfinite(gain) ? gain_text(gain) : "-");
    }
    return table_text(rows);
  }

  std::string agreements_text() const {
    Rows rows = {{"  rank correlation with", "within tasks", "over all samples"}};
    for (const Agreement& one : summary_.agreements)
      rows.push_back({"  " + one.name, text_of(one.within), text_of(one.over_all)});
    return table_text(rows);
  }

  std::string choices_text() const {
    if (summary_.changed == 0) return "";
    Rows rows = {{"  task", "asked for", "chosen", "its score", "would be", "its score"}};
    for (std::size_t t = 0; t < run_.tasks.size() && rows.size() <= kMostRows; ++t) {
      if (!changed(t)) continue;
      const std::size_t before = *run_.tasks[t].chosen, now = *rescored_.choice[t];
      rows.push_back({fmt::format("  {}", run_.tasks[t].index),
                      condition_of(run_.tasks[t].condition),
                      std::to_string(run_.tasks[t].samples[before].candidate),
                      text_of(rescored_.scores[t][before].value),
                      std::to_string(run_.tasks[t].samples[now].candidate),
                      text_of(rescored_.scores[t][now].value)});
    }
    std::string text = "\n";
    text += table_text(rows);
    if (summary_.changed > kMostRows)
      text += fmt::format("  and {} more; --json and --out have all\n",
                          count_text(summary_.changed - kMostRows));
    return text;
  }

  const SavedRun& run_;
  const Rescored& rescored_;
  RescoreSummary summary_;
  std::string verifier_;
};

void write_out(const fs::path& out, const Table& table, ordered_json json) {
  if (out.empty()) return;
  std::string text;
  if (out.extension() == ".csv") {
    text = csv_text(table);
  } else {
    auto& rows = json["rows"] = ordered_json::array();
    for (const auto& cells : table.rows) {
      auto& row = rows.emplace_back(ordered_json::object());
      for (std::size_t c = 0; c < cells.size(); ++c)
        row[table.columns[c]] = std::visit(
            [](const auto& cell) -> ordered_json {
              if constexpr (std::is_same_v<decltype(cell), const std::monostate&>)
                return nullptr;
              else
                return cell;
            },
            cells[c]);
    }
    text = json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  }
  disk::replace_file(fs::absolute(out).parent_path(), out.filename().string(), text);
}

std::string failure_of(const Rescored& rescored) {
  for (const auto& task : rescored.scores)
    for (const NewScore& score : task)
      if (!score.failure.empty()) return score.failure;
  return "";
}

}  // namespace

Answer rescore_verb(const CommandLine& line) {
  check_out(line.out, line.directory);
  const SavedRun run = read_saved_run(line.directory);
  const Registry registry = scan_plugins(line);
  const PluginUse use = verifier_use(registry, line.id, line.overrides);
  const Rescored rescored = rescore(run, registry, use);
  if (rescored.wanted_previews)
    spdlog::warn("{} looks at previews, which are not saved: it is shown the samples instead",
                 use.id);
  if (rescored.set_level)
    spdlog::info("{} rates sets: each task's samples as additions to the choices before", use.id);
  const Page page(run, rescored, use.id);
  if (page.summary().failed) spdlog::warn("a sample failed: {}", failure_of(rescored));
  const Exit exit = page.summary().task_failed ? Exit::kCandidates : Exit::kDone;
  Answer answer{exit, page.text(), page.json()};
  answer.json["exit"] = static_cast<int>(exit);
  write_out(line.out, page.table(), answer.json);
  if (!line.out.empty()) {
    answer.text += fmt::format("\n  written to {}\n", line.out.string());
    answer.json["out"] = line.out.string();
  }
  return answer;
}

}  // namespace winnow

// cli_run.cpp: the verb run: starts or continues a run and tells what came of it.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cmath>

#include "host/cli_verbs.hpp"
#include "host/cli_watcher.hpp"
#include "host/code_trust.hpp"
#include "host/figures.hpp"
#include "host/plugin_lock.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kRunToml = "run.toml";

// --out, else the run directory that is continued, else what the config says, else by name.
fs::path output_directory(const CommandLine& line, const RunConfig& config) {
  if (!line.out.empty()) return line.out;
  if (fs::is_directory(line.config)) return line.config;
  if (!config.output_dir.empty()) return config.output_dir;
  return fs::path("runs") / config.name;
}

// Why a run ended before its end; the same command goes on.
std::string stopped_text(const RunOutcome& outcome, int signal) {
  if (outcome.exit == Exit::kCheckpointed)
    return fmt::format("stopped by {}; what is done is kept, the same command goes on",
                       signal ? signal_name(signal) : "request");
  return "";
}

// "every candidate failed" alone would leave people in the dark.
std::string why_failed(const ordered_json& task) {
  std::string text = task["error"].get<std::string>();
  const auto failures = task.find("failures");
  if (failures != task.end() && !failures->empty())
    text += ": " + failures->front().value("why", std::string());
  return fmt::format("task {}: {}", task.value("task", 0), text);
}

std::string failed_tasks_text(const ordered_json& summary) {
  if (summary.is_null()) return "";
  std::size_t failed = 0;
  std::string first;
  for (const auto& task : summary["tasks"]) {
    if (task.contains("error") && failed++ == 0) first = why_failed(task);
  }
  if (failed == 0) return "";
  return fmt::format("{} of {} tasks failed; {}", failed, summary["tasks"].size(), first);
}

// The first few tasks stand in the gallery, those that have a sample.
bool has_gallery(const ordered_json& summary) {
  for (const auto& task : summary["tasks"])
    if (task.contains("sample")) return true;
  return false;
}

double number(const ordered_json& json, const char* key) {
  return json.is_object() ? json.value(key, 0.0) : 0.0;
}

std::string costs_table(const RunConfig& config, const RunOutcome& outcome) {
  const ordered_json& ledger = outcome.summary["ledger"];
  std::vector<std::vector<std::string>> rows = {
      {"  tasks", grouped(static_cast<double>(config.tasks.size()))},
      {"  candidates", grouped(number(ledger, "candidates"))},
      {"  search NFE", grouped(number(ledger, "search_nfe"))},
      {"  final NFE", grouped(number(ledger, "final_nfe"))}};
  if (const double nfe = number(ledger, "backward_nfe"); nfe > 0)
    rows.push_back({"  backward NFE", grouped(nfe)});
  if (const double nfe = number(outcome.effort, "recomputed_nfe"); nfe > 0)
    rows.push_back({"  made again", grouped(nfe) + " NFE"});
  if (const double n = number(ledger, "failed_candidates"); n > 0)
    rows.push_back({"  failed candidates", grouped(n)});
  rows.push_back({"  time", duration_text(number(outcome.effort, "seconds"))});
  return table_text(rows);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Why the first few failed or have no score of a verifier that only looks on.
std::string failures_text(const ordered_json& summary) {
  constexpr std::size_t kShown = 3;
  std::string text;
  std::size_t shown = 0;
  for (const auto& task : summary["tasks"]) {
    const int index = task.value("task", 0);
    for (const auto& failure : task.value("failures", ordered_json::array()))
      if (shown++ < kShown)
        text += fmt::format("  {}/{} failed: {}\n", index, failure.value("candidate", 0),
                            first_line(failure.value("why", "")));
    const auto unscored = task.value("unscored", ordered_json::object());
    for (const auto& [name, why] : unscored.items())
      if (shown++ < kShown)
        text += fmt::format("  task {} has no {}: {}\n", index, name,
                            first_line(why.get<std::string>()));
  }
  if (shown > kShown) text += "  more in summary.json\n";
  return text.empty() ? "" : text + "\n";
}

std::string scores_table(const RunConfig& config, const ordered_json& summary) {
  std::vector<std::vector<std::string>> rows = {
      {"  mean score of", "first", "best", "gain", "role"}};
  for (const VerifierUse& verifier : config.verifiers) {
    const MeanScores mean = mean_scores(summary, verifier.name);
    if (mean.chosen == 0) continue;  // no task has a sample
    const auto shown = [](double value, const auto& text_of) {
      return std::isfinite(value) ? text_of(value) : std::string("-");
    };
    std::string role = verifier.role == VerifierRole::kSelect ? "select" : "report";
    if (mean.scored < mean.chosen)
      role += fmt::format(", gave {} of {} samples a score", mean.scored, mean.chosen);
    rows.push_back({"  " + verifier.name, shown(mean.first, score_text),
                    shown(mean.best, score_text), shown(mean.best - mean.first, gain_text), role});
  }
  return rows.size() > 1 ? table_text(rows) + "\n" : "";
}

ordered_json run_json(const RunConfig& config, const fs::path& directory, const RunOutcome& outcome,
                      Exit exit, const std::string& message) {
  ordered_json json = {{"exit", static_cast<int>(exit)},
                       {"directory", directory.string()},
                       {"finished", !outcome.summary.is_null()},
                       {"was_finished", outcome.was_finished}};
  if (!message.empty()) json["message"] = message;
  if (!outcome.summary.is_null()) {
    ordered_json scores = ordered_json::object();
    for (const VerifierUse& verifier : config.verifiers) {
      const MeanScores mean = mean_scores(outcome.summary, verifier.name);
      // NaN would be no JSON.
      const auto value = [](double x) { return std::isfinite(x) ? ordered_json(x) : nullptr; };
      scores[verifier.name] = {
          {"role", verifier.role == VerifierRole::kSelect ? "select" : "report"},
          {"first", value(mean.first)},
          {"best", value(mean.best)}};
    }
    json["tasks"] = outcome.summary["tasks"].size();
    json["scores"] = scores;
    json["ledger"] = outcome.summary["ledger"];
    json["summary"] = (directory / "summary.json").string();
    if (has_gallery(outcome.summary)) json["gallery"] = (directory / "gallery.png").string();
  }
  json["effort"] = outcome.effort;
  return json;
}

}  // namespace

MeanScores mean_scores(const ordered_json& summary, const std::string& verifier) {
  double first = 0, best_of_both = 0, best = 0;
  std::size_t both = 0, scored = 0, chosen = 0;
  const ordered_json none = ordered_json::object();
  const auto score_in = [&](const ordered_json& scores) {
    return scores.contains(verifier) && scores[verifier].is_number()
               ? scores[verifier].get<double>()
               : std::nan("");
  };
  for (const auto& task : summary.value("tasks", ordered_json::array())) {
    const double after = score_in(task.value("scores", none));
    const double before = score_in(task.value("first", none).value("scores", none));
    chosen += task.contains("scores");
    if (!std::isfinite(after)) continue;
    best += after;
    ++scored;
    if (!std::isfinite(before)) continue;
    first += before;
    best_of_both += after;
    ++both;
  }
  const auto mean = [](double sum, std::size_t n) { return sum / static_cast<double>(n); };
  if (both > 0) return {mean(first, both), mean(best_of_both, both), scored, chosen};
  return {std::nan(""), scored > 0 ? mean(best, scored) : std::nan(""), scored, chosen};
}

std::string run_text(const RunConfig& config, const fs::path& directory,
                     const RunOutcome& outcome) {
  if (outcome.summary.is_null()) return "";
  std::string text;
  if (outcome.was_finished)
    text = fmt::format("{} was finished before; nothing was done\n\n", directory.string());
  text += config.name + "\n" + costs_table(config, outcome) + "\n";
  text += failures_text(outcome.summary);
  text += scores_table(config, outcome.summary);
  std::vector<std::vector<std::string>> files;
  if (has_gallery(outcome.summary))
    files.push_back({"  gallery", (directory / "gallery.png").string()});
  files.push_back({"  summary", (directory / "summary.json").string()});
  return text + table_text(files);
}

fs::path config_file(const fs::path& config) {
  std::error_code failed;
  if (!fs::is_directory(config, failed)) return config;
  if (fs::exists(config / kRunToml, failed)) return config / kRunToml;
  throw Error(Exit::kUsage, fmt::format("'{}' is a folder without a {}; expected a TOML file or a "
                                        "run directory",
                                        config.string(), kRunToml));
}

Answer run_verb(const CommandLine& line, const StopSignals& signals, ProgressPrinter& progress) {
  if (signals.install) signals.install();
  const Registry registry = scan_plugins(line);
  RunConfig config = load_config(config_file(line.config), line.overrides, registry);
  config.execution.isolation.attach = line.attach;
  require_locked(config_file(line.config), plugins_of(config), registry);
  require_trust(config_file(line.config), code_of_config(config, registry),
                words_to_lock(config_file(line.config), line));
  const fs::path directory = output_directory(line, config);
  Watcher watcher(signals, progress);
  RunOutcome outcome =
      execute_run({.config = config,
                   .registry = registry,
                   .directory = directory,
                   .stop = signals.stop,
                   .on_progress = std::ref(watcher),
                   .progress_every = kProgressEvery,
                   .on_notice = [](const std::string& text) { spdlog::info("{}", text); }});
  progress.clear();
  std::string message = stopped_text(outcome, watcher.signal());
  if (!message.empty()) spdlog::warn("{}", message);
  if (outcome.exit == Exit::kCandidates) {
    message = failed_tasks_text(outcome.summary);
    spdlog::error("{}", message);
  }
  Exit exit = outcome.exit;
  if (exit == Exit::kCheckpointed && watcher.signal() == SIGINT) exit = Exit::kInterrupted;
  return {exit, run_text(config, directory, outcome),
          run_json(config, directory, outcome, exit, message)};
}

}  // namespace winnow

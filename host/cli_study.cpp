// cli_study.cpp: the verb study: many runs, their tables and figures.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "host/cli_verbs.hpp"
#include "host/cli_watcher.hpp"
#include "host/code_trust.hpp"
#include "host/figures.hpp"
#include "host/plugin_lock.hpp"
#include "host/study_compare.hpp"
#include "host/study_jobs.hpp"
#include "host/study_metrics.hpp"
#include "host/study_plan.hpp"
#include "host/study_ranks.hpp"
#include "host/study_results.hpp"
#include "host/study_run.hpp"
#include "host/study_table.hpp"
#include "host/study_worker.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct Loaded {
  Study study;
  std::vector<StudyPoint> points;
};

// Those of all points and of the metrics.
std::vector<std::string> all_plugins_of(const Loaded& one) {
  std::set<std::string> ids;
  for (const StudyPoint& point : one.points)
    for (const std::string& id : plugins_of(point.config)) ids.insert(id);
  if (!one.study.metrics.use.id.empty()) ids.insert(one.study.metrics.use.id);
  return {ids.begin(), ids.end()};
}

std::vector<NamedCode> all_code_of(const Loaded& one, const Registry& registry) {
  std::vector<NamedCode> all;
  for (const StudyPoint& point : one.points)
    std::ranges::move(code_of_config(point.config, registry), std::back_inserter(all));
  return all;
}

// All of them before the first run.
std::vector<Loaded> load_all(const CommandLine& line, const Registry& registry) {
  std::vector<Loaded> all;
  std::vector<std::string> sweeps;
  for (const fs::path& file : line.studies) {
    Loaded one{load_study(file, line.quick, registry), {}};
    for (const Loaded& other : all)
      if (other.study.name == one.study.name)
        throw Error(Exit::kUsage, fmt::format("{} and {} are both called '{}'", other.study.file,
                                              one.study.file, one.study.name));
    one.points = study_points(one.study, registry);
    require_locked(one.study.base, all_plugins_of(one), registry);
    require_trust(one.study.base, all_code_of(one, registry), words_to_lock(file, line));
    check_columns(one.study, one.points);
    check_result_columns(one.study, possible_columns(one.study, one.points));
    // --quick leaves out points, and with them what others are compared with.
    if (!line.quick) check_comparisons(one.study, one.points);
    if (!line.quick) check_rankings(one.study, one.points);
    for (const StudySweep& sweep : one.study.sweeps) sweeps.push_back(sweep.label);
    all.push_back(std::move(one));
  }
  if (!line.only.empty() && std::find(sweeps.begin(), sweeps.end(), line.only) == sweeps.end()) {
    const std::string near = did_you_mean(line.only, sweeps);
    throw Error(Exit::kUsage, fmt::format("no sweep '{}'; {}", line.only,
                                          near.empty() ? "there are " + list_of(sweeps) : near));
  }
  return all;
}

// A reference of another network would be found out only when the first run is finished.
void check_metrics(const Study& study, const Registry& registry, const fs::path& out) try {
  if (!study.metrics.use.id.empty()) StudyMetricsReader(study.metrics, registry, out).check();
} catch (const Error& error) {
  throw Error(error.exit(), fmt::format("{}, [metrics]: {}", study.file, error.what()));
}

Answer plan_answer(const std::vector<Loaded>& all, const std::string& only,
                   const Registry& registry, const fs::path& out) {
  std::vector<std::vector<std::string>> rows = {
      {"study", "runs", "finished", "NFE", "NFE beside a pool", "disk, at most"}};
  Answer answer;
  answer.json = {{"out", out.string()}, {"studies", ordered_json::array()}};
  std::set<std::string> seen;
  StudyPlan total;
  const auto add_row = [&](const std::string& name, const StudyPlan& plan) {
    rows.push_back({name, grouped(static_cast<double>(plan.runs)),
                    grouped(static_cast<double>(plan.finished)),
                    (plan.exact ? "" : "at most ") + grouped(plan.nfe), grouped(plan.pool_nfe),
                    bytes_text(static_cast<std::uint64_t>(plan.disk_bytes))});
  };
  for (const Loaded& one : all) {
    const StudyPlan plan = plan_study(one.points, only, registry, out, seen);
    add_row(one.study.name, plan);
    answer.json["studies"].push_back({{"name", one.study.name},
                                      {"runs", plan.runs},
                                      {"finished", plan.finished},
                                      {"nfe", plan.nfe},
                                      {"pool_nfe", plan.pool_nfe},
                                      {"exact", plan.exact},
                                      {"disk_bytes", plan.disk_bytes}});
    total.runs += plan.runs;
    total.finished += plan.finished;
    total.nfe += plan.nfe;
    total.pool_nfe += plan.pool_nfe;
    total.exact = total.exact && plan.exact;
    total.disk_bytes += plan.disk_bytes;
  }
  if (all.size() > 1) add_row("together", total);
  answer.text = table_text(rows, /*right=*/true);
  return answer;
}

ordered_json files_json(const std::vector<fs::path>& files) {
  ordered_json json = ordered_json::array();
  for (const fs::path& file : files) json.push_back(file.string());
  return json;
}

// For a process that reads the same study and waits to be told its points.
std::vector<std::string> worker_words(const CommandLine& line, const fs::path& study,
                                      const fs::path& out) {
  std::vector<std::string> words{"study", study.string(), "--out", out.string(), "--worker"};
  for (const fs::path& plugin : line.plugins)
    words.insert(words.end(), {"--plugin", plugin.string()});
  if (line.quick) words.push_back("--quick");
  if (line.quiet) words.push_back("--quiet");
  for (int i = 0; i < line.verbose; ++i) words.push_back("--verbose");
  return words;
}

// Runs of one study (unless only its table is wanted), then its results.
class StudyVerb {
 public:
  StudyVerb(const CommandLine& line, const Registry& registry, const fs::path& out,
            const StopSignals& signals, Watcher& watcher)
      : line_(line), registry_(registry), out_(out), signals_(signals), watcher_(watcher) {}

  void perform(const Loaded& loaded, Answer& answer) {
    StudyOutcome outcome;
    if (!line_.table) outcome = execute(loaded);
    for (const FailedPoint& failed : outcome.failed)
      spdlog::error("{}: {}: {}", loaded.study.name, failed.label, failed.why);
    if (answer.exit == Exit::kDone) answer.exit = outcome.exit;
    // Metrics of many runs take a while, which nobody wants after Ctrl-C.
    StudyFiles files;
    if (outcome.exit != Exit::kCheckpointed)
      files = write_study_results(loaded.study, loaded.points, registry_, out_);
    tell(loaded, outcome, files, answer);
  }

 private:
  StudyOutcome execute(const Loaded& loaded) {
    const StudyRequest request = request_of(loaded);
    if (line_.jobs == 1) return execute_study(request);
    return execute_study_jobs(
        request, {.count = line_.jobs, .words = worker_words(line_, loaded.study.file, out_)});
  }

  StudyRequest request_of(const Loaded& loaded) {
    return {.study = loaded.study,
            .points = loaded.points,
            .registry = registry_,
            .out = out_,
            .only = line_.only,
            .stop = signals_.stop,
            .on_progress = std::ref(watcher_),
            .progress_every = kProgressEvery,
            .on_notice = [](const std::string& text) { spdlog::info("{}", text); }};
  }

  void tell(const Loaded& loaded, const StudyOutcome& outcome, const StudyFiles& files,
            Answer& answer) const {
    const auto count = [](std::size_t n) { return grouped(static_cast<double>(n)); };
    std::string runs =
        fmt::format("{} made, {} were finished", count(outcome.made), count(outcome.were_finished));
    runs += outcome.exit == Exit::kCheckpointed
                ? "; no table yet (--table makes one)"
                : fmt::format(", {} in the table", count(files.rows));
    std::vector<std::vector<std::string>> rows = {{"  runs", runs}};
    if (!outcome.failed.empty()) rows.push_back({"  failed", count(outcome.failed.size())});
    for (const fs::path& file : files.tables) rows.push_back({"  table", file.string()});
    for (const fs::path& file : files.figures) rows.push_back({"  figure", file.string()});
    answer.text += loaded.study.name + "\n" + table_text(rows);
    ordered_json failures = ordered_json::array();
    for (const FailedPoint& failed : outcome.failed)
      failures.push_back(
          {{"point", failed.label}, {"exit", static_cast<int>(failed.exit)}, {"why", failed.why}});
    answer.json["studies"].push_back({{"name", loaded.study.name},
                                      {"made", outcome.made},
                                      {"were_finished", outcome.were_finished},
                                      {"rows", files.rows},
                                      {"failed", failures},
                                      {"tables", files_json(files.tables)},
                                      {"figures", files_json(files.figures)}});
  }

  const CommandLine& line_;
  const Registry& registry_;
  const fs::path& out_;
  const StopSignals& signals_;
  Watcher& watcher_;
};

}  // namespace

Answer study_verb(const CommandLine& line, const StopSignals& signals, ProgressPrinter& progress) {
  if (signals.install) signals.install();
  const Registry registry = scan_plugins(line);
  const fs::path out = fs::absolute(line.out.empty() ? fs::path("studies") : line.out);
  const std::vector<Loaded> all = load_all(line, registry);
  if (line.plan) return plan_answer(all, line.only, registry, out);
  if (line.worker) {
    serve_points({.study = all.at(0).study,
                  .points = all.at(0).points,
                  .registry = registry,
                  .out = out,
                  .only = "",
                  .stop = signals.stop,
                  .on_progress = {},
                  .on_notice = {}},
                 STDIN_FILENO);
    return {};
  }
  for (const Loaded& one : all) check_metrics(one.study, registry, out);
  Answer answer;
  answer.json = {{"exit", 0}, {"out", out.string()}, {"studies", ordered_json::array()}};
  Watcher watcher(signals, progress);
  StudyVerb verb(line, registry, out, signals, watcher);
  for (const Loaded& one : all) {
    verb.perform(one, answer);
    progress.clear();
    if (answer.exit == Exit::kCheckpointed || answer.exit == Exit::kResources) break;
  }
  if (answer.exit == Exit::kCheckpointed) {
    spdlog::warn("stopped by {}; what is done is kept, the same command goes on",
                 watcher.signal() ? signal_name(watcher.signal()) : "request");
    if (watcher.signal() == SIGINT) answer.exit = Exit::kInterrupted;
  }
  answer.json["exit"] = static_cast<int>(answer.exit);
  return answer;
}

}  // namespace winnow

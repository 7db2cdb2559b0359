// study_results.cpp: tables and figures to files.
#include "host/study_results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "host/disk.hpp"
#include "host/study_compare.hpp"
#include "host/study_figures.hpp"
#include "host/study_markdown.hpp"
#include "host/study_metrics.hpp"
#include "host/study_ranks.hpp"
#include "host/study_run.hpp"
#include "host/study_summary.hpp"
#include "host/study_table.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {

namespace fs = std::filesystem;

namespace {

// Summaries are read once: a point is compared with many.
TaskScores task_scores_below(const fs::path& out) {
  using Json = nlohmann::json;
  const auto known = std::make_shared<std::map<std::string, Json>>();
  return [known, out](const std::string& run, const std::string& verifier) {
    auto [at, is_new] = known->try_emplace(run);
    if (is_new) {
      std::ifstream in(out / run / "summary.json");
      at->second = Json::parse(in, nullptr, /*allow_exceptions=*/false);
      if (!at->second.is_object()) at->second = Json::object();
    }
    std::vector<double> scores;
    for (const Json& task : at->second.value("tasks", Json::array())) {
      const Json by_name = task.value("scores", Json::object());
      scores.push_back(by_name.value(verifier, std::nan("")));
    }
    return scores;
  };
}

}  // namespace

StudyFiles write_study_results(const Study& study, const std::vector<StudyPoint>& points,
                               const Registry& registry, const fs::path& out) {
  std::optional<StudyMetricsReader> metrics;
  if (!study.metrics.use.id.empty()) metrics.emplace(study.metrics, registry, out);
  const Table table =
      study_table(study, points, out, metrics ? RunMetrics(std::ref(*metrics)) : RunMetrics());
  StudyFiles files;
  files.rows = table.rows.size();
  if (table.rows.empty()) return files;
  const Table summary = summarise(table);
  const fs::path folder = study_folder(out, study);
  fs::create_directories(folder);
  disk::replace_file(folder, "table.csv", csv_text(table));
  disk::replace_file(folder, "summary.csv", csv_text(summary));
  std::map<std::string, Table> tables = {{"points", table}, {"summary", summary}};
  std::string page = summary_page(study.name, summary, key_columns(table));
  const TaskScores scores = task_scores_below(out);
  if (!study.comparisons.empty()) {
    tables["differences"] = differences(table, study.comparisons, scores);
    page += differences_page(tables["differences"]);
  }
  if (!study.rankings.empty()) {
    tables["ranks"] = ranks(table, study.rankings, scores);
    page += ranks_page(tables["ranks"]);
  }
  for (const char* name : {"differences", "ranks"}) {
    const fs::path file = folder / (std::string(name) + ".csv");
    if (!tables.contains(name)) {
      fs::remove(file);  // of an earlier version of the study
      continue;
    }
    disk::replace_file(folder, file.filename().string(), csv_text(tables[name]));
    files.tables.push_back(file);
  }
  disk::replace_file(folder, "summary.md", page);
  write_sqlite(folder / "table.sqlite", tables);
  for (const char* name : {"table.csv", "summary.csv", "summary.md", "table.sqlite"})
    files.tables.push_back(folder / name);
  for (const StudyFigure& figure : study.figures) {
    disk::replace_file(folder, figure.file, plot_svg(figure_plot(figure, summary)));
    files.figures.push_back(folder / figure.file);
  }
  return files;
}

void check_result_columns(const Study& study, const std::vector<std::string>& columns) {
  Diagnostics diagnostics;
  diagnostics.add_source(study.file, study.text);
  const auto check = [&](const std::string& column, const toml::node* node) {
    if (!node || std::find(columns.begin(), columns.end(), column) != columns.end()) return;
    const std::string near = did_you_mean(column, columns);
    diagnostics.add(where_of(*node), fmt::format("no column '{}' in the table", column),
                    near.empty() ? "there are " + list_of(columns) : near);
  };
  for (const StudyFigure& figure : study.figures) {
    check(figure.x, figure.table->get("x"));
    check(figure.y, figure.table->get("y"));
    for (const std::string& column : figure.series) check(column, figure.table->get("series"));
    for (const auto& [column, values] : figure.where) check(column, figure.table->get("where"));
  }
  const auto measured = std::find(columns.begin(), columns.end(), "tasks");  // and all behind it
  const auto check_set = [&](const std::string& column, const toml::node* node) {
    check(column, node);
    if (std::find(measured, columns.end(), column) != columns.end())
      diagnostics.add(where_of(*node),
                      fmt::format("'{}' is measured, expected a column that says what was set: {}",
                                  column, list_of({columns.begin(), measured})));
  };
  for (const StudyComparison& comparison : study.comparisons) {
    if (comparison.point.empty()) check_set(comparison.of, comparison.table->get("of"));
    for (const auto& [column, values] : comparison.point)
      check_set(column, comparison.table->get("against"));
    for (const std::string& metric : comparison.metrics)
      check(metric, comparison.table->get("metrics"));
    for (const auto& [column, values] : comparison.where)
      check(column, comparison.table->get("where"));
  }
  for (const StudyRanking& ranking : study.rankings) {
    check_set(ranking.of, ranking.table->get("of"));
    for (const std::string& metric : ranking.metrics) check(metric, ranking.table->get("metrics"));
    for (const auto& [column, values] : ranking.where)
      check_set(column, ranking.table->get("where"));
  }
  diagnostics.throw_if_any();
}

}  // namespace winnow

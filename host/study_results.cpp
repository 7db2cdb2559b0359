// study_results.cpp: tables and figures to files.
#include "host/study_results.hpp"

#include "host/disk.hpp"
#include "host/study_figures.hpp"
#include "host/study_markdown.hpp"
#include "host/study_metrics.hpp"
#include "host/study_run.hpp"
#include "host/study_summary.hpp"
#include "host/study_table.hpp"

namespace winnow {

namespace fs = std::filesystem;

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
  disk::replace_file(folder, "summary.md", summary_page(study.name, summary, key_columns(table)));
  write_sqlite(folder / "table.sqlite", {{"points", table}, {"summary", summary}});
  files.tables = {folder / "table.csv", folder / "summary.csv", folder / "summary.md",
                  folder / "table.sqlite"};
  for (const StudyFigure& figure : study.figures) {
    disk::replace_file(folder, figure.file, plot_svg(figure_plot(figure, summary)));
    files.figures.push_back(folder / figure.file);
  }
  return files;
}

}  // namespace winnow

// study_table.cpp: from run directories to rows.
#include "host/study_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "host/run.hpp"
#include "host/study_run.hpp"
#include "host/verifier_statistics.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::array<const char*, 5> kQuantileNames = {"q05", "q25", "q50", "q75", "q95"};
constexpr std::array<const char*, 16> kCosts = {
    "tasks",       "candidates",        "search_nfe", "final_nfe",         "backward_nfe",
    "total_nfe",   "nfe_per_iteration", "walked_nfe", "recomputed_nfe",    "network_passes",
    "flops",       "verifier_calls",    "seconds",    "seconds_estimated", "failed_candidates",
    "failed_tasks"};

// Discarded (as JSON says it) when the file is missing or damaged.
ordered_json read_json(const fs::path& file) {
  std::ifstream in(file);
  return ordered_json::parse(in, nullptr, /*allow_exceptions=*/false);
}

// What one finished run says of itself.
struct RunRecord {
  ordered_json summary;
  Ledger ledger;
  double walked_nfe = 0, recomputed_nfe = 0, seconds = 0;
  double tasks = 0, failed_tasks = 0;
  bool replayed = false;  // something came out of a pool, so the clock says little

  // Backward passes are part of the search's.
  double logical_nfe() const { return ledger.search_nfe + ledger.final_nfe; }
};

RunRecord read_run(const fs::path& run) {
  RunRecord record;
  record.summary = read_json(run / "summary.json");
  const ordered_json effort = read_json(run / "execution.json");
  try {
    record.ledger = ledger_from(record.summary.at("ledger"));
    record.tasks = static_cast<double>(record.summary.at("tasks").size());
    for (const auto& task : record.summary.at("tasks"))
      record.failed_tasks += task.contains("error") ? 1 : 0;
    record.recomputed_nfe = effort.at("recomputed_nfe");
    record.replayed = effort.value("replayed_nfe", 0.0) > 0;
  } catch (const ordered_json::exception& error) {
    throw Error(Exit::kJournal, fmt::format("'{}' is damaged: {}", run.string(), error.what()));
  }
  const RunStatus status = read_status(run);
  record.walked_nfe = status.walked_nfe;
  record.seconds = status.seconds;
  return record;
}

double calls_of(const Ledger& ledger) {
  double calls = 0;
  for (const auto& [name, n] : ledger.verifier_calls) calls += static_cast<double>(n);
  return calls;
}

// Empty where the summary does not say it.
Cell sampler_number(const RunRecord& record, const char* key) {
  const auto sampler = record.summary.find("sampler");
  if (sampler == record.summary.end() || !sampler->contains(key)) return {};
  return number_cell(sampler->at(key).get<double>());
}

// `pool_rate`: seconds per NFE of the recording that the run replayed from; NaN: none.
Fields cost_fields(const RunRecord& record, double pool_rate) {
  const Ledger& ledger = record.ledger;
  const auto mean = [&](double sum) { return number_cell(sum / record.tasks); };
  const double flops = cell_number(sampler_number(record, "flops"));
  const double seconds = record.replayed ? pool_rate * record.logical_nfe() : record.seconds;
  Fields fields;
  const std::array<Cell, kCosts.size()> cells = {
      static_cast<std::int64_t>(record.tasks),
      mean(static_cast<double>(ledger.candidates)),
      mean(ledger.search_nfe),
      mean(ledger.final_nfe),
      mean(ledger.backward_nfe),
      mean(record.logical_nfe()),
      sampler_number(record, "nfe_per_iteration"),
      mean(record.walked_nfe),
      mean(record.recomputed_nfe),
      mean(ledger.network_passes),
      flops > 0 ? mean(ledger.network_passes * flops) : Cell(),
      mean(calls_of(ledger)),
      record.replayed ? Cell() : mean(record.seconds),
      mean(seconds),
      mean(static_cast<double>(ledger.failed_candidates)),
      static_cast<std::int64_t>(record.failed_tasks)};
  for (std::size_t i = 0; i < kCosts.size(); ++i) fields.emplace_back(kCosts[i], cells[i]);
  return fields;
}

Fields verifier_fields(const ordered_json& summary, const MetricOptions& options) {
  Fields fields;
  for (const VerifierStatistics& one : verifier_statistics(summary, /*first=*/false, options)) {
    fields.emplace_back(one.name + "_mean", number_cell(one.mean.value));
    fields.emplace_back(one.name + "_mean_low", number_cell(one.mean.low));
    fields.emplace_back(one.name + "_mean_high", number_cell(one.mean.high));
    for (std::size_t q = 0; q < kQuantiles.size(); ++q)
      fields.emplace_back(one.name + "_" + kQuantileNames[q], number_cell(one.quantiles[q]));
  }
  return fields;
}

std::vector<std::string> point_columns(const std::vector<StudyPoint>& points) {
  std::vector<std::string> columns;
  for (const StudyPoint& point : points) {
    for (const auto& [name, cell] : point.columns)
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) columns.push_back(name);
  }
  return columns;
}

// Up to the seed. `axes`: those of all points.
Fields key_fields(const Study& study, const StudyPoint& point,
                  const std::vector<std::string>& axes) {
  Fields row = {{"study", study.name}, {"sweep", point.sweep}};
  for (const std::string& axis : axes) {
    Cell cell;
    for (const auto& [name, value] : point.columns)
      if (name == axis) cell = value;
    row.emplace_back(axis, cell);
  }
  row.emplace_back("seed", static_cast<std::int64_t>(point.seed));
  return row;
}

// Those behind "run".
std::vector<std::string> measured_columns(const Study& study,
                                          const std::vector<StudyPoint>& points) {
  std::vector<std::string> columns(kCosts.begin(), kCosts.end());
  if (!study.metrics.use.id.empty())
    for (const char* name : {"inception_score", "frechet", "precision", "recall"})
      columns.emplace_back(name);
  for (const StudyPoint& point : points) {
    for (const VerifierUse& verifier : point.config.verifiers) {
      if (std::find(columns.begin(), columns.end(), verifier.name + "_mean") != columns.end())
        continue;
      columns.push_back(verifier.name + "_mean");
      for (const char* quantile : kQuantileNames) columns.push_back(verifier.name + "_" + quantile);
    }
  }
  return columns;
}

std::string in_small_letters(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// Rows as fields by name; a column is where some row first has it.
class TableBuilder {
 public:
  void add(const Fields& fields) {
    rows_.emplace_back();
    for (const auto& [name, cell] : fields) {
      const auto [at, is_new] = index_.try_emplace(name, columns_.size());
      if (is_new) columns_.push_back(name);
      rows_.back()[at->second] = cell;
    }
  }

  Table take() {
    Table table{columns_, {}};
    for (const auto& row : rows_) {
      table.rows.emplace_back(columns_.size());
      for (const auto& [column, cell] : row) table.rows.back()[column] = cell;
    }
    return table;
  }

 private:
  std::vector<std::string> columns_;
  std::map<std::string, std::size_t> index_;
  std::vector<std::map<std::size_t, Cell>> rows_;
};

}  // namespace

bool is_cost_column(const std::string& name) {
  return std::find(kCosts.begin(), kCosts.end(), name) != kCosts.end();
}

Table study_table(const Study& study, const std::vector<StudyPoint>& points, const fs::path& out,
                  const RunMetrics& metrics) {
  const std::vector<std::string> axes = point_columns(points);
  const auto run_of = [&](const StudyPoint& point) { return runs_folder(out) / point.folder; };
  FinishedRuns finished;
  const auto record_of = [&](const StudyPoint& point) -> std::optional<RunRecord> {
    if (!finished.has_with_these_files(run_of(point), point.config)) return std::nullopt;
    return read_run(run_of(point));
  };
  std::map<std::string, double> rates;  // seconds per NFE, by the pool's folder
  // Of the first pool that was made and not replayed itself; pools are earlier points.
  const std::function<double(const StudyPoint&)> rate = [&](const StudyPoint& point) {
    for (const std::size_t i : point.pools) {
      const StudyPoint& pool = points[i];
      const auto [at, is_new] = rates.try_emplace(pool.folder, std::nan(""));
      const auto record = is_new ? record_of(pool) : std::nullopt;
      if (record) at->second = record->replayed ? rate(pool) : record->seconds / record->walked_nfe;
      if (std::isfinite(at->second)) return at->second;
    }
    return std::nan("");
  };
  const std::size_t n_seeds = study.seeds.size();
  const std::size_t per_seed = points.size() / n_seeds;
  TableBuilder table;
  for (std::size_t i = 0; i < per_seed * n_seeds; ++i) {
    const StudyPoint& point = points[i % n_seeds * per_seed + i / n_seeds];
    if (point.is_pool) continue;
    const auto record = record_of(point);
    if (!record) continue;
    Fields row = key_fields(study, point, axes);
    row.emplace_back("run", "runs/" + point.folder);
    const auto append = [&](const Fields& more) {
      row.insert(row.end(), more.begin(), more.end());
    };
    append(cost_fields(*record, rate(point)));
    if (metrics && record->failed_tasks < record->tasks) append(metrics(run_of(point)));
    append(verifier_fields(record->summary, {.seed = 0, .resamples = study.metrics.resamples}));
    table.add(row);
  }
  return table.take();
}

Table point_table(const Study& study, const std::vector<StudyPoint>& points) {
  const std::vector<std::string> axes = point_columns(points);
  TableBuilder table;
  for (const StudyPoint& point : points)
    if (!point.is_pool) table.add(key_fields(study, point, axes));
  return table.take();
}

std::size_t key_columns(const Table& table) {
  const auto seed = std::find(table.columns.begin(), table.columns.end(), "seed");
  return static_cast<std::size_t>(seed - table.columns.begin());
}

std::vector<std::string> possible_columns(const Study& study,
                                          const std::vector<StudyPoint>& points) {
  std::vector<std::string> columns = {"study", "sweep"};
  for (const std::string& name : point_columns(points)) columns.push_back(name);
  for (const std::string& name : measured_columns(study, points)) columns.push_back(name);
  return columns;
}

std::size_t end_of_point(const Table& table, std::size_t first) {
  const auto keys = static_cast<std::ptrdiff_t>(key_columns(table));
  const auto& point = table.rows[first];
  std::size_t end = first + 1;
  while (end < table.rows.size() &&
         std::equal(point.begin(), point.begin() + keys, table.rows[end].begin()))
    ++end;
  return end;
}

void check_columns(const Study& study, const std::vector<StudyPoint>& points) {
  std::set<std::string> taken = {
      "study",    "sweep",      "seed",           "seeds",           "run",   "of",    "against",
      "metric",   "difference", "difference_low", "difference_high", "pairs", "among", "rank",
      "rank_low", "rank_high"};
  for (const std::string& name : measured_columns(study, points))
    for (const char* end : {"", "_low", "_high"}) taken.insert(in_small_letters(name + end));
  Diagnostics diagnostics;
  std::map<std::string, std::string> spelling;
  for (const StudySweep& sweep : study.sweeps) {
    std::set<std::string> mine;
    const auto check = [&](const std::string& name) {
      const std::string small = in_small_letters(name);
      const std::string& other = spelling.try_emplace(small, name).first->second;
      std::string why;
      if (taken.contains(small)) why = "a column of its own in the table has that name";
      if (!mine.insert(small).second) why = "the sweep has two of that name";
      if (other != name) why = fmt::format("only capitals tell it from '{}'", other);
      if (!why.empty())
        diagnostics.add(
            {study.file},
            fmt::format("sweep '{}' cannot call a column '{}': {}", sweep.label, name, why),
            "an axis is called by its 'name', else by its 'key'");
    };
    for (const auto& [name, cell] : sweep.columns) check(name);
    for (const StudyAxis& axis : sweep.axes) check(axis.name);
  }
  diagnostics.throw_if_any();
}

}  // namespace winnow

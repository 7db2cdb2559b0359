// study_table_test.cpp: whole studies over the toy sampler: runs, tables, going on.
#include "host/study_table.hpp"

#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/study_figures.hpp"
#include "host/study_metrics.hpp"
#include "host/study_results.hpp"
#include "host/study_run.hpp"
#include "host/study_summary.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

constexpr const char* kStudy = R"([study]
name = "toy"
base = "run.toml"
seeds = [1, 2, 3]
[[sweep]]
label = "random"
axes = [{ key = "search.candidates", values = [1, 4] }]
[[figure]]
file = "score.svg"
x = "total_nfe"
y = "brightness_mean"
)";

struct ToyStudy {
  ToyRun toy;
  Study study;
  std::vector<StudyPoint> points;

  explicit ToyStudy(const char* text = kStudy) {
    std::ofstream(toy.folder.path() / "run.toml") << toy.text;
    std::ofstream(toy.folder.path() / "study.toml") << text;
    study = load_study(toy.folder.path() / "study.toml", false, toy_plugins());
    points = study_points(study, toy_plugins());
  }

  std::filesystem::path out() const { return toy.folder.path() / "out"; }

  StudyOutcome run(const std::atomic<wn_status>* stop = nullptr,
                   std::function<void(const Progress&)> on_progress = {},
                   const std::string& only = "") const {
    return execute_study({.study = study,
                          .points = points,
                          .registry = toy_plugins(),
                          .out = out(),
                          .only = only,
                          .stop = stop,
                          .on_progress = std::move(on_progress),
                          .on_notice = {}});
  }
};

std::size_t column(const Table& table, const std::string& name) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  REQUIRE(found != table.columns.end());
  return static_cast<std::size_t>(found - table.columns.begin());
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("a study makes every run once and its table has a row for each", "[study]") {
  const ToyStudy toy;
  const StudyOutcome first = toy.run();
  CHECK(first.exit == Exit::kDone);
  CHECK(first.made == 6);
  CHECK(first.failed.empty());
  const Table table = study_table(toy.study, toy.points, toy.out(), {});
  REQUIRE(table.rows.size() == 6);
  const auto number = [&](std::size_t row, const char* name) {
    return cell_number(table.rows[row][column(table, name)]);
  };
  for (std::size_t row = 0; row < 6; ++row) {
    const double candidates = row < 3 ? 1 : 4;
    CHECK(number(row, "search.candidates") == candidates);
    CHECK(number(row, "seed") == static_cast<double>(row % 3 + 1));
    CHECK(number(row, "tasks") == 6);
    CHECK(number(row, "candidates") == candidates);
    CHECK(number(row, "search_nfe") == candidates * number(row, "nfe_per_iteration"));
    CHECK(number(row, "walked_nfe") == number(row, "search_nfe"));
    CHECK(number(row, "total_nfe") == number(row, "search_nfe") + number(row, "final_nfe"));
    CHECK(number(row, "brightness_mean_low") <= number(row, "brightness_mean"));
    CHECK(number(row, "brightness_q05") <= number(row, "brightness_q95"));
  }
  CHECK(number(3, "brightness_mean") > number(0, "brightness_mean"));
  CHECK(key_columns(table) == 3);

  const StudyOutcome second = toy.run();
  CHECK(second.made == 0);
  CHECK(second.were_finished == 6);
}

TEST_CASE("tables and figures are rebuilt to the same bytes from the runs alone", "[study]") {
  const ToyStudy toy;
  toy.run();
  const StudyFiles files = write_study_results(toy.study, toy.points, toy_plugins(), toy.out());
  CHECK(files.rows == 6);
  REQUIRE(files.figures.size() == 1);
  const std::string csv = text_of(toy.out() / "toy/table.csv");
  const std::string svg = text_of(toy.out() / "toy/score.svg");
  CHECK(csv.starts_with("study,sweep,search.candidates,seed,run,tasks,"));
  CHECK(svg.starts_with("<svg "));
  std::filesystem::remove_all(toy.out() / "toy");
  write_study_results(toy.study, toy.points, toy_plugins(), toy.out());
  CHECK(text_of(toy.out() / "toy/table.csv") == csv);
  CHECK(text_of(toy.out() / "toy/score.svg") == svg);
  CHECK(text_of(toy.out() / "toy/table.sqlite").starts_with("SQLite format 3"));
}

TEST_CASE("a study that was stopped goes on to the same table", "[study]") {
  const ToyStudy whole;
  whole.run();
  const ToyStudy toy;
  std::atomic<wn_status> stop{WN_OK};
  int turns = 0;
  const StudyOutcome stopped = toy.run(&stop, [&](const Progress&) {
    if (++turns == 12) stop = WN_E_CANCELLED;
  });
  CHECK(stopped.exit == Exit::kCheckpointed);
  CHECK(stopped.made < 6);
  const Table part = study_table(toy.study, toy.points, toy.out(), {});
  CHECK(part.rows.size() == stopped.made);
  const StudyOutcome rest = toy.run();
  CHECK(rest.exit == Exit::kDone);
  CHECK(rest.made + rest.were_finished == 6);
  const Table table = study_table(toy.study, toy.points, toy.out(), {});
  const Table expected = study_table(whole.study, whole.points, whole.out(), {});
  REQUIRE(table.columns == expected.columns);
  for (const char* name : {"search_nfe", "brightness_mean", "brightness_q50", "run"})
    for (std::size_t row = 0; row < 6; ++row)
      CHECK(cell_text(table.rows[row][column(table, name)]) ==
            cell_text(expected.rows[row][column(expected, name)]));
}

TEST_CASE("what a pool holds is not made again and its seconds are those of the pool", "[study]") {
  const ToyStudy toy(R"([study]
name = "toy"
base = "run.toml"
seeds = [1]
[[pool]]
label = "recording"
set = { "budget.nfe" = 160 }
[[sweep]]
label = "replayed"
pools = ["recording"]
axes = [{ key = "budget.nfe", values = [160, 40] }]
)");
  const StudyOutcome outcome = toy.run();
  CHECK(outcome.made == 3);
  const Table table = study_table(toy.study, toy.points, toy.out(), {});
  REQUIRE(table.rows.size() == 2);  // the pool is no row
  const ToyStudy made(R"([study]
name = "toy"
base = "run.toml"
seeds = [1]
[[sweep]]
label = "made"
axes = [{ key = "budget.nfe", values = [160, 40] }]
)");
  made.run();
  const Table expected = study_table(made.study, made.points, made.out(), {});
  for (std::size_t row = 0; row < 2; ++row) {
    const auto number = [&](const Table& from, const char* name) {
      return cell_number(from.rows[row][column(from, name)]);
    };
    CHECK(number(table, "walked_nfe") == 0);
    CHECK(std::isnan(number(table, "seconds")));
    CHECK(number(table, "seconds_estimated") > 0);
    CHECK(number(expected, "walked_nfe") == number(expected, "search_nfe"));
    CHECK(number(expected, "seconds") == number(expected, "seconds_estimated"));
    for (const char* name : {"search_nfe", "candidates", "brightness_mean", "brightness_q50"})
      CHECK(number(table, name) == number(expected, name));
  }
}

TEST_CASE("only finished runs of this very config are in the table", "[study]") {
  const ToyStudy toy;
  toy.run();
  const auto run = runs_folder(toy.out()) / toy.points[0].folder;
  FinishedRuns finished;
  CHECK(finished.has(run, toy.points[0].config));
  CHECK_FALSE(finished.has(run, toy.points[1].config));
  std::filesystem::remove(run / "summary.json");
  CHECK_FALSE(finished.has(run, toy.points[0].config));
  CHECK(study_table(toy.study, toy.points, toy.out(), {}).rows.size() == 5);
}

TEST_CASE("the summary has means and intervals over the seeds", "[study]") {
  Table table;
  table.columns = {"study", "sweep", "n", "seed", "run", "score", "score_low", "score_high"};
  const auto row = [&](std::int64_t n, std::int64_t seed, double score) {
    table.rows.push_back({std::string("s"), std::string("w"), n, seed, std::string("r"), score,
                          score - 1, score + 1});
  };
  row(1, 1, 2.0), row(1, 2, 4.0), row(1, 3, 6.0), row(2, 1, 5.0);
  const Table summary = summarise(table);
  CHECK(summary.columns == std::vector<std::string>{"study", "sweep", "n", "seeds", "score",
                                                    "score_low", "score_high"});
  REQUIRE(summary.rows.size() == 2);
  CHECK(cell_text(summary.rows[0][3]) == "3");
  CHECK(cell_number(summary.rows[0][4]) == Approx(4.0));
  // t(0.975, 2) = 4.302653, standard deviation 2.
  CHECK(cell_number(summary.rows[0][5]) == Approx(4.0 - 4.302653 * 2 / std::sqrt(3.0)));
  CHECK(cell_number(summary.rows[0][6]) == Approx(4.0 + 4.302653 * 2 / std::sqrt(3.0)));
  // A single seed has the interval of its own row.
  CHECK(cell_number(summary.rows[1][5]) == 4.0);
  CHECK(cell_number(summary.rows[1][6]) == 6.0);
}

TEST_CASE("a figure takes the rows it asks for, by rising x", "[study]") {
  Table summary;
  summary.columns = {"search", "verifier", "nfe", "score", "score_low", "score_high"};
  const auto row = [&](const char* search, const char* verifier, std::int64_t nfe, double score) {
    summary.rows.push_back(
        {std::string(search), std::string(verifier), nfe, score, score - 1, Cell()});
  };
  row("a", "v", 200, 2), row("a", "v", 100, 1), row("b", "v", 100, 3), row("b", "w", 100, 9);
  StudyFigure figure;
  figure.x = "nfe";
  figure.y = "score";
  figure.series = {"search"};
  figure.where = {{"verifier", {"v"}}};
  const Plot plot = figure_plot(figure, summary);
  REQUIRE(plot.series.size() == 2);
  CHECK(plot.series[0].label == "a");
  REQUIRE(plot.series[0].points.size() == 2);
  CHECK(plot.series[0].points[0].x == 100);
  CHECK(plot.series[0].points[1].low == 1);
  CHECK(std::isnan(plot.series[0].points[1].high));
  CHECK(plot.series[1].points.size() == 1);
  figure.x = "search";
  CHECK(figure_plot(figure, summary).categories == std::vector<std::string>{"a", "b"});
}

TEST_CASE("cells are quoted in CSV and numbers read back", "[study]") {
  Table table{{"a", "b,c"}, {{std::string("say \"x\", y"), 0.1}, {Cell(), std::int64_t{-3}}}};
  CHECK(csv_text(table) == "a,\"b,c\"\n\"say \"\"x\"\", y\",0.1\n,-3\n");
  CHECK(std::holds_alternative<std::monostate>(number_cell(std::nan(""))));
}

namespace {

void edit_json(const std::filesystem::path& file,
               const std::function<void(nlohmann::ordered_json&)>& edit) {
  auto json = nlohmann::ordered_json::parse(text_of(file));
  edit(json);
  std::ofstream(file) << json.dump();
}

constexpr const char* kFallingBudgets = R"([study]
name = "toy"
base = "run.toml"
seeds = [1]
[[sweep]]
label = "long"
set = { "budget.nfe" = 160, "output.keep" = "all" }
[[sweep]]
label = "short"
set = { "budget.nfe" = 40 }
)";

}  // namespace

TEST_CASE("a run that was made with other files is no row", "[study]") {
  const ToyStudy toy;
  toy.run();
  const auto model = toy.toy.folder.path() / "model";
  std::ofstream(model) << "weights";
  const auto run = runs_folder(toy.out()) / toy.points[0].folder;
  edit_json(run / "lock.json", [&](auto& lock) { lock["files"][model.string()] = "other"; });
  CHECK(study_table(toy.study, toy.points, toy.out(), {}).rows.size() == 5);
  const StudyOutcome again = toy.run();
  REQUIRE(again.failed.size() == 1);
  CHECK(again.failed[0].why.find("was made with another") != std::string::npos);
}

TEST_CASE("a run of which every task failed is a row without metrics", "[study]") {
  const ToyStudy toy;
  toy.run();
  const auto run = runs_folder(toy.out()) / toy.points[0].folder;
  edit_json(run / "summary.json", [](auto& summary) {
    for (auto& task : summary["tasks"]) task = {{"task", task["task"]}, {"error", "broken"}};
  });
  const RunMetrics metrics = [&](const std::filesystem::path& measured) {
    CHECK(measured != run);
    return Fields{{"frechet", Cell(1.0)}};
  };
  const Table table = study_table(toy.study, toy.points, toy.out(), metrics);
  REQUIRE(table.rows.size() == 6);
  CHECK(cell_text(table.rows[0][column(table, "failed_tasks")]) == "6");
  CHECK(cell_text(table.rows[0][column(table, "frechet")]).empty());
  CHECK(cell_text(table.rows[0][column(table, "brightness_mean")]).empty());
  CHECK(cell_text(table.rows[1][column(table, "frechet")]) == "1");
}

TEST_CASE("one sweep alone makes the pools that it names, and no other sweep", "[study]") {
  const ToyStudy toy(kFallingBudgets);
  REQUIRE(toy.points[1].pools == std::vector<std::size_t>{0});
  const StudyOutcome alone = toy.run(nullptr, {}, "short");
  CHECK(alone.failed.empty());
  CHECK(alone.made == 1);
  // Pools that differ in the budget replay each other, unless one of them is left out.
  const ToyStudy pools(R"([study]
name = "toy"
base = "run.toml"
seeds = [1]
[[pool]]
label = "large"
set = { "budget.nfe" = 160 }
[[pool]]
label = "small"
set = { "budget.nfe" = 80 }
[[sweep]]
label = "one"
pools = ["large"]
[[sweep]]
label = "other"
pools = ["small"]
set = { "budget.nfe" = 40 }
)");
  REQUIRE(pools.points[1].pools == std::vector<std::size_t>{0});
  const StudyOutcome other = pools.run(nullptr, {}, "other");
  CHECK(other.failed.empty());
  CHECK(other.made == 2);
}

TEST_CASE("a longer run that fails takes no shorter one with it, but a named pool does",
          "[study]") {
  const ToyStudy toy(kFallingBudgets);
  const auto in_the_way = [](const ToyStudy& study) {
    const auto run = runs_folder(study.out()) / study.points[0].folder;
    std::filesystem::create_directories(run);
    std::ofstream(run / "notes.txt") << "not a run";
  };
  in_the_way(toy);
  const StudyOutcome outcome = toy.run();
  CHECK(outcome.failed.size() == 1);
  CHECK(outcome.made == 1);
  std::string text = kFallingBudgets;
  text.replace(text.find("[[sweep]]"), 9, "[[pool]]");
  text.replace(text.find("label = \"short\""), 0, "pools = [\"long\"]\n");
  const ToyStudy named(text.c_str());
  in_the_way(named);
  const StudyOutcome both = named.run();
  REQUIRE(both.failed.size() == 2);
  CHECK(both.failed[1].why == "its pool failed: long, seed 1");
}

TEST_CASE("metrics of a run that was made again are computed again", "[study]") {
  const ToyStudy toy;
  toy.run();
  const auto run = runs_folder(toy.out()) / toy.points[0].folder;
  StudyMetrics metrics;
  metrics.use = verifier_use(toy_plugins(), "winnow.toy.features", {});
  const auto score = [&] {
    StudyMetricsReader read(metrics, toy_plugins(), toy.out());
    return cell_number(read(run).at(0).second);
  };
  const double before = score();
  CHECK(score() == before);
  for (int task = 1; task < 6; ++task)
    std::filesystem::copy_file(run / "samples/t00000-best.png",
                               run / fmt::format("samples/t{:05}-best.png", task),
                               std::filesystem::copy_options::overwrite_existing);
  CHECK(score() == before);  // kept
  edit_json(run / "summary.json", [](auto& summary) { summary["tasks"][1]["hash"] = "another"; });
  CHECK(before > 1);
  CHECK(score() == Approx(1));  // equal samples
}

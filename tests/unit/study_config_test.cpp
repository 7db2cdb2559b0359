// study_config_test.cpp: study files, right and wrong.
#include "host/study_config.hpp"

#include <fmt/format.h>

#include <fstream>
#include <set>

#include "host/study_compare.hpp"
#include "host/study_points.hpp"
#include "host/study_ranks.hpp"
#include "host/study_results.hpp"
#include "host/study_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_run.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

constexpr const char* kStudy = R"([study]
name = "toy"
base = "run.toml"
seeds = [1, 2]
[[sweep]]
label = "random"
set = { "search.round" = 3 }
axes = [
  { key = "search.candidates", values = [1, 2, 4], quick = [2] },
  { name = "solver", values = [
    { label = "short", set = { "sampler.steps" = 4 } },
    { label = "long", set = { "sampler.steps" = 8 } } ] },
]
[[figure]]
file = "score.svg"
x = "total_nfe"
y = "brightness_mean"
series = ["solver"]
[quick]
seeds = [5]
set = { "tasks.repeat" = 1 }
)";

struct StudyFile {
  ToyRun toy;
  std::filesystem::path file = toy.folder.path() / "study.toml";

  explicit StudyFile(const std::string& text = kStudy) {
    std::ofstream(toy.folder.path() / "run.toml") << toy.text;
    std::ofstream(file) << text;
  }

  // The message without the folder.
  std::string mistake() const {
    try {
      const Study study = load_study(file, false, toy_plugins());
      const auto points = study_points(study, toy_plugins());
      check_columns(study, points);
      check_result_columns(study, possible_columns(study, points));
      check_comparisons(study, points);
      check_rankings(study, points);
    } catch (const Error& error) {
      std::string text = error.what();
      const std::string folder = toy.folder.path().string() + "/";
      for (auto at = text.find(folder); at != text.npos; at = text.find(folder))
        text.erase(at, folder.size());
      return text;
    }
    return "";
  }
};

std::string edited(const std::string& from, const std::string& to) {
  std::string text = kStudy;
  const auto at = text.find(from);
  REQUIRE(at != text.npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("a study is the grid of its axes, for each seed", "[study]") {
  const StudyFile file;
  const Study study = load_study(file.file, false, toy_plugins());
  const auto points = study_points(study, toy_plugins());
  REQUIRE(points.size() == 12);
  CHECK(points[0].label == "random, search.candidates = 1, solver = short, seed 1");
  CHECK(points[5].label == "random, search.candidates = 4, solver = long, seed 1");
  CHECK(points[6].seed == 2);
  CHECK(points[6].config.seed == 2);
  CHECK(cell_text(points[5].columns.at(0).second) == "4");
  CHECK(cell_text(points[5].columns.at(1).second) == "long");
  CHECK(resolved_toml(points[4].config).find("candidates = 4") != std::string::npos);
  CHECK(resolved_toml(points[4].config).find("steps = 4") != std::string::npos);
  CHECK(resolved_toml(points[0].config).find("round = 3") != std::string::npos);
}

TEST_CASE("the quick version takes fewer seeds and values and lays its settings over every run",
          "[study]") {
  const StudyFile file;
  const Study study = load_study(file.file, true, toy_plugins());
  const auto points = study_points(study, toy_plugins());
  CHECK(study.name == "toy-quick");
  REQUIRE(points.size() == 2);
  CHECK(points[0].seed == 5);
  CHECK(points[0].config.tasks.size() == 3);
}

TEST_CASE("axes that are zipped are walked together", "[study]") {
  const StudyFile file(edited("label = \"random\"", "label = \"random\"\nzip = true"));
  CHECK(
      file.mistake() ==
      R"(error: axes that are walked together need equally many values, 'search.candidates' has 3 and 'solver' 2
 --> study.toml:7:7
  |
7 | zip = true
  |       ^^^^)");
  const StudyFile good(
      edited("values = [1, 2, 4]", "values = [1, 2]")
          .replace(std::string(kStudy).find("label = \"random\""), 0, "zip = true\n"));
  CHECK(study_points(load_study(good.file, false, toy_plugins()), toy_plugins()).size() == 4);
}

TEST_CASE("runs are named by a hash of all their settings", "[study]") {
  const StudyFile file;
  const auto points = study_points(load_study(file.file, false, toy_plugins()), toy_plugins());
  std::set<std::string> folders;
  for (const StudyPoint& point : points) folders.insert(point.folder);
  CHECK(folders.size() == points.size());
  CHECK(points[0].folder.starts_with("random-160nfe-seed1-"));
  RunConfig other = points[0].config;
  CHECK(run_folder(other) == points[0].folder);
  other.execution.batch = 3;  // changes no result
  CHECK(run_folder(other) == points[0].folder);
  other.verifiers[0].weight = 2;
  CHECK(run_folder(other) != points[0].folder);
}

TEST_CASE("a point replays from a longer run of the same search that keeps all samples",
          "[study]") {
  const StudyFile file(R"([study]
name = "toy"
base = "run.toml"
seeds = [1, 2]
[[pool]]
label = "recording"
set = { "budget.nfe" = 400 }
[[sweep]]
label = "kept"
set = { "output.keep" = "all" }
axes = [{ key = "budget.nfe", values = [160, 80] }]
[[sweep]]
label = "other search"
pools = ["recording"]
set = { "search.plugin" = "winnow.zero_order" }
)");
  const auto points = study_points(load_study(file.file, false, toy_plugins()), toy_plugins());
  REQUIRE(points.size() == 8);
  CHECK(points[0].is_pool);
  CHECK(points[0].config.keep == Keep::kAll);
  CHECK(points[1].pools == std::vector<std::size_t>{0});  // 400 NFE hold those of 160
  CHECK(points[2].pools == std::vector<std::size_t>{0, 1});
  CHECK(points[3].pools == std::vector<std::size_t>{0});
  CHECK(points[7].pools == std::vector<std::size_t>{4});
}

TEST_CASE("metrics need runs that keep samples, which is said before the first run", "[study]") {
  const std::string keep =
      edited("set = { \"search.round\" = 3 }", "set = { \"output.keep\" = \"none\" }");
  const auto points = [](const StudyFile& file) {
    return study_points(load_study(file.file, false, toy_plugins()), toy_plugins());
  };
  const StudyFile fine(keep);
  CHECK_FALSE(points(fine).empty());
  const StudyFile file(keep + "[metrics]\nplugin = \"winnow.toy.features\"\n");
  CHECK_THROWS_WITH(points(file),
                    Catch::Contains("output.keep = \"none\", but [metrics] looks at") &&
                        Catch::Contains("random"));
}

TEST_CASE("relative paths in a study start from its folder", "[study]") {
  StudyFile file(edited("seeds = [1, 2]\n", "seeds = [1]\n"));
  std::filesystem::create_directories(file.toy.folder.path() / "studies");
  std::ofstream(file.toy.folder.path() / "studies/study.toml")
      << edited("base = \"run.toml\"", "base = \"../run.toml\"");
  const Study study =
      load_study(file.toy.folder.path() / "studies/study.toml", false, toy_plugins());
  CHECK(std::filesystem::equivalent(study.base, file.toy.folder.path() / "run.toml"));
}

TEST_CASE("an unknown key of a study is shown with the nearest one", "[study]") {
  CHECK(StudyFile(edited("seeds", "seds")).mistake() == R"(error: [study] has no 'seeds'
 --> study.toml:1:1
  |
1 | [study]
  | ^^^^^^^
  = help: A run per point and seed.

error: unknown key 'seds' in [study]
 --> study.toml:4:1
  |
4 | seds = [1, 2]
  | ^^^^
  = help: did you mean 'seeds'?)");
  CHECK(StudyFile(edited("[[figure]]", "[[figur]]")).mistake() ==
        R"(error: unknown key 'figur' in a study
  --> study.toml:14:3
   |
14 | [[figur]]
   |   ^^^^^
   = help: did you mean 'figure'?)");
}

TEST_CASE("a base that is not there is shown where it is named", "[study]") {
  CHECK(StudyFile(edited("run.toml", "rum.toml")).mistake() == R"(error: no file 'rum.toml'
 --> study.toml:3:8
  |
3 | base = "rum.toml"
  |        ^^^^^^^^^^
  = help: did you mean 'run.toml'?)");
}

TEST_CASE("a column that no row can have is shown with the nearest one", "[study]") {
  CHECK(StudyFile(edited("series = [\"solver\"]", "series = [\"solvr\"]")).mistake() ==
        R"(error: no column 'solvr' in the table
  --> study.toml:18:10
   |
18 | series = ["solvr"]
   |          ^^^^^^^^^
   = help: did you mean 'solver'?)");
}

TEST_CASE("a comparison over a column that is not there is shown with the nearest one", "[study]") {
  const std::string compare =
      "[[compare]]\nof = \"solver\"\nagainst = \"short\"\nmetrics = [\"brightness_mean\"]\n";
  const auto study = [&](const std::string& from, const std::string& to) {
    std::string text = compare;
    text.replace(text.find(from), from.size(), to);
    return StudyFile(edited("[quick]", text + "[quick]"));
  };
  CHECK(study("solver", "solver").mistake() == "");
  CHECK(study("solver", "solvers").mistake().find("no column 'solvers' in the table") !=
        std::string::npos);
  CHECK(study("brightness_mean", "brightnes_mean")
            .mistake()
            .find("did you mean 'brightness_mean'?") != std::string::npos);
  CHECK(study("solver", "candidates").mistake().find("'candidates' is measured") !=
        std::string::npos);
  CHECK(study("against = \"short\"\n", "").mistake().find("a comparison without 'against'") !=
        std::string::npos);
}

TEST_CASE("a ranking by what is no score of a task is refused", "[study]") {
  const auto mistake = [](const std::string& metric, const std::string& of) {
    return StudyFile(edited("[quick]", "[[rank]]\nof = \"" + of + "\"\nmetrics = [\"" + metric +
                                           "\"]\nwhere = { sweep = \"random\" }\n[quick]"))
        .mistake();
  };
  CHECK(mistake("brightness_mean", "solver").empty());
  CHECK_THAT(mistake("recall", "solver"), Catch::Contains("'recall' is no verifier's mean"));
  CHECK_THAT(mistake("brightnes_mean", "solver"),
             Catch::Contains("did you mean 'brightness_mean'?"));
  CHECK_THAT(mistake("brightness_mean", "candidates"), Catch::Contains("'candidates' is measured"));
  CHECK_THAT(mistake("brightness_mean", "solvers"), Catch::Contains("did you mean 'solver'?"));
}

TEST_CASE("a ranking with nothing to rank is refused", "[study]") {
  const auto mistake = [](const std::string& where) {
    return StudyFile(
               edited("[quick]",
                      "[[rank]]\nof = \"solver\"\nmetrics = [\"brightness_mean\"]\nwhere = { " +
                          where + " }\n[quick]"))
        .mistake();
  };
  CHECK(mistake("sweep = \"random\"").empty());
  CHECK_THAT(mistake("sweep = \"randm\""), Catch::Contains("no point is left for 'solver'"));
  CHECK_THAT(mistake("solver = \"long\""), Catch::Contains("every point has 'long' for 'solver'") &&
                                               Catch::Contains("there are 'short' or 'long'"));
  CHECK_THAT(mistake("failed_tasks = 0"), Catch::Contains("'failed_tasks' is measured"));
}

TEST_CASE("a comparison against what no point has is refused with the nearest value", "[study]") {
  const auto mistake = [](const std::string& compare) {
    return StudyFile(edited("[quick]",
                            "[[compare]]\nmetrics = [\"brightness_mean\"]\n" + compare + "[quick]"))
        .mistake();
  };
  CHECK_THAT(mistake("of = \"solver\"\nagainst = \"shrt\"\n"),
             Catch::Contains("no point has 'shrt' for 'solver'") &&
                 Catch::Contains("against = \"shrt\"") && Catch::Contains("did you mean 'short'?"));
  CHECK_THAT(mistake("of = \"search.candidates\"\nagainst = 3\n"),
             Catch::Contains("no point has '3' for 'search.candidates'") &&
                 Catch::Contains("there are '1', '2' or '4'"));
  CHECK(mistake("of = \"search.candidates\"\nagainst = 4\n").empty());
  CHECK(mistake("of = \"search.candidates\"\nagainst = 4\n"
                "where = { solver = \"long\", failed_tasks = 0 }\n")
            .empty());
  CHECK_THAT(mistake("of = \"search.candidates\"\nagainst = 4\n"
                     "where = { \"search.candidates\" = [1, 2] }\n"),
             Catch::Contains("no point that 'where' keeps has '4'") &&
                 Catch::Contains("there are '1' or '2'"));
  CHECK_THAT(mistake("of = \"solver\"\nagainst = \"long\"\nwhere = { solver = \"long\" }\n"),
             Catch::Contains("nothing to compare"));
}

TEST_CASE("a mistake in a setting is shown in the study, with the point it is in", "[study]") {
  CHECK(StudyFile(edited("search.candidates", "search.canddates")).mistake() ==
        R"(error: unknown option 'canddates' of winnow.random
 --> study.toml:9:11
  |
9 |   { key = "search.canddates", values = [1, 2, 4], quick = [2] },
  |           ^^^^^^^^^^^^^^^^^^
  = help: did you mean 'candidates'?
in toy: random, search.canddates = 1, solver = short)");
  CHECK(StudyFile(edited("\"sampler.steps\" = 8", "\"sampler.steps\" = 0")).mistake() ==
        R"(error: option 'steps' of winnow.toy.sampler is 0, expected a value in [1, 10000]
  --> study.toml:12:49
   |
12 |     { label = "long", set = { "sampler.steps" = 0 } } ] },
   |                                                 ^
in toy: random, search.candidates = 1, solver = long)");
}

TEST_CASE("values without a label or a key are refused", "[study]") {
  CHECK(StudyFile(edited("{ label = \"short\", set", "{ set"))
            .mistake()
            .find("a value that is a table needs a 'label'") != std::string::npos);
  CHECK(StudyFile(edited("key = \"search.candidates\"", "name = \"n\""))
            .mistake()
            .find("a plain value needs an axis with a 'key'") != std::string::npos);
  CHECK(StudyFile(edited("key = \"search.candidates\", ", ""))
            .mistake()
            .find("an axis without a 'key' of the run config or a 'name'") != std::string::npos);
}

TEST_CASE("a column that is called like another one is refused", "[study]") {
  const auto named = [](const char* name) {
    return StudyFile(edited("key = \"search.candidates\",",
                            fmt::format("name = \"{}\", key = \"search.candidates\",", name)))
        .mistake();
  };
  CHECK(named("n") == "");
  for (const char* taken : {"candidates", "seed", "seeds", "run", "Flops", "brightness_mean",
                            "brightness_mean_low", "sweep", "pairs", "rank", "among"})
    CHECK(named(taken).find(fmt::format("sweep 'random' cannot call a column '{}': a column of its "
                                        "own in the table has that name",
                                        taken)) != std::string::npos);
  CHECK(named("solver").find("the sweep has two of that name") != std::string::npos);
  CHECK(StudyFile(std::string(kStudy) +
                  "[[sweep]]\nlabel = \"other\"\ncolumns = { Solver = \"none\" }\n")
            .mistake()
            .find("only capitals tell it from 'solver'") != std::string::npos);
}

TEST_CASE("a study that sets the seed of its runs itself is refused where it does", "[study]") {
  CHECK(StudyFile(edited("\"search.round\" = 3", "\"run.seed\" = 3"))
            .mistake()
            .starts_with("error: a study sets 'run.seed' itself, to each of its 'seeds'\n"
                         " --> study.toml:7:9\n"));
  CHECK(StudyFile(edited("search.candidates", "run.seed"))
            .mistake()
            .find("a study sets 'run.seed' itself") != std::string::npos);
}

TEST_CASE("two points of a sweep with equal names are refused", "[study]") {
  CHECK(StudyFile(edited("label = \"long\"", "label = \"short\""))
            .mistake()
            .find("two points of the study are called 'random, search.candidates = 1, solver = "
                  "short'") != std::string::npos);
}

TEST_CASE("a value that says nothing and a study called like a folder are refused", "[study]") {
  CHECK(StudyFile(edited("values = [1, 2, 4]", "values = [{ label = \"1\" }]"))
            .mistake()
            .find("a value with a label needs a 'value' or a 'set'") != std::string::npos);
  CHECK(StudyFile(edited("name = \"toy\"", "name = \"runs\""))
            .mistake()
            .find("'runs' is the name of another folder") != std::string::npos);
}

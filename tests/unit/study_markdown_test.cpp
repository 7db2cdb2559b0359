// study_markdown_test.cpp: the summary as a page.
#include "host/study_markdown.hpp"

#include "host/study_compare.hpp"
#include "host/study_ranks.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("the summary's page shows labels, cost and measured numbers with their intervals",
          "[study]") {
  Table summary;
  summary.columns = {"study",
                     "sweep",
                     "verifier",
                     "seeds",
                     "total_nfe",
                     "total_nfe_low",
                     "total_nfe_high",
                     "inception_score",
                     "inception_score_low",
                     "inception_score_high",
                     "frechet",
                     "judge_q05",
                     "judge_mean"};
  summary.rows = {
      {std::string("s"), std::string("best | of N"), std::string("probe"), std::int64_t{3}, 300.0,
       300.0, 300.0, 9.12345, 8.8, 9.4469, Cell{}, 0.5, 0.98765},
      {std::string("s"), std::string("none"), std::string("probe"), std::int64_t{1}, 25.0, Cell{},
       Cell{}, 7.5, Cell{}, Cell{}, Cell{}, 0.5, Cell{}}};
  const std::string page = summary_page("small", summary, 3);
  CHECK(page.starts_with("# small\n"));
  CHECK_THAT(page, Catch::Contains("| sweep | verifier | seeds | total_nfe | inception_score | "
                                   "judge_mean |\n|---|---|---|---|---|---|\n"));
  CHECK_THAT(page, Catch::Contains("| best \\| of N | probe | 3 | 300 (300 to 300) | "
                                   "9.123 (8.8 to 9.447) | 0.9877 |\n"));
  CHECK_THAT(page, Catch::Contains("| none | probe | 1 | 25 | 7.5 |  |\n"));
}

TEST_CASE("settings are compared seed by seed, with what is alike but for one column", "[study]") {
  const auto row = [](const char* sweep, const char* search, int nfe, int seed, double score) {
    return std::vector<Cell>{std::string("s"),  std::string(sweep), std::string(search),
                             std::int64_t{nfe}, std::int64_t{seed}, score};
  };
  Table table;
  table.columns = {"study", "sweep", "search", "budget.nfe", "seed", "score"};
  for (const int seed : {1, 2, 3}) {
    // The seeds differ by much more than the searches.
    table.rows.push_back(row("a", "random", 100, seed, 10.0 * seed));
  }
  for (const int seed : {1, 2, 3})
    table.rows.push_back(row("b", "zero | order", 100, seed, 10.0 * seed + 1 + 0.1 * seed));
  table.rows.push_back(row("b", "zero | order", 200, 1, 50.0));  // nothing to compare with
  const StudyComparison comparison{"search", "random", {"score"}, {}, {}, nullptr};
  const Table result = differences(table, {comparison});
  REQUIRE(result.rows.size() == 1);
  const auto at = [&](const char* column) { return result.rows[0][*find_column(result, column)]; };
  CHECK(cell_text(at("search")) == "zero | order");
  CHECK(cell_number(at("seeds")) == 3);
  CHECK(cell_number(at("difference")) == Approx(1.2));
  // 4.3027 is Student's t for two degrees of freedom, 0.1 the deviation of 1.1, 1.2 and 1.3.
  CHECK(cell_number(at("difference_low")) == Approx(1.2 - 4.3027 * 0.1 / std::sqrt(3.0)));
  CHECK(cell_number(at("difference_high")) == Approx(1.2 + 4.3027 * 0.1 / std::sqrt(3.0)));
  CHECK_THAT(differences_page(result),
             Catch::Contains("| sweep | search | budget.nfe | of | against | seeds | score |\n") &&
                 Catch::Contains("| b | zero \\| order | 100 | search | random | 3 | "
                                 "**+1.2 (+0.952 to +1.45)** |\n"));

  StudyComparison only = comparison;
  only.where = {{"budget.nfe", {"200"}}};
  CHECK(differences(table, {only}).rows.empty());
}

TEST_CASE("scores are compared task by task where the study wants it", "[study]") {
  Table table;
  table.columns = {"study", "sweep", "search", "seed", "run", "judge_mean", "frechet"};
  // Tasks differ by much more than searches; one of them was not scored.
  std::map<std::string, std::vector<double>> scores;
  for (const int seed : {1, 2})
    for (const char* search : {"random", "fk"}) {
      const std::string run = search + std::to_string(seed);
      const double more = search == std::string("fk") ? 0.5 : 0;
      table.rows.push_back({std::string("s"), std::string("a"), std::string(search),
                            std::int64_t{seed}, run, 10.0 * seed + more, 3.0 * seed + more});
      for (const double task : {0.0, 100.0, -7.0})
        scores[run].push_back(task + more * (1 + 0.1 * seed));
    }
  scores["fk1"][2] = std::nan("");
  std::ranges::stable_sort(table.rows, {}, [](const auto& row) { return cell_text(row[2]); });
  StudyComparison comparison{"search", "random", {"judge_mean", "frechet"}, {}, {}, nullptr};
  comparison.by_task = true;
  const Table result = differences(table, {comparison}, [&](const auto& run, const auto& verifier) {
    return verifier == "judge" ? scores.at(run) : std::vector<double>{};
  });
  REQUIRE(result.rows.size() == 2);
  const auto at = [&](std::size_t row, const char* column) {
    return cell_number(result.rows[row][*find_column(result, column)]);
  };
  CHECK(at(0, "pairs") == 5);
  CHECK(at(0, "seeds") == 2);
  CHECK(at(0, "difference") == Approx((2 * 0.55 + 3 * 0.6) / 5));
  // 2.7764 is Student's t for four degrees of freedom, 0.027386 the deviation.
  CHECK(at(0, "difference_high") - at(0, "difference") ==
        Approx(2.7764 * 0.0273861 / std::sqrt(5.0)).epsilon(1e-3));
  CHECK(at(1, "pairs") == 2);  // a number of a whole set
  CHECK(at(1, "difference") == Approx(0.5));
}

TEST_CASE("every point can be compared with one, whatever else tells them apart", "[study]") {
  Table table;
  table.columns = {"study", "sweep", "model", "budget.nfe", "seed", "score"};
  const auto add = [&](const char* model, int nfe, int seed, double score) {
    table.rows.push_back({std::string("s"), std::string("a"), std::string(model), std::int64_t{nfe},
                          std::int64_t{seed}, score});
  };
  for (const int seed : {1, 2}) add("S", 50, seed, 5.0 * seed + 1);
  for (const int seed : {1, 2}) add("S", 100, seed, 5.0 * seed + 2);
  for (const int seed : {1, 2}) add("L", 25, seed, 5.0 * seed);
  StudyComparison comparison{"",     "", {"score"}, {}, {{"model", {"L"}}, {"budget.nfe", {"25"}}},
                             nullptr};
  const auto shown = [&] {
    std::vector<std::string> lines;
    const Table result = differences(table, {comparison});
    for (const auto& row : result.rows) {
      std::string line;
      for (const char* column : {"model", "budget.nfe", "of", "against", "seeds", "difference"})
        line += cell_text(row[*find_column(result, column)]) + ";";
      lines.push_back(line);
    }
    return lines;
  };
  CHECK(shown() == std::vector<std::string>{"S;50;model, budget.nfe;L, 25;2;1;",
                                            "S;100;model, budget.nfe;L, 25;2;2;"});
  comparison.where = {{"budget.nfe", {"100"}}};  // which the one point need not fit
  CHECK(shown() == std::vector<std::string>{"S;100;model, budget.nfe;L, 25;2;2;"});
}

TEST_CASE("searches are ranked by the tasks and seeds that all of them scored", "[study]") {
  Table table;
  table.columns = {"study", "sweep", "budget.nfe", "search", "seed", "run", "judge_mean"};
  std::map<std::string, std::vector<double>> scores;
  const auto add = [&](int nfe, const char* search, int seed, std::vector<double> of_tasks) {
    const std::string run = search + std::to_string(nfe) + "-" + std::to_string(seed);
    table.rows.push_back({std::string("s"), std::string("a"), std::int64_t{nfe},
                          std::string(search), std::int64_t{seed}, run, 0.0});
    scores[run] = std::move(of_tasks);
  };
  // Tasks differ by more than searches: "b" is above "a" in each, "c" is either's equal on average.
  for (const int seed : {1, 2}) add(100, "a", seed, {0, 50, 100, -50, 7});
  for (const int seed : {1, 2}) add(100, "b", seed, {1, 51, 101, -49, 8});
  add(100, "c", 1, {20, 30, 120, -70, 9});
  add(100, "c", 2, {-20, 72, 80, -30, std::nan("")});
  add(300, "a", 1, {0, 1});
  add(300, "b", 1, {0, 1});
  add(1000, "a", 1, {0, 1});            // alone
  table.rows.push_back(table.rows[0]);  // the same setting in a second sweep
  table.rows.back()[1] = std::string("other");
  const StudyRanking ranking{"search", {"judge_mean"}, {}, nullptr};
  const Table result = ranks(table, {ranking}, [&](const auto& run, const auto& verifier) {
    return verifier == "judge" ? scores.at(run) : std::vector<double>{};
  });
  REQUIRE(result.rows.size() == 5);
  const auto at = [&](std::size_t row, const char* column) {
    return cell_number(result.rows[row][*find_column(result, column)]);
  };
  CHECK(at(0, "among") == 3);
  CHECK(at(0, "pairs") == 9);  // one task was not scored by all
  // Sums of the nine: a 207, b 216, c 211. Only a and b keep their order in every resample.
  CHECK(at(0, "rank") == 3);
  CHECK(at(1, "rank") == 1);
  CHECK(at(2, "rank") == 2);
  CHECK(at(0, "rank_low") == 2);
  CHECK(at(0, "rank_high") == 3);
  CHECK(at(1, "rank_low") == 1);
  CHECK(at(1, "rank_high") == 2);
  CHECK(at(2, "rank_low") == 1);
  CHECK(at(2, "rank_high") == 3);
  // Equal ones share the better place.
  for (const std::size_t row : {3u, 4u}) {
    CHECK(at(row, "rank") == 1);
    CHECK(at(row, "rank_high") == 1);
  }
  CHECK_THAT(ranks_page(result),
             Catch::Contains("| sweep | budget.nfe | search | of | among | judge_mean |") &&
                 Catch::Contains("| a | 100 | b | search | 3 | 1 (1 to 2) |"));
}

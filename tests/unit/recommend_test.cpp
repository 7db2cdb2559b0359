#include "host/recommend.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "host/error.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

const char* kSummary =
    "study,sweep,verifier,search,budget.nfe,seeds,total_nfe,total_nfe_low,total_nfe_high,"
    "judge_mean,judge_mean_low,judge_mean_high,frechet,frechet_mean\n"
    "s,all,oracle,random,100,3,100,100,100,-0.5,-0.55,-0.45,3,-3\n"
    "s,all,oracle,random,300,3,300,300,300,-0.4,-0.43,-0.37,2,-2\n"
    "s,all,oracle,\"rbf, two\",100,3,98,98,98,-0.42,-0.44,-0.40,2.5,-2.5\n"
    "s,all,oracle,\"rbf, two\",300,3,299,299,299,-0.2,-0.25,-0.15,2.8,-2.8\n"
    "s,all,probe,fk,100,3,96,96,96,-0.41,-0.6,-0.22,1,-1\n"
    "s,all,probe,svdd,100,1,90,90,90,-0.1,-0.2,0,0.1,-0.1\n"  // of fewer seeds
    "s,all,probe,fk,300,3,,,,,,,,\n";

const Table& summary() {
  static const Table table = table_of_csv(kSummary);
  return table;
}

// The seeds of three of its rows: every seed of rbf is above the same of random.
const Table& table() {
  static const Table rows = [] {
    std::string text = "study,sweep,verifier,search,budget.nfe,seed,run,judge_mean,frechet\n";
    const auto point = [&](const char* keys, std::array<double, 3> judge) {
      for (std::size_t seed = 0; seed < 3; ++seed)
        text += fmt::format("s,all,{},{},r,{},\n", keys, seed + 1, judge[seed]);
    };
    point("oracle,random,100", {-0.9, -0.5, -0.1});
    point("oracle,random,300", {-0.8, -0.4, 0.0});
    point("oracle,\"rbf, two\",100", {-0.8, -0.36, -0.1});
    point("oracle,\"rbf, two\",300", {-0.6, -0.21, 0.21});
    point("probe,fk,100", {-0.41, -0.2, -0.62});
    return table_of_csv(text);
  }();
  return rows;
}

std::string label(const Recommended& r, const std::string& column) {
  for (const auto& [name, text] : r.labels)
    if (name == column) return text;
  return "none";
}

}  // namespace

TEST_CASE("a table reads back from CSV as it was written", "[recommend]") {
  const Table& table = summary();
  CHECK(table.columns.size() == 14);
  CHECK(table.rows.size() == 7);
  CHECK(cell_text(table.rows[2][3]) == "rbf, two");
  CHECK(cell_number(table.rows[2][9]) == -0.42);
  CHECK(std::holds_alternative<std::monostate>(table.rows[6][9]));
  CHECK(table_of_csv(csv_text(table)).rows == table.rows);
  CHECK(cell_text(table_of_csv("a,b\n\"say \"\"x\"\"\",\"two\nlines\"\n").rows[0][0]) ==
        "say \"x\"");
  CHECK_THROWS_WITH(table_of_csv("a,b\n1,2\n3\n"), Catch::Contains("row 2 has 1 cells"));
  CHECK_THROWS_AS(table_of_csv(""), Error);
}

TEST_CASE("the best setting within the budget is named with its runner-up", "[recommend]") {
  const auto with = [&](double budget, const char* metric = "judge_mean", RowFilter where = {}) {
    return recommend(summary(), table(), budget, metric, "search", where);
  };
  const Recommendation rich = with(300);
  CHECK(label(rich.best, "search") == "rbf, two");
  CHECK(label(rich.best, "budget.nfe") == "300");
  CHECK(label(rich.best, "study") == "none");  // the same in every row
  CHECK(rich.best.low == -0.25);
  CHECK(rich.best.nfe == 299);
  REQUIRE(rich.runner_up);
  CHECK(label(*rich.runner_up, "search") == "random");
  // Seed by seed 0.2, 0.19, 0.21, while the intervals of the two means would be 1 wide.
  REQUIRE(rich.difference);
  CHECK(rich.difference->mean == Approx(0.2));
  CHECK(rich.resolved);
  CHECK(rich.settings == 5);
  CHECK(rich.best.seeds == 3);
  // t of 2 degrees at 1 - 0.05 / 4, two-sided: 8.8602; 0.01 / sqrt(3) is the error of the mean.
  CHECK(rich.difference->mean - rich.difference->low ==
        Approx(8.8602 * 0.01 / std::sqrt(3.0)).epsilon(1e-4));
  CHECK_FALSE(recommend(summary(), {}, 300, "judge_mean", "search", {}).resolved);

  const Recommendation poor = with(100);
  CHECK(label(poor.best, "search") == "fk");
  CHECK(label(*poor.runner_up, "search") == "rbf, two");
  CHECK_FALSE(poor.resolved);

  const Recommendation oracle = with(100, "judge_mean", {{"verifier", {"oracle"}}});
  CHECK(label(oracle.best, "search") == "rbf, two");
  CHECK(label(*oracle.runner_up, "search") == "random");
  CHECK_FALSE(oracle.resolved);  // 0.1, 0.14, 0
  CHECK_FALSE(
      with(100, "judge_mean", {{"budget.nfe", {"100"}}, {"verifier", {"probe"}}}).runner_up);

  const Recommendation near = with(300, "frechet");  // lower is better, and without intervals
  CHECK(label(near.best, "search") == "fk");
  CHECK(label(*near.runner_up, "search") == "random");
  CHECK_FALSE(near.resolved);
  // What the verifier winnow.frechet says is minus the distance.
  CHECK(label(with(300, "frechet_mean").best, "search") == "fk");
}

TEST_CASE("rows in which the metric selected are left out", "[recommend]") {
  const auto by_oracle = [](std::size_t row) {
    return cell_text(summary().rows[row][2]) == "oracle";
  };
  const Recommendation found =
      recommend(summary(), table(), 300, "judge_mean", "search", {}, by_oracle);
  CHECK(label(found.best, "search") == "fk");
  CHECK(found.settings == 1);
  CHECK(found.climbed == 4);
  CHECK_THROWS_WITH(recommend(summary(), table(), 300, "judge_mean", "search",
                              {{"verifier", {"oracle"}}}, by_oracle),
                    Catch::Contains("in all 4 settings") && Catch::Contains("did not select"));
}

TEST_CASE("only rows of as many tasks as the dearest has are compared", "[recommend]") {
  const Table mixed = table_of_csv(
      "search,budget,seeds,tasks,total_nfe,frechet,inception_score\n"
      "random,100,3,40,100,130,5\n"  // near because the set is large
      "fk,100,3,40,100,120,5\n"
      "random,1000,3,10,1000,360,5\n"
      "fk,1000,3,10,996,350,5\n");
  CHECK_THROWS_WITH(recommend(mixed, {}, 1000, "judge_mean", "search", {}),
                    Catch::EndsWith("--metric can be 'frechet' or 'inception_score'"));
  const Recommendation rich = recommend(mixed, {}, 1000, "frechet", "search", {});
  CHECK(label(rich.best, "budget") == "1000");
  CHECK(label(rich.best, "search") == "fk");
  CHECK(rich.tasks == 10);
  CHECK(rich.settings == 2);
  CHECK(rich.others == 2);
  const Recommendation poor = recommend(mixed, {}, 300, "frechet", "search", {});
  CHECK(poor.best.value == 120);
  CHECK(poor.others == 0);
}

TEST_CASE("rows of which nobody knows what selected are taken and counted", "[recommend]") {
  const Recommendation found = recommend(summary(), table(), 300, "judge_mean", "search", {},
                                         [](std::size_t) { return std::optional<bool>(); });
  CHECK(found.settings == 5);
  CHECK(found.unknown == 5);
  CHECK(found.climbed == 0);
}

TEST_CASE("what cannot be recommended is refused with what there is", "[recommend]") {
  CHECK_THROWS_WITH(recommend(summary(), {}, 50, "judge_mean", "search", {}),
                    Catch::Contains("at most 50 NFE") && Catch::Contains("the cheapest costs 96"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "judge_men", "search", {}),
                    Catch::Contains("no column 'judge_men'") && Catch::Contains("judge_mean"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "total_nfe", "search", {}),
                    Catch::Contains("'total_nfe' is what a setting costs"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "judge_mean_low", "search", {}),
                    Catch::Contains("is an end of the interval of 'judge_mean'"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "search", "search", {}),
                    Catch::Contains("no metric but a label is 'search'; --metric can be") &&
                        Catch::Contains("judge_mean") && !Catch::Contains("judge_mean_low"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "judge_mean", "search", {{"search", {"fx"}}}),
                    Catch::Contains("no row has 'fx' in column 'search'") && Catch::Contains("fk"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "judge_mean", "serch", {}),
                    Catch::Contains("no column 'serch'"));
  CHECK_THROWS_WITH(recommend(summary(), {}, 300, "judge_mean", "search", {{"verifer", {"x"}}}),
                    Catch::Contains("verifier"));
}

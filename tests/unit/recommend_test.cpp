#include "host/recommend.hpp"

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
    return recommend(summary(), budget, metric, "search", where);
  };
  const Recommendation rich = with(300);
  CHECK(label(rich.best, "search") == "rbf, two");
  CHECK(label(rich.best, "budget.nfe") == "300");
  CHECK(label(rich.best, "study") == "none");  // the same in every row
  CHECK(rich.best.low == -0.25);
  CHECK(rich.best.nfe == 299);
  REQUIRE(rich.runner_up);
  CHECK(label(*rich.runner_up, "search") == "random");
  CHECK(rich.resolved);
  CHECK(rich.settings == 5);

  const Recommendation poor = with(100);
  CHECK(label(poor.best, "search") == "fk");
  CHECK(label(*poor.runner_up, "search") == "rbf, two");
  CHECK_FALSE(poor.resolved);  // [-0.6, -0.22] and [-0.44, -0.40]

  const Recommendation oracle = with(100, "judge_mean", {{"verifier", {"oracle"}}});
  CHECK(label(oracle.best, "search") == "rbf, two");
  CHECK(label(*oracle.runner_up, "search") == "random");
  CHECK(oracle.resolved);  // -0.44 above -0.45
  CHECK_FALSE(
      with(100, "judge_mean", {{"budget.nfe", {"100"}}, {"verifier", {"probe"}}}).runner_up);

  const Recommendation near = with(300, "frechet");  // lower is better, and without intervals
  CHECK(label(near.best, "search") == "fk");
  CHECK(label(*near.runner_up, "search") == "random");
  CHECK_FALSE(near.resolved);
  // What the verifier winnow.frechet says is minus the distance.
  CHECK(label(with(300, "frechet_mean").best, "search") == "fk");
}

TEST_CASE("what cannot be recommended is refused with what there is", "[recommend]") {
  CHECK_THROWS_WITH(recommend(summary(), 50, "judge_mean", "search", {}),
                    Catch::Contains("at most 50 NFE") && Catch::Contains("the cheapest costs 96"));
  CHECK_THROWS_WITH(recommend(summary(), 300, "judge_men", "search", {}),
                    Catch::Contains("no column 'judge_men'") && Catch::Contains("judge_mean"));
  CHECK_THROWS_WITH(recommend(summary(), 300, "total_nfe", "search", {}),
                    Catch::Contains("'total_nfe' is what a setting costs"));
  CHECK_THROWS_WITH(recommend(summary(), 300, "judge_mean", "serch", {}),
                    Catch::Contains("no column 'serch'"));
  CHECK_THROWS_WITH(recommend(summary(), 300, "judge_mean", "search", {{"verifer", {"x"}}}),
                    Catch::Contains("verifier"));
}

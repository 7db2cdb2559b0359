// study_markdown_test.cpp: the summary as a page.
#include "host/study_markdown.hpp"

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

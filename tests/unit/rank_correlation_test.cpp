// rank_correlation_test.cpp: Spearman's coefficient on numbers worked out by hand.
#include "host/rank_correlation.hpp"

#include <cmath>
#include <vector>

#include "tests/support/catch.hpp"

using winnow::rank_correlation;
using Numbers = std::vector<double>;

TEST_CASE("without ties the rank correlation is 1 - 6 sum d^2 / (n (n^2 - 1))",
          "[rank_correlation]") {
  // Ranks 3 1 2 5 4 against 1 2 3 4 5: d^2 is 4 + 1 + 1 + 1 + 1 = 8.
  CHECK(rank_correlation(Numbers{0.3, -7, 0.1, 90, 4}, Numbers{1, 2, 3, 4, 5}) ==
        Approx(1 - 6.0 * 8 / (5 * 24)));
}

TEST_CASE("only the order counts", "[rank_correlation]") {
  const Numbers x{1, 2, 3, 4};
  CHECK(rank_correlation(x, Numbers{-1e9, 0, 1e-9, 7}) == Approx(1));
  CHECK(rank_correlation(x, Numbers{4, 3, 2, -100}) == Approx(-1));
}

TEST_CASE("equal numbers share the mean of their ranks", "[rank_correlation]") {
  // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: sum of products 4.5, of squares 4.5 and 5.
  CHECK(rank_correlation(Numbers{1, 2, 2, 5}, Numbers{1, 2, 3, 4}) ==
        Approx(4.5 / std::sqrt(4.5 * 5)));
}

TEST_CASE("what has no order has no rank correlation", "[rank_correlation]") {
  CHECK(std::isnan(rank_correlation(Numbers{}, Numbers{})));
  CHECK(std::isnan(rank_correlation(Numbers{1}, Numbers{2})));
  CHECK(std::isnan(rank_correlation(Numbers{3, 3, 3}, Numbers{1, 2, 3})));
}

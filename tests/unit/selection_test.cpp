// selection_test.cpp: rules that turn several scores into one.
#include "host/selection.hpp"

#include <cmath>

#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("a weighted sum adds weighted scores", "[selection]") {
  const Selection sum(SelectionRule::kWeightedSum, {2.0, 0.5});
  CHECK_FALSE(sum.pooled());
  CHECK(sum.absolute({3.0, 4.0}) == Approx(8.0));
}

TEST_CASE("mean rank averages ties and does not depend on scale", "[selection]") {
  const Selection rank(SelectionRule::kMeanRank, {1.0, 1.0});
  CHECK(rank.pooled());
  const std::vector<Heads> pool{{1, 100}, {2, 100}, {3, -5}};
  const auto scores = rank.within(pool);
  CHECK(scores[0] == Approx((0.0 + 0.75) / 2));
  CHECK(scores[1] == Approx((0.5 + 0.75) / 2));
  CHECK(scores[2] == Approx((1.0 + 0.0) / 2));
}

TEST_CASE("adding a candidate may change which of the others is best by rank", "[selection]") {
  const Selection rank(SelectionRule::kMeanRank, {1.0, 1.0});
  // Of the first two, one leads by its first score, the other by its second; what is added lies
  // between them in the second only.
  const std::vector<Heads> two{{4, 1}, {3, 2}, {5, 0}};
  const std::vector<Heads> more{{4, 1}, {3, 2}, {5, 0}, {1, 1.5}, {1.5, 1.6}};
  const std::vector<Heads> others{{4, 1}, {3, 2}, {5, 0}, {3.5, -1}, {3.6, -2}};
  CHECK(rank.within(two)[0] == Approx(rank.within(two)[1]));
  CHECK(rank.within(more)[0] < rank.within(more)[1]);
  CHECK(rank.within(others)[0] > rank.within(others)[1]);
}

TEST_CASE("worst-rank prefers whom no verifier puts last, then the greater mean", "[selection]") {
  const Selection worst(SelectionRule::kWorstRank, {1.0, 9.0});  // weights do not count
  // Shares by verifier: (1, 0), (2/3, 1/3), (1/3, 2/3), (0, 1).
  const std::vector<Heads> pool{{4.0, 1.0}, {3.0, 2.0}, {2.0, 3.0}, {1.0, 4.0}};
  const auto judged = worst.within(pool);
  CHECK(judged[1] == Approx(judged[2]));
  CHECK(judged[1] > judged[0]);
  CHECK(judged[0] == Approx(judged[3]));
  // Equal worst shares: the mean decides, but never over a worse worst share.
  const auto tie = worst.within(std::vector<Heads>{{1.0, 1.0}, {1.0, 2.0}, {0.0, 3.0}, {2.0, 0.0}});
  CHECK(tie[1] > tie[0]);
  CHECK(tie[0] > tie[2]);
  CHECK(tie[0] > tie[3]);
}

TEST_CASE("z-sum standardises within the pool and survives equal scores", "[selection]") {
  const Selection z(SelectionRule::kZSum, {1.0, 3.0});
  const auto scores = z.within(std::vector<Heads>{{1, 5}, {3, 5}});
  CHECK(scores[0] == Approx(-1.0));
  CHECK(scores[1] == Approx(1.0));
}

TEST_CASE("failed candidates rank last and do not count", "[selection]") {
  const Selection rank(SelectionRule::kMeanRank, {1.0});
  const auto scores = rank.within(std::vector<Heads>{{1}, {}, {2}});
  CHECK(scores[0] == Approx(0.0));
  CHECK(std::isinf(scores[1]));
  CHECK(scores[2] == Approx(1.0));
  CHECK(rank.within(std::vector<Heads>{{7}})[0] == Approx(0.5));
}

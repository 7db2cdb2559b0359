// rank_correlation.hpp: whether two verifiers order samples alike.
#pragma once

#include <span>

namespace winnow {

// Spearman's rank correlation (Spearman, 1904) of as many x as y, -1 to 1: the correlation of their
// ranks, equal numbers sharing the mean of theirs. NaN for fewer than two pairs, and when all x or
// all y are equal. All finite.
double rank_correlation(std::span<const double> x, std::span<const double> y);

}  // namespace winnow

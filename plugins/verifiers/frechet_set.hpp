// A growing set of feature vectors and its Frechet distance from precomputed statistics: what
// winnow.frechet computes with. No LibTorch.
//
//   |m - m_r|^2 + tr(C + C_r - 2 (C_r^(1/2) C C_r^(1/2))^(1/2))       (Heusel et al., 2017)
//
// m and C are those of the set; C is divided by n, not by n - 1: so one sample has a covariance
// (zero) and a distance too, and a set of fewer samples than features has a singular one, which the
// eigenvalues above bear. Within one choice n is the same for all, so the division ranks nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace winnow {

// Keeps exact sums in double (of the vectors, of their squares, of their outer products), so that
// a candidate costs one symmetric eigenvalue problem, whatever the size of the set.
class FrechetSet {
 public:
  // mean [d], covariance [d, d]. Throws std::invalid_argument for other sizes or numbers that are
  // not finite.
  FrechetSet(const std::vector<double>& mean, const std::vector<double>& covariance);
  ~FrechetSet();
  FrechetSet(FrechetSet&&) noexcept;

  std::uint64_t size() const;
  // Of the set and this vector [d].
  double distance_with(std::span<const float> features) const;
  void add(std::span<const float> features);
  void clear();

  // A function of what was added, in its order; the same bits come back.
  std::string save() const;
  // Throws std::invalid_argument, with the set as it was, for bytes of another kind or number of
  // features.
  void load(std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace winnow

#include "frechet_set.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <cstring>
#include <stdexcept>

namespace winnow {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

constexpr std::string_view kMagic = "winnow.frechet/1";

// Of a symmetric matrix without negative eigenvalues, but for rounding.
Matrix square_root(const Matrix& matrix) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(matrix);
  const Vector roots = solver.eigenvalues().cwiseMax(0).cwiseSqrt();
  return solver.eigenvectors() * roots.asDiagonal() * solver.eigenvectors().transpose();
}

}  // namespace

struct FrechetSet::State {
  Vector mean;   // of the reference
  Matrix root;   // of its covariance
  double trace;  // of its covariance

  // Sums over the set of x = features - mean, |x|^2, y = root x and y y^T (its lower half).
  std::uint64_t n = 0;
  double squares = 0;
  Vector x, y;
  Matrix outer;

  Vector centred(std::span<const float> features) const {
    if (features.size() != static_cast<std::size_t>(mean.size()))
      throw std::invalid_argument("found " + std::to_string(features.size()) +
                                  " features, expected " + std::to_string(mean.size()));
    const Eigen::Map<const Eigen::VectorXf> map(features.data(), mean.size());
    return map.cast<double>() - mean;
  }

  void clear() {
    n = 0;
    squares = 0;
    x = y = Vector::Zero(mean.size());
    outer = Matrix::Zero(mean.size(), mean.size());
  }
};

FrechetSet::FrechetSet(const std::vector<double>& mean, const std::vector<double>& covariance)
    : state_(std::make_unique<State>()) {
  const auto d = static_cast<Eigen::Index>(mean.size());
  if (d == 0 || covariance.size() != mean.size() * mean.size())
    throw std::invalid_argument("a mean of " + std::to_string(mean.size()) +
                                " numbers does not fit a covariance of " +
                                std::to_string(covariance.size()));
  state_->mean = Eigen::Map<const Vector>(mean.data(), d);
  const Matrix matrix = Eigen::Map<const Matrix>(covariance.data(), d, d);
  if (!state_->mean.allFinite() || !matrix.allFinite())
    throw std::invalid_argument("a mean or covariance is not finite");
  state_->root = square_root(matrix);
  state_->trace = matrix.trace();
  state_->clear();
}

FrechetSet::~FrechetSet() = default;
FrechetSet::FrechetSet(FrechetSet&&) noexcept = default;

std::uint64_t FrechetSet::size() const { return state_->n; }

double FrechetSet::distance_with(std::span<const float> features) const {
  const State& s = *state_;
  const Vector x = s.centred(features);
  const Vector y = s.root * x;
  const auto n = static_cast<double>(s.n + 1);
  const Vector mean_x = (s.x + x) / n, mean_y = (s.y + y) / n;
  Matrix product = s.outer / n;
  product.selfadjointView<Eigen::Lower>().rankUpdate(y, 1 / n);
  product.selfadjointView<Eigen::Lower>().rankUpdate(mean_y, -1);
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(product, Eigen::EigenvaluesOnly);
  const double cross = solver.eigenvalues().cwiseMax(0).cwiseSqrt().sum();
  const double own_trace = (s.squares + x.squaredNorm()) / n - mean_x.squaredNorm();
  return mean_x.squaredNorm() + s.trace + own_trace - 2 * cross;
}

void FrechetSet::add(std::span<const float> features) {
  State& s = *state_;
  const Vector x = s.centred(features);
  const Vector y = s.root * x;
  ++s.n;
  s.squares += x.squaredNorm();
  s.x += x;
  s.y += y;
  s.outer.selfadjointView<Eigen::Lower>().rankUpdate(y);
}

void FrechetSet::clear() { state_->clear(); }

std::string FrechetSet::save() const {
  const State& s = *state_;
  const auto width = static_cast<std::uint64_t>(s.mean.size());
  std::string bytes(kMagic);
  const auto put = [&bytes](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  put(&width, sizeof width);
  put(&s.n, sizeof s.n);
  put(&s.squares, sizeof s.squares);
  put(s.x.data(), width * sizeof(double));
  put(s.y.data(), width * sizeof(double));
  put(s.outer.data(), width * width * sizeof(double));
  return bytes;
}

void FrechetSet::load(std::string_view bytes) {
  State& s = *state_;
  const auto width = static_cast<std::uint64_t>(s.mean.size());
  const std::size_t expected = kMagic.size() + (3 + 2 * width + width * width) * 8;
  std::uint64_t found = 0;
  if (bytes.size() >= kMagic.size() + 8) std::memcpy(&found, bytes.data() + kMagic.size(), 8);
  if (!bytes.starts_with(kMagic) || found != width || bytes.size() != expected)
    throw std::invalid_argument("found a state of " + std::to_string(bytes.size()) +
                                " bytes that is not one of " + std::to_string(width) +
                                " features, expected " + std::to_string(expected));
  bytes.remove_prefix(kMagic.size() + 8);
  const auto take = [&bytes](void* data, std::size_t size) {
    std::memcpy(data, bytes.data(), size);
    bytes.remove_prefix(size);
  };
  take(&s.n, sizeof s.n);
  take(&s.squares, sizeof s.squares);
  take(s.x.data(), width * sizeof(double));
  take(s.y.data(), width * sizeof(double));
  take(s.outer.data(), width * width * sizeof(double));
}

}  // namespace winnow

// set_metrics.cpp: see set_metrics.hpp.
#include "host/set_metrics.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "host/error.hpp"
#include "host/noise.hpp"

namespace winnow {
namespace {

using Eigen::Index;
using Matrix = Eigen::MatrixXd;  // a sample is a column
using Vector = Eigen::VectorXd;
using Indices = std::vector<std::uint64_t>;

constexpr std::uint32_t kResamplingDomain = 2;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
// The streams of the seeded choices; resample r of the bootstrap is stream r.
constexpr std::uint64_t kChoiceStream = std::uint64_t{1} << 32;

std::vector<std::uint32_t> random_words(std::uint64_t seed, std::uint64_t stream, std::size_t n) {
  std::vector<std::uint32_t> words(n);
  fill_uniform({.seed = seed, .stream = stream, .domain = kResamplingDomain}, 0, 0, words);
  return words;
}

std::uint64_t below(std::uint64_t n, std::uint32_t word) { return word * n >> 32; }

Matrix to_matrix(std::span<const float> values, std::uint64_t rows, std::uint64_t width) {
  const Eigen::Map<const Eigen::MatrixXf> map(values.data(), static_cast<Index>(width),
                                              static_cast<Index>(rows));
  return map.cast<double>();
}

Matrix columns(const Matrix& all, const Indices& wanted) {
  Matrix out(all.rows(), static_cast<Index>(wanted.size()));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    out.col(static_cast<Index>(i)) = all.col(static_cast<Index>(wanted[i]));
  return out;
}

Indices all_of(std::uint64_t n) {
  Indices all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

using Statistic = std::function<double(const Indices&)>;

std::vector<double> over_resamples(const Statistic& statistic, std::uint64_t n,
                                   std::uint32_t resamples, std::uint64_t seed) {
  std::vector<double> values;
  for (std::uint32_t r = 0; r < resamples; ++r) values.push_back(statistic(resample(n, r, seed)));
  return values;
}

Estimate with_interval(double value, const std::vector<double>& resampled, double shift) {
  if (resampled.empty()) return {value, kNone, kNone};
  return {value, quantile(resampled, 0.025) + shift, quantile(resampled, 0.975) + shift};
}

// The interval is moved so that the resamples' mean falls on the value; moving takes its ends out
// of [least, most] at times, where the metric itself cannot lie. One sample has no interval.
Estimate centred_estimate(const Statistic& statistic, std::uint64_t n, double least, double most,
                          const MetricOptions& options) {
  const double value = std::clamp(statistic(all_of(n)), least, most);
  const std::vector<double> resampled =
      over_resamples(statistic, n, n > 1 ? options.resamples : 0, options.seed);
  const double mean = std::accumulate(resampled.begin(), resampled.end(), 0.0) /
                      static_cast<double>(resampled.size());
  Estimate estimate = with_interval(value, resampled, value - mean);
  if (resampled.empty()) return estimate;
  estimate.low = std::clamp(estimate.low, least, most);
  estimate.high = std::clamp(estimate.high, least, most);
  return estimate;
}

// exp(H(marginal) - mean H(p)): the same as the mean divergence, with the sum over the samples
// taken once.
class InceptionScore {
 public:
  explicit InceptionScore(const FeatureSet& set)
      : p_(to_matrix(set.log_probabilities, set.n, set.n_classes)) {
    const Matrix log_p = p_;
    p_ = log_p.array().exp();
    negative_entropy_ = p_.cwiseProduct(log_p).colwise().sum().transpose();
  }

  double operator()(const Indices& samples) const {
    Vector marginal = Vector::Zero(p_.rows());
    double sum = 0;
    for (const std::uint64_t i : samples) {
      marginal += p_.col(static_cast<Index>(i));
      sum += negative_entropy_[static_cast<Index>(i)];
    }
    const auto n = static_cast<double>(samples.size());
    double divergence = sum / n;
    for (const double total : marginal)
      if (total > 0) divergence -= total / n * std::log(total / n);
    return std::exp(divergence);
  }

 private:
  Matrix p_;
  Vector negative_entropy_;
};

// Of a symmetric matrix without negative eigenvalues, but for rounding.
Matrix square_root(const Matrix& matrix) {
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(matrix);
  const Vector roots = solver.eigenvalues().cwiseMax(0).cwiseSqrt();
  return solver.eigenvectors() * roots.asDiagonal() * solver.eigenvectors().transpose();
}

// The sum of the singular values, from the smaller of the two Gram matrices: no more eigenvalues
// than the rank can have, so that a singular covariance adds no rounding.
double nuclear_norm(const Matrix& a) {
  const Index size = std::min(a.rows(), a.cols());
  Matrix gram = Matrix::Zero(size, size);
  if (a.rows() <= a.cols())
    gram.selfadjointView<Eigen::Lower>().rankUpdate(a);
  else
    gram.selfadjointView<Eigen::Lower>().rankUpdate(a.transpose());
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(gram, Eigen::EigenvaluesOnly);
  return solver.eigenvalues().cwiseMax(0).cwiseSqrt().sum();
}

// With R the root of the reference's covariance and X the centred samples, tr (C1 C2)^(1/2) is the
// nuclear norm of R X / sqrt(n - 1): (C1 C2) has the eigenvalues of R C1 R.
class FrechetDistance {
 public:
  FrechetDistance(const FeatureSet& set, const Reference& reference)
      : mean_(Eigen::Map<const Vector>(reference.mean.data(), set.n_features)),
        x_(to_matrix(set.features, set.n, set.n_features)) {
    const Eigen::Map<const Matrix> covariance(reference.covariance.data(), set.n_features,
                                              set.n_features);
    trace_ = covariance.trace();
    x_.colwise() -= mean_;
    rooted_ = square_root(covariance) * x_;
  }

  double operator()(const Indices& samples) const {
    const auto n = static_cast<double>(samples.size());
    const Matrix x = columns(x_, samples);
    const Vector difference = x.rowwise().mean();
    const double own_trace = (x.colwise() - difference).squaredNorm() / (n - 1);
    Matrix y = columns(rooted_, samples);
    y.colwise() -= y.rowwise().mean().eval();
    const double cross = nuclear_norm(y) / std::sqrt(n - 1);
    return std::max(0.0, difference.squaredNorm() + trace_ + own_trace - 2 * cross);
  }

 private:
  Vector mean_;
  Matrix x_, rooted_;  // minus the reference's mean; times the root of its covariance
  double trace_ = 0;
};

// To the k-th nearest other sample of the same set, squared.
Vector squared_radii(const Matrix& set, std::uint32_t k) {
  Vector radii(set.cols());
  for (Index i = 0; i < set.cols(); ++i) {
    Vector distances = (set.colwise() - set.col(i)).colwise().squaredNorm().transpose();
    const auto kth = distances.begin() + k;  // the sample itself is one of them
    std::nth_element(distances.begin(), kth, distances.end());
    radii[i] = *kth;
  }
  return radii;
}

// Per sample 1 when it lies in the ball of some centre.
std::vector<double> covered(const Matrix& samples, const Matrix& centres, const Vector& radii) {
  std::vector<double> inside;
  for (Index i = 0; i < samples.cols(); ++i) {
    const auto distances = (centres.colwise() - samples.col(i)).colwise().squaredNorm();
    inside.push_back((distances.transpose().array() <= radii.array()).any() ? 1.0 : 0.0);
  }
  return inside;
}

Matrix thinned(std::span<const float> values, std::uint64_t rows, std::uint64_t width,
               std::uint64_t want, std::uint64_t seed) {
  const Matrix all = to_matrix(values, rows, width);
  return rows == want ? all : columns(all, seeded_choice(rows, want, seed));
}

void add_precision_and_recall(const FeatureSet& set, const Reference& reference,
                              const MetricOptions& options, SetMetrics& metrics) {
  const std::uint64_t n = std::min(set.n, reference.rows());
  const Matrix samples = thinned(set.features, set.n, set.n_features, n, options.seed);
  const Matrix rows =
      thinned(reference.features, reference.rows(), set.n_features, n, options.seed);
  const auto share = [&](const Matrix& of, const Matrix& centres) {
    const std::vector<double> inside = covered(of, centres, squared_radii(centres, options.k));
    return bootstrap_mean(inside, options.resamples, options.seed);
  };
  metrics.precision = share(samples, rows);
  metrics.recall = share(rows, samples);
}

std::string why_no_neighbours(const FeatureSet& set, const Reference* reference, std::uint32_t k) {
  if (!reference) return "no reference was given";
  if (reference->features.empty()) return "the reference holds no samples, only their statistics";
  if (k == 0) return "zero neighbours";
  if (std::min(set.n, reference->rows()) > k) return "";
  return fmt::format("needs more than {} samples in both sets, there are {} and {}", k, set.n,
                     reference->rows());
}

void check(const FeatureSet& set, const Reference* reference) {
  if (set.n == 0) throw Error(Exit::kUsage, "a set without samples has no metrics");
  if (set.features.size() != set.n * set.n_features ||
      set.log_probabilities.size() != set.n * set.n_classes)
    throw Error(Exit::kInternal, "the numbers of a feature set do not fit together");
  const auto finite = [](float x) { return std::isfinite(x); };
  if (!std::ranges::all_of(set.features, finite) ||
      !std::ranges::all_of(set.log_probabilities, finite))
    throw Error(Exit::kUsage, "a feature or log-probability is not finite");
  if (reference) require_same_network(*reference, set.network, set.n_features);
}

}  // namespace

void require_same_network(const Reference& reference, const std::string& network,
                          std::uint32_t n_features) {
  if (reference.network == network && reference.n_features == n_features) return;
  throw Error(
      Exit::kUsage,
      fmt::format("the reference was made by the network {}{} ({} features), the samples are "
                  "seen by {} ({}); take that network, or make the reference again with "
                  "'winnow stats'",
                  reference.network, reference.plugin.empty() ? "" : " of " + reference.plugin,
                  reference.n_features, network, n_features));
}

Reference make_reference(const FeatureSet& set, std::uint64_t rows, std::uint64_t seed) {
  check(set, nullptr);
  if (set.n < 2) throw Error(Exit::kUsage, "statistics need at least two samples, there is one");
  Matrix x = to_matrix(set.features, set.n, set.n_features);
  const Vector mean = x.rowwise().mean();
  x.colwise() -= mean;
  const Matrix covariance = x * x.transpose() / static_cast<double>(set.n - 1);
  Reference reference;
  reference.network = set.network;
  reference.n = set.n;
  reference.n_features = set.n_features;
  reference.mean.assign(mean.begin(), mean.end());
  reference.covariance.assign(covariance.data(), covariance.data() + covariance.size());
  for (const std::uint64_t i : seeded_choice(set.n, rows, seed)) {
    const auto row = set.features.begin() + static_cast<std::ptrdiff_t>(i * set.n_features);
    reference.features.insert(reference.features.end(), row, row + set.n_features);
  }
  return reference;
}

SetMetrics set_metrics(const FeatureSet& set, const Reference* reference,
                       const MetricOptions& options) {
  check(set, reference);
  SetMetrics metrics;
  if (set.n_classes > 0)
    metrics.inception_score =
        centred_estimate(InceptionScore(set), set.n, 1, set.n_classes, options);
  else
    metrics.missing["inception_score"] = "the feature network is no classifier";
  if (!reference)
    metrics.missing["frechet"] = "no reference was given";
  else if (set.n < 2)
    metrics.missing["frechet"] = "needs at least two samples, there is one";
  else
    metrics.frechet = centred_estimate(FrechetDistance(set, *reference), set.n, 0,
                                       std::numeric_limits<double>::infinity(), options);
  const std::string why = why_no_neighbours(set, reference, options.k);
  if (why.empty())
    add_precision_and_recall(set, *reference, options, metrics);
  else
    metrics.missing["precision"] = metrics.missing["recall"] = why;
  return metrics;
}

std::array<NamedMetric, 4> named_metrics(const SetMetrics& metrics) {
  return {{{"inception_score", &metrics.inception_score},
           {"frechet", &metrics.frechet},
           {"precision", &metrics.precision},
           {"recall", &metrics.recall}}};
}

std::vector<std::uint64_t> resample(std::uint64_t n, std::uint32_t r, std::uint64_t seed) {
  Indices drawn;
  for (const std::uint32_t word : random_words(seed, r, n)) drawn.push_back(below(n, word));
  return drawn;
}

Estimate bootstrap_mean(std::span<const double> values, std::uint32_t resamples,
                        std::uint64_t seed) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, kNone, kNone};
  const Statistic statistic = [&](const Indices& drawn) {
    double sum = 0;
    for (const std::uint64_t i : drawn) sum += values[i];
    return sum / n;
  };
  return with_interval(mean, over_resamples(statistic, values.size(), resamples, seed), 0);
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double place = q * static_cast<double>(values.size() - 1);
  const auto left = static_cast<std::size_t>(place);
  const std::size_t right = std::min(left + 1, values.size() - 1);
  return values[left] + (place - static_cast<double>(left)) * (values[right] - values[left]);
}

std::vector<std::uint64_t> seeded_choice(std::uint64_t n, std::uint64_t want, std::uint64_t seed) {
  if (want >= n) return all_of(n);
  const std::vector<std::uint32_t> words = random_words(seed, kChoiceStream, n);
  Indices chosen;
  for (std::uint64_t i = 0; i < n && chosen.size() < want; ++i)
    if (below(n - i, words[i]) < want - chosen.size()) chosen.push_back(i);
  return chosen;
}

}  // namespace winnow

// frechet_set_test.cpp: the growing set of winnow.frechet against a recomputation from scratch with
// Jacobi rotations, and the greedy choice it is for.
#include "verifiers/frechet_set.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/catch.hpp"

using winnow::FrechetSet;

namespace {

using Row = std::vector<float>;
using Matrix = std::vector<std::vector<double>>;

constexpr std::size_t kWidth = 5;

Matrix zeros() { return Matrix(kWidth, std::vector<double>(kWidth)); }

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out = zeros();
  for (std::size_t i = 0; i < kWidth; ++i)
    for (std::size_t j = 0; j < kWidth; ++j)
      for (std::size_t k = 0; k < kWidth; ++k) out[i][j] += a[i][k] * b[k][j];
  return out;
}

// Cyclic Jacobi rotations: `a` becomes diagonal, `vectors` holds the eigenvectors as columns.
void diagonalise(Matrix& a, Matrix& vectors) {
  vectors = zeros();
  for (std::size_t i = 0; i < kWidth; ++i) vectors[i][i] = 1;
  for (int sweep = 0; sweep < 50; ++sweep)
    for (std::size_t p = 0; p < kWidth; ++p)
      for (std::size_t q = p + 1; q < kWidth; ++q) {
        const double angle = 0.5 * std::atan2(2 * a[p][q], a[q][q] - a[p][p]);
        const double c = std::cos(angle), s = std::sin(angle);
        for (std::size_t k = 0; k < kWidth; ++k) {
          const double x = a[k][p], y = a[k][q], u = vectors[k][p], v = vectors[k][q];
          a[k][p] = c * x - s * y, a[k][q] = s * x + c * y;
          vectors[k][p] = c * u - s * v, vectors[k][q] = s * u + c * v;
        }
        for (std::size_t k = 0; k < kWidth; ++k) {
          const double x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y, a[q][k] = s * x + c * y;
        }
      }
}

Matrix square_root(Matrix a) {
  Matrix vectors, scaled = zeros(), transposed = zeros();
  diagonalise(a, vectors);
  for (std::size_t i = 0; i < kWidth; ++i)
    for (std::size_t j = 0; j < kWidth; ++j) {
      scaled[i][j] = vectors[i][j] * std::sqrt(std::max(0.0, a[j][j]));
      transposed[j][i] = vectors[i][j];
    }
  return product(scaled, transposed);
}

double trace(const Matrix& a) {
  double sum = 0;
  for (std::size_t i = 0; i < kWidth; ++i) sum += a[i][i];
  return sum;
}

struct Moments {
  std::vector<double> mean = std::vector<double>(kWidth);
  Matrix covariance = zeros();  // divided by n
};

Moments moments_of(const std::vector<Row>& rows) {
  Moments m;
  const auto n = static_cast<double>(rows.size());
  for (const Row& row : rows)
    for (std::size_t i = 0; i < kWidth; ++i) m.mean[i] += row[i] / n;
  for (const Row& row : rows)
    for (std::size_t i = 0; i < kWidth; ++i)
      for (std::size_t j = 0; j < kWidth; ++j)
        m.covariance[i][j] += (row[i] - m.mean[i]) * (row[j] - m.mean[j]) / n;
  return m;
}

double distance(const std::vector<Row>& rows, const Moments& reference) {
  const Moments own = moments_of(rows);
  const Matrix root = square_root(reference.covariance);
  const Matrix middle = square_root(product(product(root, own.covariance), root));
  double sum = trace(own.covariance) + trace(reference.covariance) - 2 * trace(middle);
  for (std::size_t i = 0; i < kWidth; ++i) {
    const double difference = own.mean[i] - reference.mean[i];
    sum += difference * difference;
  }
  return sum;
}

// Anything but symmetric, so that directions matter.
Row sample(std::size_t i) {
  Row row;
  for (std::size_t c = 0; c < kWidth; ++c)
    row.push_back(static_cast<float>((i * i * 31 + c * c * 17 + i * c * 7 + i) % 97) / 16.0f +
                  static_cast<float>(c));
  return row;
}

std::vector<Row> samples(std::size_t first, std::size_t n) {
  std::vector<Row> rows;
  for (std::size_t i = first; i < first + n; ++i) rows.push_back(sample(i));
  return rows;
}

const Moments& reference() {
  static const Moments moments = moments_of(samples(1000, 40));
  return moments;
}

FrechetSet empty_set() {
  std::vector<double> covariance;
  for (const auto& row : reference().covariance)
    covariance.insert(covariance.end(), row.begin(), row.end());
  return FrechetSet(reference().mean, covariance);
}

}  // namespace

TEST_CASE("the distance of a growing set equals that from scratch, from the first sample on",
          "[verifiers]") {
  FrechetSet set = empty_set();
  for (std::size_t i = 0; i < 30; ++i) {
    CHECK(set.distance_with(sample(i)) == Approx(distance(samples(0, i + 1), reference())));
    set.add(sample(i));
    CHECK(set.size() == i + 1);
  }
}

TEST_CASE("the greedy choice is that of a search over recomputed distances", "[verifiers]") {
  FrechetSet set = empty_set();
  std::vector<Row> accepted;
  for (std::size_t task = 0; task < 8; ++task) {
    const std::vector<Row> offered = samples(10 * task, 10);
    std::vector<double> ours, theirs;
    for (const Row& row : offered) {
      ours.push_back(set.distance_with(row));
      std::vector<Row> with = accepted;
      with.push_back(row);
      theirs.push_back(distance(with, reference()));
    }
    const auto chosen = std::ranges::min_element(ours) - ours.begin();
    REQUIRE(chosen == std::ranges::min_element(theirs) - theirs.begin());
    set.add(offered[static_cast<std::size_t>(chosen)]);
    accepted.push_back(offered[static_cast<std::size_t>(chosen)]);
  }
  // It beats taking the first of every ten.
  std::vector<Row> first;
  for (std::size_t task = 0; task < 8; ++task) first.push_back(sample(10 * task));
  CHECK(distance(accepted, reference()) < distance(first, reference()));
}

TEST_CASE("what was accepted before changes which sample is best", "[verifiers]") {
  const auto best_after = [](std::size_t accepted) {
    FrechetSet set = empty_set();
    for (int times = 0; times < 3; ++times) set.add(sample(accepted));
    std::vector<double> distances;
    for (std::size_t i = 0; i < 40; ++i) distances.push_back(set.distance_with(sample(i)));
    return std::ranges::min_element(distances) - distances.begin();
  };
  std::vector<std::ptrdiff_t> best;
  for (std::size_t i = 0; i < 12; ++i) best.push_back(best_after(i));
  CHECK(std::ranges::any_of(best, [&](auto one) { return one != best[0]; }));
  // The same samples in another order are the same set, up to rounding.
  FrechetSet forth = empty_set(), back = empty_set();
  for (std::size_t i = 0; i < 9; ++i) forth.add(sample(i)), back.add(sample(8 - i));
  CHECK(forth.distance_with(sample(50)) == Approx(back.distance_with(sample(50))).epsilon(1e-9));
}

TEST_CASE("a set comes back from its state bit by bit, and refuses others' states", "[verifiers]") {
  FrechetSet set = empty_set(), copy = empty_set();
  for (std::size_t i = 0; i < 7; ++i) set.add(sample(i));
  copy.add(sample(99));
  copy.load(set.save());
  CHECK(copy.size() == 7);
  CHECK(copy.save() == set.save());
  CHECK(copy.distance_with(sample(7)) == set.distance_with(sample(7)));
  const std::string state = set.save();
  for (const std::string& bad : {std::string(), std::string("text"), state.substr(1),
                                 state.substr(0, state.size() - 1), state + "x"})
    CHECK_THROWS_AS(copy.load(bad), std::invalid_argument);
  FrechetSet other({0, 0}, {1, 0, 0, 1});
  CHECK_THROWS_AS(other.load(state), std::invalid_argument);
  CHECK(copy.save() == state);
  copy.clear();
  CHECK(copy.save() == empty_set().save());
}

TEST_CASE("statistics and features that do not fit are refused", "[verifiers]") {
  CHECK_THROWS_AS(FrechetSet({}, {}), std::invalid_argument);
  CHECK_THROWS_AS(FrechetSet({1, 2}, {1, 0, 0}), std::invalid_argument);
  CHECK_THROWS_AS(FrechetSet({1, NAN}, {1, 0, 0, 1}), std::invalid_argument);
  CHECK_THROWS_AS(empty_set().distance_with(std::vector<float>{1, 2}), std::invalid_argument);
}

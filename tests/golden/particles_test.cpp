// The maths of weighted particles against golden values (particles.py), and its laws where they are
// known: expected copies, and Feynman-Kac steering on a world in closed form.
#include "plugins/searches/particles.hpp"

#include <fstream>
#include <random>
#include <sstream>

#include "tests/support/catch.hpp"

namespace winnow::particles {
namespace {

std::vector<double> numbers(const std::string& text) {
  std::istringstream in(text);
  std::vector<double> out;
  for (double x; in >> x;) out.push_back(x);
  return out;
}

struct Line {
  std::string kind;
  std::vector<std::vector<double>> parts;  // between the bars
};

std::vector<Line> golden() {
  std::ifstream in(WINNOW_PARTICLES_FILE);
  std::vector<Line> lines;
  for (std::string text; std::getline(in, text);) {
    Line line;
    line.kind = text.substr(0, text.find(' '));
    std::istringstream rest(text.substr(line.kind.size()));
    for (std::string part; std::getline(rest, part, '|');) line.parts.push_back(numbers(part));
    lines.push_back(line);
  }
  return lines;
}

std::vector<double> logs(const std::vector<double>& weights) {
  std::vector<double> out;
  for (const double w : weights) out.push_back(std::log(w));
  return out;
}

// The given numbers, one after the other.
Uniform listed(std::vector<double> values) {
  return [values = std::move(values), k = std::size_t{0}]() mutable { return values.at(k++); };
}

TEST_CASE("sums, effective sizes, resampling and potentials have their golden values") {
  std::size_t seen = 0;
  for (const Line& line : golden()) {
    CAPTURE(line.kind, line.parts);
    const std::vector<double>& in = line.parts.front();
    const std::vector<double>& out = line.parts.back();
    ++seen;
    if (line.kind == "lse") {
      CHECK(log_sum_exp(in) == Approx(out[0]).epsilon(1e-14).margin(1e-14));
    } else if (line.kind == "ess") {
      CHECK(effective_size(in) == Approx(out[0]).epsilon(1e-12));
    } else if (line.kind == "diff" || line.kind == "max" || line.kind == "sum") {
      Lineage lineage;
      for (std::size_t k = 0; k < out.size(); ++k)
        CHECK(log_potential(lineage, parse_potential(line.kind), in[0], in[k + 1],
                            k + 1 == out.size()) == Approx(out[k]));
      // Whatever the potential, the whole lineage weighs exp(lambda r of the sample).
      CHECK(lineage.log_product == Approx(in[0] * in.back()));
    } else {
      const std::vector<double>& how = line.parts[1];
      const auto n = static_cast<std::size_t>(how[0]);
      Counts wanted(out.begin(), out.end()), found(out.size(), 0);
      const auto parents =
          resample(parse_resampling(line.kind), logs(in), n, listed({how.begin() + 1, how.end()}));
      for (const std::size_t parent : parents) ++found[parent];
      CHECK(found == wanted);
      CHECK(std::is_sorted(parents.begin(), parents.end()));
    }
  }
  CHECK(seen == 116);
}

TEST_CASE("every resampling keeps the number of particles, and n w copies of each on average") {
  const std::vector<double> weights{0.03, 0.31, 0.0, 0.11, 0.25, 0.07, 0.23};
  constexpr std::size_t kCopies = 9;
  constexpr int kRepeats = 20000;
  std::mt19937_64 engine(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  double spread[3];
  for (const Resampling how :
       {Resampling::kMultinomial, Resampling::kSystematic, Resampling::kSsp}) {
    CAPTURE(static_cast<int>(how));
    std::vector<double> sum(weights.size(), 0), squares(weights.size(), 0);
    for (int r = 0; r < kRepeats; ++r) {
      const auto parents = resample(how, logs(weights), kCopies, [&] { return uniform(engine); });
      REQUIRE(parents.size() == kCopies);
      Counts counts(weights.size(), 0);
      for (const std::size_t i : parents) ++counts[i];
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const auto n = static_cast<double>(counts[i]);
        if (how != Resampling::kMultinomial) REQUIRE(std::abs(n - weights[i] * kCopies) < 1);
        sum[i] += n;
        squares[i] += n * n;
      }
    }
    double& total = spread[static_cast<int>(how)] = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double mean = sum[i] / kRepeats, variance = squares[i] / kRepeats - mean * mean;
      total += variance;
      CAPTURE(i, mean, variance);
      CHECK(std::abs(mean - weights[i] * kCopies) <= 4 * std::sqrt(variance / kRepeats) + 1e-12);
    }
  }
  CHECK(spread[1] < spread[0] / 3);
  CHECK(spread[2] < spread[0] / 3);
}

TEST_CASE("weights without a number or without any weight neither crash nor choose the failed") {
  const std::vector<double> none(4, -kInfinity);
  CHECK(effective_size(none) == 0);
  CHECK(normalised(none) == std::vector<double>(4, 0.25));
  const std::vector<double> one{-kInfinity, -5000.0, -kInfinity};
  CHECK(effective_size(one) == Approx(1));
  for (const Resampling how : {Resampling::kMultinomial, Resampling::kSystematic, Resampling::kSsp})
    for (const double u : {0.0, 0.5, 0x1.fffffffffffffp-1}) {
      CHECK(resample(how, one, 5, [&] { return u; }) == std::vector<std::size_t>(5, 1));
      CHECK(resample(how, none, 4, [&] { return u; }).size() == 4);
    }
  Lineage lineage;
  CHECK(log_potential(lineage, Potential::kDiff, 10, -kInfinity, false) == -kInfinity);
}

// ---- Feynman-Kac steering on a random walk: x_k = x_(k-1) + s e, x_0 = +-1, reward r = x_K. The
// preview E[x_K | x_k] = x_k is exact. The target p(x_K) exp(lambda x_K) / Z is known: with
// v = K s^2 a mixture of N(m + lambda v, v), m = +-1, of weights exp(lambda m) / (2 cosh lambda),
// and Z = cosh(lambda) exp(lambda^2 v / 2).
struct Estimates {
  double evidence, mean, square;
};

constexpr int kSteps = 3;
constexpr double kStep = 0.55, kLambda = 0.5;

// With a twist each step's noise z becomes z' = z + twist s lambda dr/dx, dr/dx = 1, and the weight
// log p - log q = (z^2 - z'^2) / 2.
Estimates steer(Potential potential, Resampling how, double gate, std::size_t n,
                std::mt19937_64& engine, double twist = 0) {
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> x(n), log_w(n, 0);
  std::vector<Lineage> lineages(n);
  for (double& value : x) value = uniform(engine) < 0.5 ? -1 : 1;
  double log_evidence = 0;
  for (int k = 1; k <= kSteps; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      const double z = normal(engine), twisted = z + twist * kStep * kLambda;
      x[i] += kStep * twisted;
      log_w[i] += (z * z - twisted * twisted) / 2;
      log_w[i] += log_potential(lineages[i], potential, kLambda, x[i], k == kSteps);
    }
    if (k == kSteps || effective_size(log_w) >= gate * static_cast<double>(n)) continue;
    log_evidence += log_sum_exp(log_w) - std::log(static_cast<double>(n));
    const auto parents = resample(how, log_w, n, [&] { return uniform(engine); });
    std::vector<double> moved;
    std::vector<Lineage> inherited;
    for (const std::size_t p : parents) moved.push_back(x[p]), inherited.push_back(lineages[p]);
    x = moved, lineages = inherited;
    log_w.assign(n, 0);
  }
  log_evidence += log_sum_exp(log_w) - std::log(static_cast<double>(n));
  const std::vector<double> weights = normalised(log_w);
  Estimates out{std::exp(log_evidence), 0, 0};
  for (std::size_t i = 0; i < n; ++i)
    out.mean += weights[i] * x[i], out.square += weights[i] * x[i] * x[i];
  return out;
}

TEST_CASE(
    "with exact previews the particles sample the tilted mixture, and their evidence is its") {
  constexpr double kVariance = kSteps * kStep * kStep;
  const double evidence = std::cosh(kLambda) * std::exp(kLambda * kLambda * kVariance / 2);
  const double mean = std::tanh(kLambda) + kLambda * kVariance;
  const double up = 1 + kLambda * kVariance, down = -1 + kLambda * kVariance;
  const double share = std::exp(kLambda) / (2 * std::cosh(kLambda));
  const double square = kVariance + share * up * up + (1 - share) * down * down;
  constexpr int kRuns = 60;
  std::mt19937_64 engine(11);
  for (const Potential potential : {Potential::kDiff, Potential::kMax, Potential::kSum})
    for (const auto& [how, gate] : {std::pair{Resampling::kSsp, 0.5},
                                    {Resampling::kSystematic, 2.0},
                                    {Resampling::kMultinomial, 0.5}})
      for (const double twist : {0.0, 0.7}) {
        CAPTURE(static_cast<int>(potential), static_cast<int>(how), gate, twist);
        double sum[3] = {0, 0, 0}, squares[3] = {0, 0, 0};
        for (int run = 0; run < kRuns; ++run) {
          const Estimates e = steer(potential, how, gate, 1500, engine, twist);
          const double values[3] = {e.evidence, e.mean, e.square};
          for (int q = 0; q < 3; ++q) sum[q] += values[q], squares[q] += values[q] * values[q];
        }
        const double wanted[3] = {evidence, mean, square};
        for (int q = 0; q < 3; ++q) {
          const double found = sum[q] / kRuns;
          const double error = std::sqrt((squares[q] / kRuns - found * found) / (kRuns - 1));
          CAPTURE(q, found, wanted[q], error);
          CHECK(std::abs(found - wanted[q]) < 4 * error + 0.002 * std::abs(wanted[q]));
          CHECK(error < 0.06 * std::abs(wanted[q]));  // sharp enough to see a missing potential
        }
      }
}

}  // namespace
}  // namespace winnow::particles

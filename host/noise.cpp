// noise.cpp: Philox4x32-10 and a Box-Muller in binary64 made of + - x / sqrt and fixed polynomials
// only. libm is not used: it gives different last bits on different CPUs.
#include "host/noise.hpp"

#include <bit>
#include <cmath>

namespace winnow {
namespace {

// x in (0, 1): x = m 2^e, log m = 2 atanh((m-1)/(m+1)), odd terms to 21.
double log_polynomial(double x) {
  std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  int exponent = static_cast<int>(bits >> 52) - 1023;
  x = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  if (x > 1.4142135623730951) {
    x *= 0.5;
    ++exponent;
  }
  const double t = (x - 1.0) / (x + 1.0);
  const double t2 = t * t;
  double p = 0.0;
  for (int k = 21; k >= 1; k -= 2) p = p * t2 + 1.0 / k;
  return 2.0 * t * p + static_cast<double>(exponent) * 0.6931471805599453;
}

struct SinCos {
  double sin, cos;
};

// w in (0, 1), angle 2 pi w: quadrant, then Taylor to degree 15 on [-pi/4, pi/4].
SinCos sincos_turns(double w) {
  static constexpr double kCos[8] = {1,          -1. / 2,       1. / 24,        -1. / 720,
                                     1. / 40320, -1. / 3628800, 1. / 479001600, -1. / 87178291200.};
  static constexpr double kSin[8] = {
      1,           -1. / 6,        1. / 120,         -1. / 5040,
      1. / 362880, -1. / 39916800, 1. / 6227020800., -1. / 1307674368000.};
  const double q = w * 4.0;
  const int quadrant = static_cast<int>(q + 0.5);
  const double r = (q - quadrant) * 1.5707963267948966;
  const double r2 = r * r;
  double c = 0.0, s = 0.0;
  for (int i = 7; i >= 0; --i) {
    c = c * r2 + kCos[i];
    s = s * r2 + kSin[i];
  }
  s *= r;
  switch (quadrant & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

double uniform(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

std::array<std::uint32_t, 4> block_at(const NoiseAddress& at, std::uint32_t position,
                                      std::uint64_t block) {
  return philox(
      {static_cast<std::uint32_t>(block), position | at.domain << 24,
       static_cast<std::uint32_t>(at.stream), static_cast<std::uint32_t>(at.stream >> 32)},
      at.seed);
}

std::array<float, 4> normals_of(const std::array<std::uint32_t, 4>& x) {
  std::array<float, 4> z;
  for (int i = 0; i < 4; i += 2) {
    const double radius = std::sqrt(-2.0 * log_polynomial(uniform(x[i])));
    const SinCos angle = sincos_turns(uniform(x[i + 1]));
    z[i] = static_cast<float>(radius * angle.cos);
    z[i + 1] = static_cast<float>(radius * angle.sin);
  }
  return z;
}

// Calls make(block) for the blocks of four that cover [first, first + out.size()) and copies what
// lies inside.
template <typename T, typename Make>
void fill_blocks(std::uint64_t first, std::span<T> out, Make make) {
  std::size_t written = 0;
  for (std::uint64_t block = first / 4; written < out.size(); ++block) {
    const auto values = make(block);
    for (std::uint64_t lane = (first + written) % 4; lane < 4 && written < out.size(); ++lane)
      out[written++] = values[lane];
  }
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::uint64_t key) {
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * c[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

void fill_normal(const NoiseAddress& at, std::uint32_t position, std::uint64_t first,
                 std::span<float> out) {
  fill_blocks(first, out,
              [&](std::uint64_t block) { return normals_of(block_at(at, position, block)); });
}

void fill_uniform(const NoiseAddress& at, std::uint32_t position, std::uint64_t first,
                  std::span<std::uint32_t> out) {
  fill_blocks(first, out, [&](std::uint64_t block) { return block_at(at, position, block); });
}

std::uint64_t task_seed(std::uint64_t run_seed, std::uint64_t task) {
  // Domain 255 of stream `task`: no candidate's noise has this address under the run's seed.
  const auto words = block_at({.seed = run_seed, .stream = task, .domain = 255}, 0, 0);
  return std::uint64_t{words[0]} << 32 | words[1];
}

}  // namespace winnow

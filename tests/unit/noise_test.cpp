// noise_test.cpp: the normative noise against its published vectors.
#include "host/noise.hpp"

#include <bit>
#include <cmath>
#include <vector>

#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

std::vector<float> normals(const NoiseAddress& at, std::uint32_t position, std::uint64_t first,
                           std::size_t count) {
  std::vector<float> out(count);
  fill_normal(at, position, first, out);
  return out;
}

}  // namespace

TEST_CASE("philox gives the known answer for a zero counter and key", "[noise]") {
  CHECK(philox({0, 0, 0, 0}, 0) ==
        std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
}

TEST_CASE("normal noise equals the published vectors bit by bit", "[noise]") {
  using Bits = std::vector<std::uint32_t>;
  CHECK(bits_of(normals({0, 0, 0}, 0, 0, 4)) ==
        Bits{0x3f7dbb33, 0xbf6cb6b0, 0xbf1e1b9f, 0xbef6d1b2});
  CHECK(bits_of(normals({0, 0, 1}, 5, 4000, 4)) ==
        Bits{0x3e2ee8b4, 0xbffcdaac, 0xbf1f3603, 0x3e66f28c});
  CHECK(bits_of(normals({42, 7, 0}, 0, 0, 4)) ==
        Bits{0x3f8856dd, 0xbf51494d, 0xbf289034, 0x3f9101bf});
  CHECK(bits_of(normals({42, 7, 1}, 5, 4000, 4)) ==
        Bits{0x3fad33fa, 0x3fbf4911, 0x3f8b4b17, 0xbfb4ecd5});
  CHECK(bits_of(normals({0x0123456789abcdef, 0xfedcba9876543210, 0}, 0, 0, 4)) ==
        Bits{0x3f5977c1, 0xbe4c2c42, 0xbfd2c2a9, 0xbeccdada});
}

TEST_CASE("a million normals have the published hash and the moments of a normal", "[noise]") {
  std::vector<float> values(1'000'000);
  fill_normal({1, 2, 0}, 3, 0, values);
  std::uint64_t hash = 1469598103934665603ull;
  double mean = 0, variance = 0, fourth = 0;
  for (float v : values) {
    hash = (hash ^ std::bit_cast<std::uint32_t>(v)) * 1099511628211ull;
    mean += v / 1e6;
    variance += v * v / 1e6;
    fourth += std::pow(double{v}, 4) / 1e6;
  }
  CHECK(hash == 0xe70266335068670dull);
  CHECK(std::abs(mean) < 4e-3);
  CHECK(std::abs(variance - 1) < 6e-3);
  CHECK(std::abs(fourth - 3) < 4e-2);
}

TEST_CASE("noise does not depend on how its range is cut", "[noise]") {
  const NoiseAddress at{9, 8, 3};
  const std::vector<float> whole = normals(at, 2, 0, 1000);
  for (std::size_t piece : {1u, 3u, 7u, 16u, 250u}) {
    std::vector<float> joined;
    for (std::size_t first = 0; first < 1000; first += piece) {
      const auto part = normals(at, 2, first, std::min<std::size_t>(piece, 1000 - first));
      joined.insert(joined.end(), part.begin(), part.end());
    }
    CHECK(bits_of(joined) == bits_of(whole));
  }
}

TEST_CASE("uniform words are those of philox", "[noise]") {
  std::vector<std::uint32_t> words(8);
  fill_uniform({0, 0, 0}, 0, 0, words);
  CHECK(words[0] == 0x6627e8d5);
  CHECK(words[3] == 0x9b00dbd8);
  std::vector<std::uint32_t> later(3);
  fill_uniform({0, 0, 0}, 0, 5, later);
  CHECK(later[0] == words[5]);
}

TEST_CASE("tasks of a run have seeds of their own", "[noise]") {
  CHECK(task_seed(1, 0) != task_seed(1, 1));
  CHECK(task_seed(1, 0) != task_seed(2, 0));
  CHECK(task_seed(1, 0) == task_seed(1, 0));
}

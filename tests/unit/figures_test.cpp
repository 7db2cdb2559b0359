// figures_test.cpp: numbers as people read them.
#include "host/figures.hpp"

#include <cmath>
#include <limits>

#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("large numbers are grouped by three digits", "[figures]") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(31000) == "31,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-1234) == "-1,234");
  CHECK(grouped(-0.2) == "0");
  CHECK(grouped(std::numeric_limits<double>::infinity()) == "unlimited");
  CHECK(grouped(std::nan("")) == "?");
}

TEST_CASE("small scores keep their leading digits", "[figures]") {
  CHECK(score_text(0.8124) == "0.812");
  CHECK(score_text(-12.5) == "-12.500");
  CHECK(score_text(0.00417) == "0.0042");
  CHECK(score_text(1.23e-7) == "1.2e-07");
  CHECK(score_text(0) == "0.000");
  CHECK(score_text(std::nan("")) == "?");
  CHECK(gain_text(0.143) == "+0.143");
  CHECK(gain_text(-0.143) == "-0.143");
}

TEST_CASE("durations have two units at most", "[figures]") {
  CHECK(duration_text(0.42) == "0.4s");
  CHECK(duration_text(9.97) == "10s");
  CHECK(duration_text(47.4) == "47s");
  CHECK(duration_text(59.7) == "1m00s");
  CHECK(duration_text(167) == "2m47s");
  CHECK(duration_text(3599.6) == "1h00m");
  CHECK(duration_text(11100) == "3h05m");
  CHECK(duration_text(187200) == "2d04h");
  CHECK(duration_text(-1) == "?");
  CHECK(duration_text(std::numeric_limits<double>::infinity()) == "?");
}

TEST_CASE("bytes are told in powers of 1024", "[figures]") {
  CHECK(bytes_text(512) == "512 B");
  CHECK(bytes_text(1536) == "1.5 KiB");
  CHECK(bytes_text(256ull << 20) == "256.0 MiB");
  CHECK(bytes_text((1ull << 20) - 1) == "1.0 MiB");
}

TEST_CASE("tables are aligned by characters and end without spaces", "[figures]") {
  CHECK(table_text({{"a", "bb"}, {"ccc", ""}}) == "a    bb\nccc\n");
  CHECK(table_text({{"é", "x"}, {"ab", "y"}}) == "é   x\nab  y\n");
  CHECK(table_text({{"n", "1"}, {"m", "100"}}, /*right=*/true) == "n    1\nm  100\n");
}

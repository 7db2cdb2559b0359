// gallery_test.cpp: the picture of first and best candidates.
#include "host/gallery.hpp"

#include <algorithm>
#include <vector>

#include "host/error.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

Image plain(std::uint32_t width, std::uint32_t height, std::uint8_t grey) {
  return {width, height, 1, std::vector<std::uint8_t>(std::size_t{width} * height, grey)};
}

std::vector<std::pair<Image, Image>> pairs(std::size_t n, std::uint32_t side) {
  return std::vector<std::pair<Image, Image>>(n, {plain(side, side, 10), plain(side, side, 20)});
}

std::size_t count(const Image& image, std::array<std::uint8_t, 3> colour) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    n += std::equal(colour.begin(), colour.end(), image.pixels.begin() + static_cast<long>(i));
  return n;
}

}  // namespace

TEST_CASE("a 28 x 28 picture is shown three times as large, the best one in a frame", "[gallery]") {
  const Image gallery = make_gallery(pairs(1, 28));
  CHECK(gallery.channels == 3);
  CHECK(count(gallery, {10, 10, 10}) == 84 * 84);
  CHECK(count(gallery, {20, 20, 20}) == 84 * 84);
  const std::size_t green = count(gallery, {0, 158, 75});
  CHECK(green == 90 * 90 - 84 * 84);
  // The frame is in the right half.
  for (std::uint32_t y = 0; y < gallery.height; ++y)
    for (std::uint32_t x = 0; x < gallery.width / 2; ++x)
      REQUIRE(gallery.pixels[(std::size_t{y} * gallery.width + x) * 3 + 1] != 158);
}

TEST_CASE("the gallery is about 4:3 and shows the first tasks only", "[gallery]") {
  for (const std::size_t n : {6u, 10u, 48u, 500u}) {
    const Image gallery = make_gallery(pairs(n, 28), 48);
    const double ratio = static_cast<double>(gallery.width) / gallery.height;
    CHECK(ratio > 0.9);
    CHECK(ratio < 1.9);
    CHECK(count(gallery, {20, 20, 20}) == std::min<std::size_t>(n, 48) * 84 * 84);
  }
}

TEST_CASE("large pictures are averaged down", "[gallery]") {
  auto two = pairs(1, 1024);
  for (std::size_t i = 0; i < two[0].first.pixels.size(); i += 2) two[0].first.pixels[i] = 30;
  const Image gallery = make_gallery(two);
  CHECK(gallery.width < 600);
  CHECK(count(gallery, {20, 20, 20}) >= 2 * 256 * 256);  // the best, and the average of 10 and 30
}

TEST_CASE("a task without a first candidate gets a grey tile", "[gallery]") {
  auto two = pairs(2, 28);
  two[0].first = Image{};
  CHECK(count(make_gallery(two), {224, 224, 224}) == 84 * 84);
}

TEST_CASE("a gallery of nothing or of unequal sizes is a fault of the caller", "[gallery]") {
  CHECK_THROWS_AS(make_gallery({}), Error);
  CHECK_THROWS_AS(make_gallery(pairs(3, 28), 0), Error);
  auto two = pairs(2, 28);
  two[1].second = plain(27, 28, 0);
  CHECK_THROWS_AS(make_gallery(two), Error);
  two.assign(1, {});
  CHECK_THROWS_AS(make_gallery(two), Error);
}

TEST_CASE("a gallery's tile is small, and of a strip of frames the left part", "[gallery]") {
  Image strip{1200, 100, 3, {}};
  for (std::uint32_t y = 0; y < 100; ++y)
    for (std::uint32_t x = 0; x < 1200; ++x)
      strip.pixels.insert(strip.pixels.end(), 3, x < 800 ? std::uint8_t{200} : std::uint8_t{0});
  const Image tile = gallery_tile(strip);
  CHECK(tile.width == 200);
  CHECK(tile.height == 25);
  CHECK(std::ranges::all_of(tile.pixels, [](int value) { return value == 200; }));
  CHECK(gallery_tile(Image{}).width == 0);
}

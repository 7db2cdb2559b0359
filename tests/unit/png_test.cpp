// png_test.cpp: pictures from samples, PNG files and their text, grids.
#include "host/png.hpp"

#include <spng.h>

#include <cmath>
#include <limits>

#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using winnow::test::TemporaryFolder;
using winnow::test::write_bytes;

namespace {

Image ramp(std::uint32_t width, std::uint32_t height, std::uint32_t channels) {
  Image image{width, height, channels, {}};
  for (std::size_t i = 0; i < std::size_t{width} * height * channels; ++i)
    image.pixels.push_back(static_cast<std::uint8_t>(i * 7));
  return image;
}

// A file by libspng alone: the formats that winnow reads but never writes.
std::string foreign_png(int color_type, int depth, const std::vector<std::uint8_t>& pixels,
                        std::uint32_t width, std::uint32_t height) {
  spng_ctx* context = spng_ctx_new(SPNG_CTX_ENCODER);
  spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1);
  spng_ihdr header{};
  header.width = width;
  header.height = height;
  header.color_type = static_cast<std::uint8_t>(color_type);
  header.bit_depth = static_cast<std::uint8_t>(depth);
  spng_set_ihdr(context, &header);
  REQUIRE(spng_encode_image(context, pixels.data(), pixels.size(), SPNG_FMT_PNG,
                            SPNG_ENCODE_FINALIZE) == 0);
  std::size_t size = 0;
  int error = 0;
  void* bytes = spng_get_png_buffer(context, &size, &error);
  std::string png(static_cast<const char*>(bytes), size);
  std::free(bytes);
  spng_ctx_free(context);
  return png;
}

}  // namespace

TEST_CASE("a sample's values are clamped, rounded half up, and NaN becomes black", "[png]") {
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {0.0f, 1.0f, -3.0f, 7.0f, NAN, infinity, -infinity, 0.5f, 1.4f / 255};
  CHECK(image_of_sample(values, 1, 3, 3).pixels ==
        std::vector<std::uint8_t>{0, 255, 0, 255, 0, 255, 0, 128, 1});
}

TEST_CASE("channel planes become interleaved pixels", "[png]") {
  const float planes[] = {0, 1, 1, 0, 1, 1};  // [3, 1, 2]
  const Image image = image_of_sample(planes, 3, 1, 2);
  CHECK(image.width == 2);
  CHECK(image.height == 1);
  CHECK(image.pixels == std::vector<std::uint8_t>{0, 255, 255, 255, 0, 255});
}

TEST_CASE("a PNG comes back with its pixels and its text", "[png]") {
  TemporaryFolder folder;
  const std::string recipe = "{\"noise\": 7, \"prompt\": \"caf\xc3\xa9\"}" + std::string(5000, 'x');
  for (const std::uint32_t channels : {1u, 3u}) {
    const Image image = ramp(13, 5, channels);
    write_bytes(folder / "a.png", encode_png(image, recipe));
    std::string text;
    const Image back = read_png(folder / "a.png", &text);
    CHECK(back.width == 13);
    CHECK(back.height == 5);
    CHECK(back.channels == channels);
    CHECK(back.pixels == image.pixels);
    CHECK(text == recipe);
  }
}

TEST_CASE("the text is an iTXt chunk with keyword winnow, and absent when empty", "[png]") {
  TemporaryFolder folder;
  CHECK(encode_png(ramp(2, 2, 1), "hello").find(std::string("iTXtwinnow\0\0\0\0\0hello", 20)) !=
        std::string::npos);
  write_bytes(folder / "a.png", encode_png(ramp(2, 2, 1), ""));
  std::string text = "left over";
  read_png(folder / "a.png", &text);
  CHECK(text.empty());
}

TEST_CASE("the same picture gives the same bytes", "[png]") {
  CHECK(encode_png(ramp(28, 28, 1), "a") == encode_png(ramp(28, 28, 1), "a"));
  CHECK(encode_png(ramp(28, 28, 1), "a") != encode_png(ramp(28, 28, 1), "b"));
}

TEST_CASE("alpha is dropped and 16 bits become 8", "[png]") {
  TemporaryFolder folder;
  write_bytes(folder / "a", foreign_png(SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, {1, 2, 3, 9}, 1, 1));
  CHECK(read_png(folder / "a").pixels == std::vector<std::uint8_t>{1, 2, 3});
  write_bytes(folder / "a",
              foreign_png(SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 8, {50, 255, 60, 0}, 2, 1));
  CHECK(read_png(folder / "a").pixels == std::vector<std::uint8_t>{50, 60});
  write_bytes(folder / "a", foreign_png(SPNG_COLOR_TYPE_GRAYSCALE, 16, {0x80, 0x80, 0, 200}, 1, 2));
  CHECK(read_png(folder / "a").channels == 1);
  CHECK(read_png(folder / "a").pixels == std::vector<std::uint8_t>{128, 200});
}

TEST_CASE("what is no PNG, cut short or too large is refused with the file's name", "[png]") {
  TemporaryFolder folder;
  const std::string good = encode_png(ramp(40, 40, 3), "text");
  std::vector<std::string> bad = {"", "not a PNG", good.substr(0, 20),
                                  good.substr(0, good.size() / 2)};
  std::string flipped = good;
  flipped[good.size() / 2] ^= 1;
  bad.push_back(flipped);
  std::string huge = good;
  huge[16] = 0x7f;  // the width
  bad.push_back(huge);
  for (const auto& bytes : bad) {
    write_bytes(folder / "bad.png", bytes);
    CHECK_THROWS_WITH(read_png(folder / "bad.png"), Catch::Contains("bad.png"));
  }
  CHECK_THROWS_AS(read_png(folder / "missing.png"), Error);
}

TEST_CASE("a picture of more than 64 Mi pixels is refused before memory is taken", "[png]") {
  TemporaryFolder folder;
  std::string png = "\x89PNG\r\n\x1a\n" + std::string("\0\0\0\rIHDR", 8);
  png += std::string("\0\x01\0\0\0\x01\0\0\x08\x02\0\0\0", 13);  // 65536 x 65536, RGB
  png += std::string("\xe3\xe6\xa7\xb4", 4);                     // its CRC-32
  write_bytes(folder / "a.png", png + std::string("\0\0\0\0IDAT\x35\xaf\x06\x1e", 12));
  CHECK_THROWS_WITH(read_png(folder / "a.png"), Catch::Contains("65536 x 65536"));
}

TEST_CASE("an image whose bytes do not fit its size is a fault of the caller", "[png]") {
  CHECK_THROWS_AS(encode_png(Image{2, 2, 1, {1, 2, 3}}, ""), Error);
  CHECK_THROWS_AS(encode_png(Image{1, 1, 2, {1, 2}}, ""), Error);
  CHECK_THROWS_AS(encode_png(Image{}, ""), Error);
  CHECK_THROWS_AS(encode_png(ramp(1, 1, 1), std::string("a\0b", 3)), Error);
}

TEST_CASE("a grid has a white gutter between and around enlarged tiles", "[png]") {
  const Image black{1, 1, 1, {0}};
  const Image grid = make_grid({{black, black}, {black}}, 2);
  REQUIRE(grid.width == 2 + 2 + 2 + 2 + 2);
  REQUIRE(grid.height == 10);
  REQUIRE(grid.channels == 1);
  const auto at = [&](std::uint32_t x, std::uint32_t y) { return int{grid.pixels[y * 10 + x]}; };
  CHECK(at(1, 1) == 255);
  CHECK(at(2, 2) == 0);
  CHECK(at(3, 3) == 0);
  CHECK(at(4, 2) == 255);
  CHECK(at(6, 2) == 0);
  CHECK(at(2, 6) == 0);
  CHECK(at(6, 6) == 255);  // the second row is shorter
}

TEST_CASE("a grid of grey and coloured tiles is coloured; unequal sizes are refused", "[png]") {
  const Image grid = make_grid({{Image{1, 1, 1, {9}}, Image{1, 1, 3, {1, 2, 3}}}}, 1);
  CHECK(grid.channels == 3);
  const std::size_t row = std::size_t{2} * grid.width * 3;
  CHECK(grid.pixels[row + 6] == 9);
  CHECK(grid.pixels[row + 8] == 9);
  CHECK(grid.pixels[row + 15] == 1);
  CHECK(grid.pixels[row + 17] == 3);
  CHECK_THROWS_AS(make_grid({{ramp(1, 1, 1), ramp(2, 1, 1)}}, 1), Error);
  CHECK_THROWS_AS(make_grid({{}}, 1), Error);
}

TEST_CASE("a picture made a sample and written again is the same picture", "[png]") {
  Image image{16, 8, 3, {}};
  for (int i = 0; i < 16 * 8 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i));
  const std::vector<float> sample = sample_of_image(image);
  CHECK(sample.front() == 0.0f);
  CHECK(sample[1] == 3 / 255.0f);  // [C, H, W]: the first channel of the second pixel
  CHECK(image_of_sample(sample.data(), 3, 8, 16).pixels == image.pixels);
}

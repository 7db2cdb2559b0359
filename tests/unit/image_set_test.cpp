// image_set_test.cpp: sets of pictures from folders, run directories and IDX files.
#include "host/image_set.hpp"

#include "host/error.hpp"
#include "host/png.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

namespace fs = std::filesystem;

void write_png(const fs::path& file, std::uint32_t width, std::uint32_t height,
               std::uint32_t channels, std::uint8_t value) {
  fs::create_directories(file.parent_path());
  const Image image{width, height, channels,
                    std::vector<std::uint8_t>(std::size_t{width} * height * channels, value)};
  write_bytes(file, encode_png(image, ""));
}

float first_pixel(const ImageSet& set, std::uint64_t i) {
  std::vector<float> pixels(
      static_cast<std::size_t>(set.shape()[0] * set.shape()[1] * set.shape()[2]));
  set.read(i, pixels);
  return pixels[0] * 255;
}

std::string idx(std::uint32_t n, const std::string& pixels) {
  std::string bytes("\0\0\x08\x03", 4);
  for (const std::uint32_t number : {n, 2u, 3u})
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return bytes + pixels;
}

}  // namespace

TEST_CASE("a folder's PNGs are read in the order of their names, those below it too",
          "[image_set]") {
  const TemporaryFolder folder;
  write_png(folder.path() / "b.png", 3, 2, 1, 20);
  write_png(folder.path() / "a.png", 3, 2, 1, 10);
  write_png(folder.path() / "c" / "a.png", 3, 2, 1, 30);
  write_bytes(folder.path() / "readme.txt", "no picture");
  const ImageSet set(folder.path());
  REQUIRE(set.size() == 3);
  CHECK(set.shape() == std::array<std::int64_t, 3>{1, 2, 3});
  for (std::uint64_t i = 0; i < 3; ++i) CHECK(first_pixel(set, i) == Approx(10.0 * (i + 1)));
}

TEST_CASE("a colour picture is taken apart into its channels", "[image_set]") {
  const TemporaryFolder folder;
  const Image image{2, 1, 3, {10, 20, 30, 40, 50, 60}};
  write_bytes(folder.path() / "a.png", encode_png(image, ""));
  std::vector<float> pixels(6);
  ImageSet(folder.path()).read(0, pixels);
  const float expected[] = {10, 40, 20, 50, 30, 60};
  for (std::size_t i = 0; i < 6; ++i) CHECK(pixels[i] == expected[i] / 255.0f);
}

TEST_CASE("of a run directory the chosen samples are read, or the first ones", "[image_set]") {
  const TemporaryFolder folder;
  write_bytes(folder.path() / "run.toml", "");
  write_png(folder.path() / "gallery.png", 9, 9, 1, 0);
  CHECK_THROWS_WITH(ImageSet(folder.path()), Catch::Contains("winnow status"));
  write_png(folder.path() / "samples" / "t00000-best.png", 3, 2, 1, 1);
  write_png(folder.path() / "samples" / "t00001-best.png", 3, 2, 1, 2);
  write_png(folder.path() / "samples" / "t00000-first.png", 3, 2, 1, 3);
  write_png(folder.path() / "samples" / "t00000-c1.png", 3, 2, 1, 4);
  const ImageSet best(folder.path());
  REQUIRE(best.size() == 2);
  CHECK(first_pixel(best, 1) == Approx(2));
  const ImageSet first(folder.path(), {.first = true});
  REQUIRE(first.size() == 1);
  CHECK(first_pixel(first, 0) == Approx(3));
  CHECK_THROWS_WITH(ImageSet(folder.path() / "samples", {.first = true}),
                    Catch::Contains("no run directory"));
}

TEST_CASE("a count takes a seeded choice", "[image_set]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 20; ++i)
    write_png(folder.path() / (std::to_string(100 + i) + ".png"), 3, 2, 1,
              static_cast<std::uint8_t>(i));
  const ImageSet one(folder.path(), {.count = 5, .seed = 1});
  const ImageSet same(folder.path(), {.count = 5, .seed = 1});
  const ImageSet other(folder.path(), {.count = 5, .seed = 2});
  REQUIRE(one.size() == 5);
  bool differs = false;
  for (std::uint64_t i = 0; i < 5; ++i) {
    CHECK(one.name(i) == same.name(i));
    differs |= one.name(i) != other.name(i);
  }
  CHECK(differs);
  CHECK(ImageSet(folder.path(), {.count = 50}).size() == 20);
  CHECK_THROWS_AS(ImageSet(folder.path(), {.count = 0}), Error);
}

TEST_CASE("IDX images are read, and refused when they are cut or of another kind", "[image_set]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "x-images-idx3-ubyte";
  write_bytes(file, idx(2, std::string("\1\2\3\4\5\6\7\x8\x9\xa\xb\xc", 12)));
  const ImageSet set(file);
  REQUIRE(set.size() == 2);
  CHECK(set.shape() == std::array<std::int64_t, 3>{1, 2, 3});
  CHECK(first_pixel(set, 1) == Approx(7));
  CHECK(ImageSet(file, {.count = 1}).size() == 1);
  write_bytes(file, idx(3, std::string(12, 'x')));
  CHECK_THROWS_WITH(ImageSet(file), Catch::Contains("ends too early"));
  write_bytes(file, idx(0xFFFFFFFFu, std::string(12, 'x')));
  CHECK_THROWS_WITH(ImageSet(file), Catch::Contains("claims 4294967295"));
  write_bytes(file, "some text in a file");
  CHECK_THROWS_WITH(ImageSet(file), Catch::Contains("no IDX file"));
  write_bytes(file, "");
  CHECK_THROWS_WITH(ImageSet(file), Catch::Contains("ends too early"));
}

TEST_CASE("pictures of two sizes are refused with both names", "[image_set]") {
  const TemporaryFolder folder;
  write_png(folder.path() / "a.png", 3, 2, 1, 1);
  write_png(folder.path() / "b.png", 2, 3, 1, 1);
  write_png(folder.path() / "c.png", 3, 2, 3, 1);
  const ImageSet set(folder.path());
  std::vector<float> pixels(6);
  CHECK_THROWS_WITH(set.read(1, pixels), Catch::Contains("a.png") && Catch::Contains("b.png") &&
                                             Catch::Contains("3 x 2") && Catch::Contains("2 x 3"));
  CHECK_THROWS_WITH(set.read(2, pixels), Catch::Contains("grey") && Catch::Contains("colour"));
}

TEST_CASE("a folder without pictures and a path to nothing are refused", "[image_set]") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(ImageSet(folder.path()), Catch::Contains("no PNG"));
  CHECK_THROWS_WITH(ImageSet(folder.path() / "nothing"), Catch::Contains("neither"));
}

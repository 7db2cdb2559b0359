// png.cpp: PNG by libspng, and the pixel work around it.
#include "host/png.hpp"

#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "host/disk.hpp"
#include "host/error.hpp"

namespace winnow {
namespace {

constexpr char kKeyword[] = "winnow";
constexpr std::size_t kMaxChunkBytes = 16u << 20;
constexpr std::uint32_t kGutter = 2;

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

Context make_context(int flags) {
  Context context(spng_ctx_new(flags), spng_ctx_free);
  if (!context) throw Error(Exit::kResources, "no memory for a PNG");
  return context;
}

void check(const Image& image) {
  const std::uint64_t pixels = std::uint64_t{image.width} * image.height;
  if (pixels == 0 || pixels > kMaxPixels || (image.channels != 1 && image.channels != 3) ||
      image.pixels.size() != pixels * image.channels)
    throw Error(
        Exit::kInternal,
        fmt::format("an image of {} x {} with {} channels and {} bytes, expected 1 or 3 "
                    "channels, at most {} pixels and a byte for each channel of each",
                    image.width, image.height, image.channels, image.pixels.size(), kMaxPixels));
}

void encoded(int result) {
  if (result != 0)
    throw Error(Exit::kInternal, fmt::format("cannot encode a PNG: {}", spng_strerror(result)));
}

void set_text(spng_ctx* context, const std::string& text) {
  std::string copy = text, empty;  // libspng wants writable strings
  spng_text chunk{};
  std::memcpy(chunk.keyword, kKeyword, sizeof(kKeyword));
  chunk.type = SPNG_ITXT;
  chunk.length = copy.size();
  chunk.text = copy.data();
  chunk.language_tag = empty.data();
  chunk.translated_keyword = empty.data();
  encoded(spng_set_text(context, &chunk, 1));
  encoded(spng_encode_chunks(context));  // while the strings live
}

std::string winnow_text(spng_ctx* context) {
  std::uint32_t n = 0;
  if (spng_get_text(context, nullptr, &n) != 0) return "";
  std::vector<spng_text> chunks(n);
  if (spng_get_text(context, chunks.data(), &n) != 0) return "";
  for (const auto& chunk : chunks)
    if (std::strcmp(chunk.keyword, kKeyword) == 0) return std::string(chunk.text, chunk.length);
  return "";
}

Image blank(std::uint64_t width, std::uint64_t height, std::uint32_t channels) {
  if (width == 0 || height == 0 || width > kMaxPixels || height > kMaxPixels ||
      width * height > kMaxPixels)
    throw Error(Exit::kInternal, fmt::format("a picture of {} x {} pixels, expected 1 to {} pixels",
                                             width, height, kMaxPixels));
  return {static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), channels,
          std::vector<std::uint8_t>(width * height * channels, 255)};
}

}  // namespace

std::uint8_t pixel_of(float value) {
  // Written so that NaN fails both comparisons and becomes 0.
  const float clamped = value > 0.0f ? (value < 1.0f ? value : 1.0f) : 0.0f;
  return static_cast<std::uint8_t>(std::floor(clamped * 255.0 + 0.5));
}

float value_of(std::uint8_t pixel) { return static_cast<float>(pixel / 255.0); }

Image image_of_sample(const float* sample, std::uint32_t channels, std::uint32_t height,
                      std::uint32_t width) {
  Image image = blank(width, height, channels);
  check(image);
  const std::size_t plane = std::size_t{width} * height;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < plane; ++i)
      image.pixels[i * channels + c] = pixel_of(sample[c * plane + i]);
  return image;
}

std::vector<float> sample_of_image(const Image& image) {
  check(image);
  const std::size_t plane = std::size_t{image.width} * image.height;
  std::vector<float> sample(plane * image.channels);
  for (std::size_t c = 0; c < image.channels; ++c)
    for (std::size_t i = 0; i < plane; ++i)
      sample[c * plane + i] = value_of(image.pixels[i * image.channels + c]);
  return sample;
}

std::string encode_png(const Image& image, const std::string& text) {
  check(image);
  if (text.find('\0') != std::string::npos)
    throw Error(Exit::kInternal, "a PNG text with a NUL byte, expected none");
  const Context context = make_context(SPNG_CTX_ENCODER);
  encoded(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  // Said outright, so that another default of the library does not change the bytes.
  encoded(spng_set_option(context.get(), SPNG_IMG_COMPRESSION_LEVEL, 6));
  spng_ihdr header{};
  header.width = image.width;
  header.height = image.height;
  header.bit_depth = 8;
  header.color_type = image.channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  encoded(spng_set_ihdr(context.get(), &header));
  if (!text.empty()) set_text(context.get(), text);
  encoded(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(), SPNG_FMT_PNG,
                            SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      spng_get_png_buffer(context.get(), &size, &error), std::free);
  encoded(error);
  return std::string(static_cast<const char*>(bytes.get()), size);
}

Image read_png(const std::filesystem::path& file, std::string* text) {
  const std::string bytes = disk::read_all(file, 4 * kMaxPixels);
  const auto decoded = [&](int result) {
    if (result != 0)
      throw Error(Exit::kUsage, fmt::format("'{}' is no PNG that can be read: {}", file.string(),
                                            spng_strerror(result)));
  };
  const Context context = make_context(0);
  decoded(spng_set_chunk_limits(context.get(), kMaxChunkBytes, 2 * kMaxChunkBytes));
  decoded(spng_set_png_buffer(context.get(), bytes.data(), bytes.size()));
  spng_ihdr header;
  decoded(spng_get_ihdr(context.get(), &header));
  if (std::uint64_t{header.width} * header.height > kMaxPixels)
    throw Error(Exit::kUsage, fmt::format("'{}' has {} x {} pixels, at most {} are read",
                                          file.string(), header.width, header.height, kMaxPixels));
  const bool grey = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE ||
                    header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
  const bool direct = header.color_type == SPNG_COLOR_TYPE_GRAYSCALE && header.bit_depth <= 8;
  Image image = blank(header.width, header.height, direct ? 1 : 3);
  decoded(spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(),
                            direct ? SPNG_FMT_G8 : SPNG_FMT_RGB8, 0));
  decoded(spng_decode_chunks(context.get()));
  if (grey && !direct) {  // libspng gives these as RGB with three equal channels only
    for (std::size_t i = 0; i < image.pixels.size() / 3; ++i) image.pixels[i] = image.pixels[3 * i];
    image.pixels.resize(image.pixels.size() / 3);
    image.channels = 1;
  }
  if (text) *text = winnow_text(context.get());
  return image;
}

void paste(Image& canvas, const Image& tile, std::uint32_t x, std::uint32_t y,
           std::uint32_t scale) {
  check(tile);
  if (scale == 0 || std::uint64_t{tile.width} * scale + x > canvas.width ||
      std::uint64_t{tile.height} * scale + y > canvas.height || canvas.channels < tile.channels)
    throw Error(Exit::kInternal,
                fmt::format("a tile of {} x {}, {} times, at ({}, {}) does not fit into {} x {}",
                            tile.width, tile.height, scale, x, y, canvas.width, canvas.height));
  for (std::uint32_t row = 0; row < tile.height * scale; ++row)
    for (std::uint32_t column = 0; column < tile.width * scale; ++column) {
      const std::uint8_t* from =
          &tile.pixels[(std::size_t{row / scale} * tile.width + column / scale) * tile.channels];
      std::uint8_t* to =
          &canvas.pixels[(std::size_t{y + row} * canvas.width + x + column) * canvas.channels];
      for (std::uint32_t c = 0; c < canvas.channels; ++c) to[c] = from[c % tile.channels];
    }
}

Image make_grid(const std::vector<std::vector<Image>>& rows, std::uint32_t scale) {
  std::size_t columns = 0;
  std::uint32_t channels = 1;
  const Image* first = nullptr;
  for (const auto& row : rows) {
    columns = std::max(columns, row.size());
    for (const auto& tile : row) {
      if (!first) first = &tile;
      channels = std::max(channels, tile.channels);
      if (tile.width != first->width || tile.height != first->height)
        throw Error(Exit::kInternal, "tiles of a grid differ in size, expected one size");
    }
  }
  if (!first) throw Error(Exit::kInternal, "a grid without a tile, expected at least one");
  const std::uint64_t step_x = std::uint64_t{first->width} * scale + kGutter;
  const std::uint64_t step_y = std::uint64_t{first->height} * scale + kGutter;
  Image grid = blank(columns * step_x + kGutter, rows.size() * step_y + kGutter, channels);
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].size(); ++c)
      paste(grid, rows[r][c], static_cast<std::uint32_t>(kGutter + c * step_x),
            static_cast<std::uint32_t>(kGutter + r * step_y), scale);
  return grid;
}

}  // namespace winnow

// gallery.cpp: lays out pairs of pictures.
#include "host/gallery.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "host/error.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kVisible = 84;   // pixels that a small tile is enlarged to
constexpr std::uint32_t kLargest = 256;  // pixels of a tile at most
constexpr std::uint32_t kWidest = 8;     // times as wide as high
constexpr std::uint32_t kFrame = 3;      // around the best; the first has the same room, left white
constexpr std::uint32_t kGap = 10;       // between tasks and around all
constexpr std::array<std::uint8_t, 3> kGreen = {0, 158, 75};
constexpr std::uint8_t kGrey = 224;

// The average over blocks of factor x factor pixels; what does not fill a block is cropped.
Image shrink(const Image& image, std::uint32_t factor) {
  if (factor == 1) return image;
  Image small{
      std::max(1u, image.width / factor), std::max(1u, image.height / factor), image.channels, {}};
  small.pixels.reserve(std::size_t{small.width} * small.height * small.channels);
  for (std::uint32_t y = 0; y < small.height; ++y)
    for (std::uint32_t x = 0; x < small.width; ++x)
      for (std::uint32_t c = 0; c < small.channels; ++c) {
        std::uint64_t sum = 0, n = 0;
        for (std::uint32_t row = y * factor; row < std::min((y + 1) * factor, image.height); ++row)
          for (std::uint32_t column = x * factor; column < std::min((x + 1) * factor, image.width);
               ++column, ++n)
            sum += image.pixels[(std::size_t{row} * image.width + column) * image.channels + c];
        small.pixels.push_back(static_cast<std::uint8_t>((sum + n / 2) / n));
      }
  return small;
}

void fill(Image& canvas, std::uint32_t x, std::uint32_t y, std::uint32_t width,
          std::uint32_t height, const std::array<std::uint8_t, 3>& colour) {
  for (std::uint32_t row = y; row < y + height; ++row)
    for (std::uint32_t column = x; column < x + width; ++column)
      std::copy(colour.begin(), colour.end(),
                canvas.pixels.begin() +
                    static_cast<std::ptrdiff_t>((std::size_t{row} * canvas.width + column) * 3));
}

std::uint32_t shrink_of(const Image& tile) {
  return (std::max(tile.width, tile.height) + kLargest - 1) / kLargest;
}

struct Layout {
  std::uint32_t shrink = 1, scale = 1;
  std::uint32_t tile_width = 0, tile_height = 0;  // as shown
  std::uint32_t pair_width = 0, pair_height = 0;  // two framed tiles and the gap after them
  std::uint32_t columns = 1, rows = 1;

  std::uint32_t width() const { return kGap + columns * pair_width; }
  std::uint32_t height() const { return kGap + rows * pair_height; }
};

Layout lay_out(const Image& tile, std::uint32_t tasks) {
  Layout layout;
  const std::uint32_t longest = std::max(tile.width, tile.height);
  layout.shrink = shrink_of(tile);
  layout.scale = std::max(1u, (kVisible + longest / 2) / longest);
  layout.tile_width = std::max(1u, tile.width / layout.shrink) * layout.scale;
  layout.tile_height = std::max(1u, tile.height / layout.shrink) * layout.scale;
  layout.pair_width = 2 * (layout.tile_width + 2 * kFrame) + kGap;
  layout.pair_height = layout.tile_height + 2 * kFrame + kGap;
  double least = HUGE_VAL;
  for (std::uint32_t columns = 1; columns <= tasks; ++columns) {
    Layout next = layout;
    next.columns = columns;
    next.rows = (tasks + columns - 1) / columns;
    const double off = std::abs(std::log(0.75 * next.width() / next.height()));
    if (off < least) {
      least = off;
      layout.columns = next.columns;
      layout.rows = next.rows;
    }
  }
  return layout;
}

void draw(Image& canvas, const Layout& layout, const Image& image, std::uint32_t x,
          std::uint32_t y) {
  if (image.width == 0)
    fill(canvas, x, y, layout.tile_width, layout.tile_height, {kGrey, kGrey, kGrey});
  else
    paste(canvas, shrink(image, layout.shrink), x, y, layout.scale);
}

// The first picture that is there; throws when sizes differ or there is none.
const Image& sample_tile(std::span<const std::pair<Image, Image>> pairs) {
  const Image* found = nullptr;
  for (const auto& [first, best] : pairs)
    for (const Image* image : {&first, &best}) {
      if (image->width == 0) continue;
      if (!found) found = image;
      if (image->width != found->width || image->height != found->height)
        throw Error(Exit::kInternal, "pictures of a gallery differ in size, expected one size");
    }
  if (!found) throw Error(Exit::kInternal, "a gallery without a picture, expected at least one");
  return *found;
}

Image left_part(const Image& image, std::uint32_t width) {
  Image part{width, image.height, image.channels, {}};
  const std::size_t row = std::size_t{image.width} * image.channels;
  for (std::size_t y = 0; y < image.height; ++y) {
    const auto begin = image.pixels.begin() + static_cast<std::ptrdiff_t>(y * row);
    part.pixels.insert(part.pixels.end(), begin, begin + std::ptrdiff_t{width} * image.channels);
  }
  return part;
}

}  // namespace

Image gallery_tile(const Image& image) {
  if (image.width == 0) return image;
  if (image.width > std::uint64_t{kWidest} * image.height)
    return gallery_tile(left_part(image, kWidest * image.height));
  return shrink(image, shrink_of(image));
}

Image make_gallery(std::span<const std::pair<Image, Image>> first_and_best,
                   std::uint32_t max_tasks) {
  const auto pairs = first_and_best.first(std::min<std::size_t>(first_and_best.size(), max_tasks));
  const Layout layout = lay_out(sample_tile(pairs), static_cast<std::uint32_t>(pairs.size()));
  Image canvas{layout.width(), layout.height(), 3, {}};
  canvas.pixels.assign(std::size_t{canvas.width} * canvas.height * 3, 255);
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    const std::uint32_t left = kGap + i % layout.columns * layout.pair_width;
    const std::uint32_t top = kGap + i / layout.columns * layout.pair_height;
    const std::uint32_t right = left + layout.tile_width + 2 * kFrame;
    draw(canvas, layout, pairs[i].first, left + kFrame, top + kFrame);
    fill(canvas, right, top, layout.tile_width + 2 * kFrame, layout.tile_height + 2 * kFrame,
         kGreen);
    draw(canvas, layout, pairs[i].second, right + kFrame, top + kFrame);
  }
  return canvas;
}

}  // namespace winnow

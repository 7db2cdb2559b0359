// png.hpp: 8-bit PNG files with a text chunk, by libspng.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace winnow {

// channels 1 or 3, interleaved rows, top row first.
struct Image {
  std::uint32_t width = 0, height = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, channels]
};

// One value of a sample as it is written (clamped to [0, 1], rounded half up, NaN becomes 0), and
// back: pixel_of(value_of(p)) == p.
std::uint8_t pixel_of(float value);
float value_of(std::uint8_t pixel);

// From a sample [C,H,W] float32 in [0,1] (clamped; rounded half up; NaN becomes 0). C is 1 or 3.
Image image_of_sample(const float* sample, std::uint32_t channels, std::uint32_t height,
                      std::uint32_t width);

// The other way round: [C,H,W], in steps of 1/255; image_of_sample gives the same image again.
std::vector<float> sample_of_image(const Image& image);

// `text` (UTF-8 without NUL) goes into an iTXt chunk with keyword "winnow"; "": no chunk. Same
// input, same bytes. An image whose fields do not fit together: Error(Exit::kInternal), here and
// below.
std::string encode_png(const Image& image, const std::string& text);

inline constexpr std::uint64_t kMaxPixels = 64ull << 20;

// Any PNG of at most kMaxPixels as 8-bit grey or RGB (alpha is dropped, 16 bits become 8); throws
// Error(Exit::kUsage) that names the file. `text` receives the "winnow" chunk, or "".
Image read_png(const std::filesystem::path& file, std::string* text = nullptr);

// Draws `tile`, enlarged `scale` times (nearest neighbour), with its upper left corner at (x, y).
// It must fit. Grey tiles may go on an RGB canvas, not the other way round.
void paste(Image& canvas, const Image& tile, std::uint32_t x, std::uint32_t y, std::uint32_t scale);

// Rows of tiles on white with a 2-pixel gutter between and around them, each tile enlarged `scale`
// times. All tiles have one size; rows may differ in length. RGB if any tile is.
Image make_grid(const std::vector<std::vector<Image>>& rows, std::uint32_t scale);

}  // namespace winnow

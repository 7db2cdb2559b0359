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

// From a sample [C,H,W] float32 in [0,1] (clamped; rounded half up; NaN becomes 0). C is 1 or 3.
Image image_of_sample(const float* sample, std::uint32_t channels, std::uint32_t height,
                      std::uint32_t width);

// `text` goes into an iTXt chunk with keyword "winnow". Same input, same bytes.
std::string encode_png(const Image& image, const std::string& text);

// At most 64 Mi pixels; throws Error(Exit::kUsage) that names the file. `text` receives the
// "winnow" chunk, if any.
Image read_png(const std::filesystem::path& file, std::string* text = nullptr);

// Rows of tiles on white with a 2-pixel gutter, each tile enlarged `scale` times. All tiles have
// one size.
Image make_grid(const std::vector<std::vector<Image>>& rows, std::uint32_t scale);

}  // namespace winnow

// Draws pictures that show what prompts ask for, what they leave open at random: a reference for
// metrics over sets.
//
//   draw_scenes --prompts configs/prompts/drawbench-like.txt --limit 10 --each 200 --out drawn
//
// writes drawn/PROMPT-PICTURE.png, 32 x 32, RGB: by default laid out on the grid that the shipped
// samplers learned (--free: anywhere).
#include <spng.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/render.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow::scenes;
namespace fs = std::filesystem;

std::vector<std::string> read_lines(const fs::path& file, size_t limit) {
  std::ifstream in(file);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::vector<std::string> lines;
  for (std::string line; lines.size() < limit && std::getline(in, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

std::vector<uint8_t> pixels_of(const Scene& scene) {
  std::vector<float> planes(kChannels * kPixels);
  render(scene, planes);
  std::vector<uint8_t> pixels(planes.size());
  for (size_t p = 0; p < kPixels; ++p)
    for (size_t c = 0; c < kChannels; ++c)
      pixels[p * kChannels + c] = static_cast<uint8_t>(std::lround(255 * planes[c * kPixels + p]));
  return pixels;
}

void write_png(const fs::path& file, const std::vector<uint8_t>& pixels) {
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> png(spng_ctx_new(SPNG_CTX_ENCODER),
                                                                spng_ctx_free);
  spng_ihdr header{};
  header.width = header.height = kSide;
  header.bit_depth = 8;
  header.color_type = SPNG_COLOR_TYPE_TRUECOLOR;
  size_t size = 0;
  int error = spng_set_option(png.get(), SPNG_ENCODE_TO_BUFFER, 1);
  if (!error) error = spng_set_ihdr(png.get(), &header);
  if (!error)
    error = spng_encode_image(png.get(), pixels.data(), pixels.size(), SPNG_FMT_PNG,
                              SPNG_ENCODE_FINALIZE);
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      error ? nullptr : spng_get_png_buffer(png.get(), &size, &error), std::free);
  std::ofstream out(file, std::ios::binary);
  if (bytes) out.write(static_cast<const char*>(bytes.get()), static_cast<std::streamsize>(size));
  out.close();
  if (error || !out) throw std::runtime_error("cannot write " + file.string());
}

uint64_t positive(winnow::training::Options& options, const std::string& key, int64_t fallback) {
  const int64_t value = options.integer(key, fallback);
  if (value < 1) throw std::runtime_error("--" + key + " should be at least 1");
  return static_cast<uint64_t>(value);
}

int run(winnow::training::Options& options) {
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  const auto prompts = read_lines(options.text("prompts", "configs/prompts/drawbench-like.txt"),
                                  positive(options, "limit", 200));
  const auto each = positive(options, "each", 10);
  const Layout layout = options.flag("free") ? Layout::kFree : Layout::kGrid;
  const fs::path folder = options.text("out", "drawn");
  options.check_all_used();
  fs::create_directories(folder);
  if (!fs::is_empty(folder)) throw std::runtime_error(folder.string() + " is not empty");
  for (size_t p = 0; p < prompts.size(); ++p) {
    const Request request = understand(prompts[p]);
    for (uint64_t i = 0; i < each; ++i) {
      RandomStream random(seed, p * each + i);
      char name[48];
      std::snprintf(name, sizeof name, "%05zu-%05llu.png", p, static_cast<unsigned long long>(i));
      write_png(folder / name, pixels_of(draw_scene(request, random, layout)));
    }
  }
  std::printf("drew %zu prompts, %llu pictures each, into %s\n", prompts.size(),
              static_cast<unsigned long long>(each), folder.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    winnow::training::Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "draw_scenes: %s\n", e.what());
    return 1;
  }
}

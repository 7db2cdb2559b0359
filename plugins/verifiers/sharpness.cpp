// sharpness: prefers images with strong fine detail.
//   score = mean over inner pixels and channels of (4 I[y,x] - I[y-1,x] - I[y+1,x] - I[y,x-1] -
//   I[y,x+1])^2, the energy of the Laplacian; 0 for images with no inner pixel
// Source: Subbarao, Choi and Nikzad, "Focusing techniques", Optical Engineering 32(11), 1993.
//   [[verifier]]
//   plugin = "winnow.sharpness"
//   logarithm = false
// To make your own: copy this file and sharpness.toml, replace the id in both, and add one
// winnow_add_plugin() call to your CMakeLists.txt. The same in plain C: brightness.c.
#include <algorithm>
#include <cmath>

#include "winnow/winnow.hpp"

namespace {

// pixels[planes, height, width]
double score_one(std::span<const float> pixels, std::int64_t height, std::int64_t width) {
  if (height < 3 || width < 3) return 0.0;
  const std::int64_t planes = static_cast<std::int64_t>(pixels.size()) / (height * width);
  double sum = 0.0;
  for (std::int64_t plane = 0; plane < planes; ++plane) {
    for (std::int64_t y = 1; y < height - 1; ++y) {
      const float* row = pixels.data() + (plane * height + y) * width;
      for (std::int64_t x = 1; x < width - 1; ++x) {
        const double laplacian =
            4.0 * row[x] - row[x - width] - row[x + width] - row[x - 1] - row[x + 1];
        sum += laplacian * laplacian;
      }
    }
  }
  return sum / static_cast<double>(planes * (height - 2) * (width - 2));
}

class Sharpness {
 public:
  static constexpr const char* kId = "winnow.sharpness";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SHARPNESS;

  explicit Sharpness(const wn::Options& options) : logarithm_(options.boolean("logarithm")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const auto samples = batch.samples();  // [n, C, H, W] in [0, 1]
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const double energy = score_one(samples.item(i), samples.dim(2), samples.dim(3));
      scores[i] = static_cast<float>(logarithm_ ? std::log10(std::max(energy, 1e-8)) : energy);
    }
  }

 private:
  bool logarithm_;
};

}  // namespace

WN_EXPORT_PLUGINS(Sharpness)

// toy_verifiers: for tests: one that rates by a single pixel, and one that gives NaN for dark
// images.
#include <cmath>
#include <limits>

#include "winnow/winnow.hpp"

namespace {

// score = value of the first pixel; a second head says how many candidates it has seen.
class FirstPixel {
 public:
  static constexpr const char* kId = "winnow.toy.first_pixel";

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .n_heads = 2}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      scores[2 * i] = batch.samples().item(i)[0];
      scores[2 * i + 1] = batch.samples().item(i).back();
    }
  }
};

// Not a number where the first pixel is below 1/2.
class SometimesNan {
 public:
  static constexpr const char* kId = "winnow.toy.sometimes_nan";

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const float pixel = batch.samples().item(i)[0];
      scores[i] = pixel < 0.5f ? std::numeric_limits<float>::quiet_NaN() : pixel;
    }
  }
};

}  // namespace

WN_EXPORT_PLUGINS(FirstPixel, SometimesNan)

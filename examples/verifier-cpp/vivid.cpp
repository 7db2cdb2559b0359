// vivid: prefers colourful pictures, as people rate them.
//   score = sqrt(var(a) + var(b)) + w sqrt(mean(a)^2 + mean(b)^2),  a = R - G,  b = (R + G) / 2 - B
// Source: Hasler and Suesstrunk, "Measuring colourfulness in natural images", SPIE 5007, 2003:
// w = 0.3; their thresholds, for pixels in [0, 255]: 33 moderately, 59 quite, 109 extremely.
//   [[verifier]]
//   plugin = "org.example.vivid"
//   mean_weight = 0.3
#include <algorithm>
#include <cmath>

#include "winnow/winnow.hpp"

namespace {

// pixels[3, size]: the planes red, green and blue
double score_one(std::span<const float> pixels, double mean_weight) {
  const std::size_t size = pixels.size() / 3;
  const float *red = pixels.data(), *green = red + size, *blue = green + size;
  const auto n = static_cast<double>(size);
  double sum_a = 0, sum_b = 0, squares = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double a = red[i] - green[i], b = 0.5 * (red[i] + green[i]) - blue[i];
    sum_a += a;
    sum_b += b;
    squares += a * a + b * b;
  }
  const double of_means = (sum_a * sum_a + sum_b * sum_b) / (n * n);
  return std::sqrt(std::max(0.0, squares / n - of_means)) + mean_weight * std::sqrt(of_means);
}

class VividVerifier {
 public:
  static constexpr const char* kId = "org.example.vivid";
  static constexpr const char* kOptions = WINNOW_OPTIONS_ORG_EXAMPLE_VIVID;

  explicit VividVerifier(const wn::Options& options) : mean_weight_(options.f64("mean_weight")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const auto samples = batch.samples();  // [n, C, H, W] in [0, 1]
    if (samples.dim(1) != 3)
      throw wn::Error(WN_E_INVALID_ARGUMENT, "found pictures of " + std::to_string(samples.dim(1)) +
                                                 " channels, expected 3: red, green and blue");
    for (std::size_t i = 0; i < batch.size(); ++i)
      scores[i] = static_cast<float>(score_one(samples.item(i), mean_weight_));
  }

 private:
  double mean_weight_;
};

}  // namespace

WN_EXPORT_PLUGINS(VividVerifier)

// toy_verifiers: for tests: one that rates by a single pixel, one that gives NaN for dark images,
// a smooth one with a gradient, one that looks at previews, one that rates sets, one with features,
// and one whose claims are not true.
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
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_SOMETIMES_NAN;

  SometimesNan(const wn::Host&, const wn::Options& options) : time_(options.f64("time")) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preview_time = time_}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const float pixel = batch.samples().item(i)[0];
      scores[i] = pixel < 0.5f ? std::numeric_limits<float>::quiet_NaN() : pixel;
    }
  }

 private:
  double time_;
};

// score = -mean over pixels of (pixel - value)^2.
class Target {
 public:
  static constexpr const char* kId = "winnow.toy.target";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_TARGET;

  Target(const wn::Host&, const wn::Options& options)
      : value_(options.f64("value")), time_(options.f64("time")) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preview_time = time_}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      double sum = 0;
      for (const float pixel : batch.sample(i)) sum += (pixel - value_) * (pixel - value_);
      scores[i] = static_cast<float>(-sum / static_cast<double>(batch.sample(i).size()));
    }
  }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const wn::Tensor<float> out(d_samples);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto pixels = batch.sample(i);
      const double scale = -2.0 / static_cast<double>(pixels.size());
      for (std::size_t e = 0; e < pixels.size(); ++e)
        out.item(i)[e] = static_cast<float>(scale * (pixels[e] - value_));
    }
  }

 private:
  double value_, time_;
};

// score = first pixel of the preview near the wanted time; head 1: of the sample.
class PreviewPixel {
 public:
  static constexpr const char* kId = "winnow.toy.preview_pixel";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_PREVIEW_PIXEL;

  PreviewPixel(const wn::Host&, const wn::Options& options) : time_(options.f64("time")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_DETERMINISTIC, .n_heads = 2, .preview_time = time_};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      scores[2 * i] = batch.previews().item(i)[0];
      scores[2 * i + 1] = batch.sample(i)[0];
    }
  }

 private:
  double time_;
};

// score = the first pixel; takes pictures of one width alone, if it is told to.
class Choosy {
 public:
  static constexpr const char* kId = "winnow.toy.choosy";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_CHOOSY;

  Choosy(const wn::Host&, const wn::Options& options) : width_(options.i64("width")) {}

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const std::int64_t width = batch.samples_raw().shape[3];
    if (width_ > 0 && width != width_)
      throw wn::Error(WN_E_INVALID_ARGUMENT, "found a width of " + std::to_string(width) +
                                                 ", expected " + std::to_string(width_));
    for (std::size_t i = 0; i < batch.size(); ++i) scores[i] = batch.sample(i)[0];
  }

 private:
  std::int64_t width_;
};

// Set-level: score = -|mean of the first pixels of the accepted samples and this one - 1/2|.
class Balance {
 public:
  static constexpr const char* kId = "winnow.toy.balance";

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      scores[i] = static_cast<float>(
          -std::fabs((sum_ + batch.sample(i)[0]) / static_cast<double>(count_ + 1) - 0.5));
  }
  void reset() { sum_ = 0, count_ = 0; }
  void accept(const wn::VerifierBatch& batch) { sum_ += batch.sample(0)[0], ++count_; }

 private:
  double sum_ = 0;
  std::size_t count_ = 0;
};

// Features: mean, first and last pixel; two classes, of which the first has the mean as its
// probability. Black pictures fail.
class Features {
 public:
  static constexpr const char* kId = "winnow.toy.features";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TOY_FEATURES;

  Features(const wn::Host&, const wn::Options& options) : network_(options.str("network")) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 3}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) scores[i] = mean(batch.sample(i));
  }

  wn::FeaturesInfo features_info() const {
    return {.n_features = 3, .n_classes = 2, .network = network_};
  }

  void features(const wn::VerifierBatch& batch, std::span<float> features,
                std::span<float> log_probabilities) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto pixels = batch.sample(i);
      const float p = mean(pixels);
      if (p == 0) batch.fail(i, WN_E_INVALID_ARGUMENT, "the picture is black");
      const float row[] = {p, pixels[0], pixels.back()};
      std::copy(std::begin(row), std::end(row), features.begin() + static_cast<long>(3 * i));
      log_probabilities[2 * i] = std::log(std::max(p, 1e-6f));
      log_probabilities[2 * i + 1] = std::log(std::max(1 - p, 1e-6f));
    }
  }

 private:
  static float mean(std::span<const float> pixels) {
    double sum = 0;
    for (const float pixel : pixels) sum += pixel;
    return static_cast<float>(sum / static_cast<double>(pixels.size()));
  }

  std::string network_;
};

// score = what was asked for: the class, else the length of the prompt, else the first value of the
// picture; plus a tenth of the first pixel.
class Asked {
 public:
  static constexpr const char* kId = "winnow.toy.asked";

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const wn_condition& asked = batch.condition(i);
      scores[i] = batch.sample(i)[0] / 10;
      if (asked.n_tensors > 0)
        scores[i] += *static_cast<const float*>(asked.tensors[0].tensor->data);
      else if (batch.class_id(i) >= 0)
        scores[i] += static_cast<float>(batch.class_id(i));
      else
        scores[i] += static_cast<float>(batch.prompt(i).size());
    }
  }
};

// Claims to be deterministic and batch invariant, but counts its calls into the score.
class Drift {
 public:
  static constexpr const char* kId = "winnow.odd.drift";

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    ++calls_;
    for (std::size_t i = 0; i < batch.size(); ++i)
      scores[i] = batch.sample(i)[0] + static_cast<float>(calls_);
  }

 private:
  int calls_ = 0;
};

// Claims to be batch invariant, but likes the first item of a batch less. Small scores, as those of
// many verifiers are.
class Place {
 public:
  static constexpr const char* kId = "winnow.odd.place";

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i)
      scores[i] = 1e-3f * batch.sample(i)[0] + (i > 0 ? 5e-3f : 0.0f);
  }
};

}  // namespace

WN_EXPORT_PLUGINS(FirstPixel, SometimesNan, Target, PreviewPixel, Balance, Features, Asked, Drift,
                  Place, Choosy)

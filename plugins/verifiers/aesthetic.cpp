// winnow.aesthetic: how well a sample looks, whatever its prompt asks for.
//
//   score = w f(sample) + b        on a scale of 1 to 10
//
// f are the features of an image encoder that was trained for something else, w and b were fitted
// to ratings of pictures: the way of LAION's aesthetic predictor, the "Aesthetic" verifier of Ma
// et al., 2025 (arXiv:2501.09732, section 4). It never sees the prompt. It has gradients with
// respect to the sample, and is a feature network: the features are f.
//
//   [[verifier]]
//   plugin = "winnow.aesthetic"
//   weights = "examples/models/scenes-aesthetic.safetensors"
#include <ATen/core/grad_mode.h>

#include "class_verifier.hpp"
#include "verifiers/weights_hash.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

namespace classifier = winnow::classifier;

constexpr const char* kArchitecture = "aesthetic";

class Aesthetic {
 public:
  static constexpr const char* kId = "winnow.aesthetic";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_AESTHETIC;

  explicit Aesthetic(const wn::Options& options) {
    const std::string path = options.path("weights").string();
    net_ = classifier::load_for_plugin(path, kArchitecture);
    if (net_.classes() != 1) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, path + ": the head gives " +
                                                 std::to_string(net_.classes()) +
                                                 " numbers, expected 1: the rating");
    }
    hash_ = winnow::weights_hash(path);
  }

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const at::NoGradGuard no_grad;
    const at::Tensor ratings = classifier::classify(net_, images(batch)).logits.contiguous();
    std::copy_n(ratings.const_data_ptr<float>(), batch.size(), scores.begin());
  }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const at::AutoGradMode with_gradient(true);
    const at::Tensor samples = images(batch).clone().requires_grad_(true);
    const at::Tensor ratings = classifier::classify(net_, samples).logits;
    classifier::write_gradient(samples, ratings, at::ones_like(ratings), d_samples);
  }

  wn::FeaturesInfo features_info() const {
    return {.n_features = static_cast<uint32_t>(net_.feature.bias.size(0)),
            .n_classes = 0,
            .network = hash_};
  }

  void features(const wn::VerifierBatch& batch, std::span<float> features,
                std::span<float> log_probabilities) {
    const at::NoGradGuard no_grad;
    classifier::write_features(classifier::classify(net_, images(batch)), features,
                               log_probabilities);
  }

 private:
  at::Tensor images(const wn::VerifierBatch& batch) const {
    return classifier::images_of(batch.samples_raw(), net_);
  }

  classifier::Network net_;
  std::string hash_;
};

}  // namespace

WN_EXPORT_PLUGINS(Aesthetic)

// winnow.self_similarity: how much of the sample was there already when it was still half noise.
//
//   score = cos(f(preview near preview_time), f(sample))
//
// f are features that were trained without labels. The self-supervised verifier of Ma et al., 2025
// (arXiv:2501.09732, section 3): it needs neither label nor prompt, and goes along with the score
// of a linear head on the same features. The host gives the preview of the candidate's own path.
//
//   [[verifier]]
//   plugin = "winnow.self_similarity"
//   weights = "examples/models/fashion-encoder.safetensors"
//   preview_time = 0.4
#include <c10/core/InferenceMode.h>

#include "class_verifier.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

namespace classifier = winnow::classifier;

class SelfSimilarity {
 public:
  static constexpr const char* kId = "winnow.self_similarity";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SELF_SIMILARITY;

  explicit SelfSimilarity(const wn::Options& options)
      : net_(classifier::load_for_plugin(options.path("weights").string(), "encoder")),
        preview_time_(options.f64("preview_time")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256, .preview_time = preview_time_};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    if (!batch.has_previews()) {
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      "found no previews, expected the one near time " +
                          std::to_string(preview_time_) +
                          " of each sample: the host or the sampler does not give them");
    }
    const c10::InferenceMode guard;
    const at::Tensor cosine = at::cosine_similarity(features(batch.previews_raw()),
                                                    features(batch.samples_raw()), 1, 1e-8);
    at::from_blob(scores.data(), cosine.sizes(), at::kFloat).copy_(cosine);
  }

 private:
  at::Tensor features(const wn_tensor& images) const {
    return classifier::features(net_, classifier::images_of(images, net_));
  }

  classifier::Network net_;
  double preview_time_;
};

}  // namespace

WN_EXPORT_PLUGINS(SelfSimilarity)

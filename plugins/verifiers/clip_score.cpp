// winnow.clip_score: how well a sample fits its prompt, by an image-text dual encoder.
//
//   score = cos(image, prompt)
//
// between the embeddings of the sample and of the prompt (CLIP, Radford et al., 2021). CLIPScore
// (Hessel et al., 2021, arXiv:2104.08718, eq. 1) is 2.5 max(cos, 0): the same ranks, save that it
// no longer tells bad samples apart. It has gradients with respect to the sample, and is a feature
// network: the features are the image's embedding, of length 1.
//
//   [[verifier]]
//   plugin = "winnow.clip_score"
//   weights = "examples/models/scenes-clip.safetensors"
#include <ATen/core/grad_mode.h>

#include "class_verifier.hpp"
#include "verifiers/dual_encoder_network.hpp"
#include "verifiers/prompt_cache.hpp"
#include "verifiers/weights_hash.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

namespace classifier = winnow::classifier;
namespace dual = winnow::dual;

class ClipScore {
 public:
  static constexpr const char* kId = "winnow.clip_score";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_CLIP_SCORE;

  explicit ClipScore(const wn::Options& options) {
    const std::string path = options.path("weights").string();
    net_ = winnow::or_refuse([&] { return dual::load_network(path); });
    hash_ = winnow::weights_hash(path);
  }

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const at::NoGradGuard no_grad;
    const at::Tensor cosines = at::sum(embed(images(batch)) * texts(batch), 1).contiguous();
    std::copy_n(cosines.const_data_ptr<float>(), batch.size(), scores.begin());
  }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const at::Tensor wanted = texts(batch);
    const at::AutoGradMode with_gradient(true);
    const at::Tensor samples = images(batch).clone().requires_grad_(true);
    classifier::write_gradient(samples, embed(samples), wanted, d_samples);
  }

  wn::FeaturesInfo features_info() const {
    return {.n_features = static_cast<uint32_t>(net_.image.classes()),
            .n_classes = 0,
            .network = hash_};
  }

  void features(const wn::VerifierBatch& batch, std::span<float> features,
                std::span<float> log_probabilities) {
    const at::NoGradGuard no_grad;
    classifier::write_features({embed(images(batch)), {}}, features, log_probabilities);
  }

 private:
  at::Tensor images(const wn::VerifierBatch& batch) const {
    return classifier::images_of(batch.samples_raw(), net_.image);
  }

  at::Tensor embed(const at::Tensor& images) const { return dual::embed_images(net_, images); }

  // The embeddings of the prompts [n, joint width]; zero where an item has failed.
  at::Tensor texts(const wn::VerifierBatch& batch) {
    const at::NoGradGuard no_grad;
    const auto n = static_cast<int64_t>(batch.size());
    at::Tensor out = at::zeros({n, net_.image.classes()}, at::kFloat);
    for (int64_t i = 0; i < n; ++i) {
      const at::Tensor* text = prompts_.of(
          batch, static_cast<size_t>(i),
          [&](const std::string& prompt) { return dual::embed_texts(net_, {prompt})[0]; });
      if (text) out[i].copy_(*text);
    }
    return out;
  }

  dual::Network net_;
  std::string hash_;
  winnow::PromptCache<at::Tensor> prompts_;  // their embeddings
};

}  // namespace

WN_EXPORT_PLUGINS(ClipScore)

// winnow.image_reward: how much a person would like a sample for its prompt.
//
//   score = r(image, prompt)        P(person prefers image A to B) = 1 / (1 + exp(r(B) - r(A)))
//
// r was fitted to choices between pictures for one prompt (Bradley and Terry, 1952), as
// ImageReward was (Xu et al., 2023, arXiv:2304.05977). Its zero means nothing; its differences for
// one prompt do. It has gradients with respect to the sample.
//
//   [[verifier]]
//   plugin = "winnow.image_reward"
//   weights = "examples/models/scenes-image-reward.safetensors"
#include <ATen/core/grad_mode.h>

#include "class_verifier.hpp"
#include "verifiers/prompt_cache.hpp"
#include "verifiers/reward_network.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

namespace classifier = winnow::classifier;
namespace text_tower = winnow::text_tower;
namespace reward = winnow::reward;

class ImageReward {
 public:
  static constexpr const char* kId = "winnow.image_reward";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_IMAGE_REWARD;

  explicit ImageReward(const wn::Options& options)
      : net_(winnow::or_refuse(
            [&] { return reward::load_network(options.path("weights").string()); })) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 128}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const at::NoGradGuard no_grad;
    const at::Tensor found = reward::rewards(net_, images(batch), words(batch)).contiguous();
    std::copy_n(found.const_data_ptr<float>(), batch.size(), scores.begin());
  }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const text_tower::Words texts = words(batch);
    const at::AutoGradMode with_gradient(true);
    const at::Tensor samples = images(batch).clone().requires_grad_(true);
    const at::Tensor found = reward::rewards(net_, samples, texts);
    classifier::write_gradient(samples, found, at::ones_like(found), d_samples);
  }

 private:
  at::Tensor images(const wn::VerifierBatch& batch) const {
    return classifier::images_of(batch.samples_raw(), net_.image);
  }

  // The prompts; that of one word where an item has failed.
  text_tower::Words words(const wn::VerifierBatch& batch) {
    const at::NoGradGuard no_grad;
    std::vector<std::vector<int64_t>> texts;
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto* places = prompts_.of(batch, i, [&](const std::string& prompt) {
        return text_tower::places_of(net_.text, prompt);
      });
      texts.push_back(places ? *places : std::vector<int64_t>{0});
    }
    return text_tower::embed(net_.text, texts);
  }

  reward::Network net_;
  winnow::PromptCache<std::vector<int64_t>> prompts_;  // as places in the vocabulary
};

}  // namespace

WN_EXPORT_PLUGINS(ImageReward)

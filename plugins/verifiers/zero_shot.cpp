// winnow.zero_shot: how well a sample fits the words of its task, by an image-text dual encoder.
//
//   a task with a class:         score = log softmax over classes of s cos(image, class), of its
//   own a task with a prompt alone:  score = s cos(image, prompt)
//
// cos is taken between embeddings, s is the scale that the dual encoder learned, and a class stands
// at the mean of the embeddings of its prompts (CLIP, Radford et al., 2021, section 3.1). The
// supervised verifier of Ma et al., 2025 (arXiv:2501.09732, section 3) that needs no classifier.
// It has gradients with respect to the sample, and is a feature network: the features are the
// image's embedding, of length 1.
//
//   [[verifier]]
//   plugin = "winnow.zero_shot"
//   weights = "examples/models/fashion-dual-encoder.safetensors"
//   prompts = ["an image of the {}", "the {} in this picture"]   # default: those in the file
#include <ATen/core/grad_mode.h>

#include "class_verifier.hpp"
#include "verifiers/dual_encoder_network.hpp"
#include "verifiers/prompt_cache.hpp"
#include "verifiers/weights_hash.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

namespace classifier = winnow::classifier;
namespace dual = winnow::dual;

using winnow::or_refuse;

class ZeroShot {
 public:
  static constexpr const char* kId = "winnow.zero_shot";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_ZERO_SHOT;

  explicit ZeroShot(const wn::Options& options) {
    const at::NoGradGuard no_grad;
    const std::string path = options.path("weights").string();
    net_ = or_refuse([&] { return dual::load_network(path); });
    if (const auto given = options.str_list("prompts"); !given.empty()) net_.prompts = given;
    if (const auto given = options.str_list("class_names"); !given.empty())
      net_.class_words = given;
    classes_ = or_refuse([&] { return dual::embed_classes(net_, net_.prompts, net_.class_words); });
    scale_ = net_.scale().item<double>();
    hash_ = winnow::weights_hash(path);
  }

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const at::NoGradGuard no_grad;
    const at::Tensor images = embed(batch);
    const at::Tensor logits = class_logits(images);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (batch.class_id(i) < 0) {
        const at::Tensor text = prompt_embedding(batch, i);
        if (text.defined()) scores[i] = (scale_ * at::dot(images[row], text)).item<float>();
        continue;
      }
      const int64_t wanted = classifier::wanted_class(batch, i, n_classes());
      if (wanted < 0) continue;
      scores[i] = static_cast<float>(
          classifier::class_score(logits[row].const_data_ptr<float>(), n_classes(), wanted)
              .log_probability);
    }
  }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const at::AutoGradMode with_gradient(true);
    const at::Tensor samples = images(batch).clone().requires_grad_(true);
    const at::Tensor embedded = dual::embed_images(net_, samples);
    const at::Tensor logits = class_logits(embedded.detach());
    // d score / d embedding
    const at::Tensor seed = at::zeros(embedded.sizes(), at::kFloat);
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      if (batch.class_id(i) < 0) {
        const at::Tensor text = prompt_embedding(batch, i);
        if (text.defined()) seed[row].copy_(scale_ * text);
        continue;
      }
      const int64_t wanted = classifier::wanted_class(batch, i, n_classes());
      if (wanted < 0) continue;
      const at::Tensor d_logits = at::empty({n_classes()}, at::kFloat);
      classifier::class_gradient(logits[row].const_data_ptr<float>(), n_classes(), wanted,
                                 d_logits.data_ptr<float>());
      seed[row].copy_(scale_ * at::mv(classes_.t(), d_logits));
    }
    classifier::write_gradient(samples, embedded, seed, d_samples);
  }

  wn::FeaturesInfo features_info() const {
    return {.n_features = static_cast<uint32_t>(classes_.size(1)),
            .n_classes = static_cast<uint32_t>(classes_.size(0)),
            .network = hash_};
  }

  void features(const wn::VerifierBatch& batch, std::span<float> features,
                std::span<float> log_probabilities) {
    const at::NoGradGuard no_grad;
    const at::Tensor images = embed(batch);
    classifier::write_features({images, class_logits(images)}, features, log_probabilities);
  }

 private:
  int64_t n_classes() const { return classes_.size(0); }

  at::Tensor images(const wn::VerifierBatch& batch) const {
    return classifier::images_of(batch.samples_raw(), net_.image);
  }

  at::Tensor embed(const wn::VerifierBatch& batch) const {
    return dual::embed_images(net_, images(batch));
  }

  // [n, classes]
  at::Tensor class_logits(const at::Tensor& embedded) const {
    return (scale_ * at::matmul(embedded, classes_.t())).contiguous();
  }

  // Undefined, and the item has failed, when there is no prompt that the encoder reads.
  at::Tensor prompt_embedding(const wn::VerifierBatch& batch, size_t i) {
    const at::NoGradGuard no_grad;
    const at::Tensor* found = prompts_.of(
        batch, i, [&](const std::string& prompt) { return dual::embed_texts(net_, {prompt})[0]; },
        "the task has neither a class nor a prompt");
    return found ? *found : at::Tensor();
  }

  dual::Network net_;
  at::Tensor classes_;  // [classes, joint width]
  double scale_ = 1;
  std::string hash_;
  winnow::PromptCache<at::Tensor> prompts_;  // their embeddings
};

}  // namespace

WN_EXPORT_PLUGINS(ZeroShot)

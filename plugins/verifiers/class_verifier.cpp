#include "class_verifier.hpp"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>

#include <cmath>
#include <stdexcept>

#include "verifiers/weights_hash.hpp"
#include "winnow/winnow_torch.hpp"

namespace winnow::classifier {

ClassScore class_score(const float* logits, int64_t classes, int64_t wanted) {
  ClassScore score{0, true};
  double others = 0;
  for (int64_t c = 0; c < classes; ++c) {
    if (c == wanted) continue;
    others += std::exp(static_cast<double>(logits[c]) - static_cast<double>(logits[wanted]));
    score.is_first &= logits[c] <= logits[wanted];
  }
  score.log_probability = -std::log1p(others);
  return score;
}

void class_gradient(const float* logits, int64_t classes, int64_t wanted, float* out) {
  const double own = class_score(logits, classes, wanted).log_probability;
  double others = 0;
  for (int64_t c = 0; c < classes; ++c) {
    if (c == wanted) continue;
    const double p =
        std::exp(static_cast<double>(logits[c]) - static_cast<double>(logits[wanted]) + own);
    out[c] = static_cast<float>(-p);
    others += p;
  }
  out[wanted] = static_cast<float>(others);
}

at::Tensor images_of(const wn_tensor& tensor, const Network& net) {
  const at::Tensor images = wn::torch_view(tensor).to(at::kCPU, at::kFloat);
  const auto refuse = [&](const std::string& expected) {
    throw wn::Error(WN_E_INVALID_ARGUMENT,
                    "found images " + wn::describe(tensor) + ", the network expects " + expected);
  };
  const std::string shape = "[n, " + std::to_string(net.channels()) + ", height, width]";
  if (images.dim() != 4 || images.size(1) != net.channels()) refuse(shape);
  if (!takes(net, images.size(2), images.size(3)))
    refuse(shape + " of the size that it was trained on");
  return images;
}

int64_t wanted_class(const wn::VerifierBatch& batch, size_t i, int64_t classes) {
  const int64_t wanted = batch.class_id(i);
  if (wanted >= 0 && wanted < classes) return wanted;
  batch.fail(i, WN_E_INVALID_ARGUMENT,
             "the task's class is " + std::to_string(wanted) + ", the network knows 0 to " +
                 std::to_string(classes - 1));
  return -1;
}

void write_features(const Output& output, std::span<float> features,
                    std::span<float> log_probabilities) {
  const auto copy = [](const at::Tensor& from, std::span<float> to) {
    at::from_blob(to.data(), from.sizes(), at::kFloat).copy_(from);
  };
  copy(output.features, features);
  if (log_probabilities.empty()) return;
  copy(at::log_softmax(output.logits.to(at::kDouble), 1), log_probabilities);
}

void write_gradient(const at::Tensor& samples, const at::Tensor& out, const at::Tensor& seed,
                    const wn_tensor& d_samples) {
  out.backward(seed, false, false, at::TensorList(samples));
  wn::torch_view(d_samples).copy_(samples.grad());
}

Network load_for_plugin(const std::string& path, const std::string& architecture) {
  try {
    return load_network(path, architecture);
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

std::vector<ClassScore> class_scores(const Network& net, const wn::VerifierBatch& batch) {
  const c10::InferenceMode guard;
  const at::Tensor logits = classify(net, images_of(batch.samples_raw(), net)).logits.contiguous();
  std::vector<ClassScore> out(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t wanted = wanted_class(batch, i, net.classes());
    if (wanted < 0) continue;
    const float* row = logits.const_data_ptr<float>() + static_cast<int64_t>(i) * net.classes();
    out[i] = class_score(row, net.classes(), wanted);
  }
  return out;
}

ClassVerifier::ClassVerifier(const std::string& path, const std::string& architecture,
                             bool log_scale)
    : net_(load_for_plugin(path, architecture)), hash_(weights_hash(path)), log_scale_(log_scale) {}

void ClassVerifier::score(const wn::VerifierBatch& batch, std::span<float> scores) {
  const auto found = class_scores(net_, batch);
  for (size_t i = 0; i < found.size(); ++i) {
    const double log_p = found[i].log_probability;
    scores[i] = static_cast<float>(log_scale_ ? log_p : std::exp(log_p));
  }
}

void ClassVerifier::grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
  const at::AutoGradMode with_gradient(true);
  const at::Tensor samples = images_of(batch.samples_raw(), net_).clone().requires_grad_(true);
  const at::Tensor logits = classify(net_, samples).logits.contiguous();
  at::Tensor seed = at::zeros(logits.sizes(), at::kFloat);
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t wanted = wanted_class(batch, i, net_.classes());
    if (wanted < 0) continue;
    const int64_t at = static_cast<int64_t>(i) * net_.classes();
    const float* row = logits.const_data_ptr<float>() + at;
    class_gradient(row, net_.classes(), wanted, seed.data_ptr<float>() + at);
    if (log_scale_) continue;
    // d p = p d log p
    seed[static_cast<int64_t>(i)] *=
        std::exp(class_score(row, net_.classes(), wanted).log_probability);
  }
  write_gradient(samples, logits, seed, d_samples);
}

wn::FeaturesInfo ClassVerifier::features_info() const {
  return {.n_features = static_cast<uint32_t>(net_.feature.bias.size(0)),
          .n_classes = static_cast<uint32_t>(net_.classes()),
          .network = hash_};
}

void ClassVerifier::features(const wn::VerifierBatch& batch, std::span<float> features,
                             std::span<float> log_probabilities) {
  const c10::InferenceMode guard;
  write_features(classify(net_, images_of(batch.samples_raw(), net_)), features, log_probabilities);
}

}  // namespace winnow::classifier

// How well a network recognises the class that a task asks for: what winnow.class_probability,
// winnow.judge and winnow.linear_probe share.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verifiers/classifier_network.hpp"
#include "winnow/winnow.hpp"

namespace winnow::classifier {

struct ClassScore {
  double log_probability = 0;  // of the wanted class, <= 0
  bool is_first = false;       // no other class is more probable
};

// log softmax(logits)[wanted] as -log(1 + sum exp(logit - wanted logit)), in double: float32 would
// round every confident answer to 0, and the search could no longer tell them apart.
ClassScore class_score(const float* logits, int64_t classes, int64_t wanted);

// d log softmax(logits)[wanted] / d logits into out[classes]. The entry of the wanted class is the
// sum of the others' probabilities, not 1 - p: that would round to 0 for confident answers.
void class_gradient(const float* logits, int64_t classes, int64_t wanted, float* out);

// Pictures as float32 [n, channels, height, width] on the CPU; throws wn::Error for those that the
// network does not take.
at::Tensor images_of(const wn_tensor& tensor, const Network& net);

// The class that item i asks for; -1, and the item has failed, when there is none in [0, classes).
int64_t wanted_class(const wn::VerifierBatch& batch, size_t i, int64_t classes);

// Features and natural log-probabilities as the table wn.verifier.features/1 wants them.
void write_features(const Output& output, std::span<float> features,
                    std::span<float> log_probabilities);

// d_samples = (d out / d samples)^T seed, in place, for samples that require a gradient.
void write_gradient(const at::Tensor& samples, const at::Tensor& out, const at::Tensor& seed,
                    const wn_tensor& d_samples);

// The network in a file of this architecture ("classifier", "encoder"). Throws wn::Error.
Network load_for_plugin(const std::string& path, const std::string& architecture);

// One per item; items without a class that the network knows fail and get the default.
std::vector<ClassScore> class_scores(const Network& net, const wn::VerifierBatch& batch);

// A verifier whose score is log p(class | sample), or p, by the network in a file. Plugins derive
// from it and add their name.
class ClassVerifier {
 public:
  ClassVerifier(const std::string& path, const std::string& architecture, bool log_scale);
  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }
  void score(const wn::VerifierBatch& batch, std::span<float> scores);
  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples);
  // `network` is the SHA-256 of the weights file.
  wn::FeaturesInfo features_info() const;
  void features(const wn::VerifierBatch& batch, std::span<float> features,
                std::span<float> log_probabilities);

 private:
  Network net_;
  std::string hash_;
  bool log_scale_;
};

}  // namespace winnow::classifier

// How well a classifier recognises the wanted class: the maths that winnow.class_probability and
// winnow.judge share.
#pragma once

#include <c10/core/InferenceMode.h>

#include <cmath>
#include <string>
#include <vector>

#include "verifiers/classifier_network.hpp"
#include "winnow/winnow.hpp"
#include "winnow/winnow_torch.hpp"

namespace winnow::classifier {

struct ClassScore {
  double log_probability = 0;  // of the wanted class, <= 0
  bool is_first = false;       // no other class is more probable
};

// log softmax(logits)[wanted] as -log(1 + sum exp(logit - wanted logit)), in double: float32 would
// round every confident answer to 0, and the search could no longer tell them apart.
inline ClassScore class_score(const float* logits, int64_t classes, int64_t wanted) {
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

// One per item; items without a class that the network knows fail and get the default.
inline std::vector<ClassScore> class_scores(const Network& net, const wn::VerifierBatch& batch) {
  const c10::InferenceMode guard;
  const int64_t channels = net.convs[0].conv.weight.size(1);
  const at::Tensor samples = wn::torch_view(batch.samples_raw()).cpu();
  if (samples.dim() != 4 || samples.size(1) != channels) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, "found samples " + wn::describe(batch.samples_raw()) +
                                               ", the classifier expects [n, " +
                                               std::to_string(channels) + ", height, width]");
  }
  const at::Tensor logits = classify(net, samples).logits.contiguous();
  std::vector<ClassScore> out(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    const int64_t wanted = batch.class_id(i);
    if (wanted < 0 || wanted >= net.classes()) {
      batch.fail(i, WN_E_INVALID_ARGUMENT,
                 "the task's class is " + std::to_string(wanted) + ", the classifier knows 0 to " +
                     std::to_string(net.classes() - 1));
      continue;
    }
    const float* row = logits.const_data_ptr<float>() + static_cast<int64_t>(i) * net.classes();
    out[i] = class_score(row, net.classes(), wanted);
  }
  return out;
}

inline Network load_for_plugin(const std::string& path) {
  try {
    return load_network(path);
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

}  // namespace winnow::classifier

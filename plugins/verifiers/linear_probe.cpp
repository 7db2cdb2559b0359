// winnow.linear_probe: how probable a linear head on self-supervised features finds the task's
// class.
//
//   score = log p(class | sample)   or   p(class | sample),   p = softmax(W f(sample) + b)
//
// f was trained without labels; only W and b saw them. The verifier that Ma et al., 2025
// (arXiv:2501.09732, section 3) build from DINOv2 and its linear classifier: its features tell more
// of a picture than its class, so it is hacked in other ways than a classifier. It has gradients
// with respect to the sample, and is a feature network: the features are f.
//
//   [[verifier]]
//   plugin = "winnow.linear_probe"
//   weights = "examples/models/fashion-encoder.safetensors"
//   scale = "log"
#include "class_verifier.hpp"

namespace {

class LinearProbe : public winnow::classifier::ClassVerifier {
 public:
  static constexpr const char* kId = "winnow.linear_probe";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_LINEAR_PROBE;

  explicit LinearProbe(const wn::Options& options)
      : ClassVerifier(options.path("weights").string(), "encoder", options.str("scale") == "log") {}
};

}  // namespace

WN_EXPORT_PLUGINS(LinearProbe)

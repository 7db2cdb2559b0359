// winnow.class_probability: how probable a classifier finds the class that the task asks for.
//
//   score = log p(class | sample)   or   p(class | sample)
//
// The "Inception Score" oracle of Ma et al., 2025 (arXiv:2501.09732, section 3): choosing the
// sample whose class probability is highest raises exactly what the Inception Score rewards. Both
// scales rank alike; "log" still tells samples apart where the probability rounds to 1,
// "probability" weighs into a sum without its long tail. It has gradients with respect to the
// sample, and is a feature network: the features are the classifier's penultimate layer.
//
//   [[verifier]]
//   plugin = "winnow.class_probability"
//   weights = "examples/models/fashion-classifier.safetensors"
//   scale = "log"
#include "class_verifier.hpp"

namespace {

class ClassProbability : public winnow::classifier::ClassVerifier {
 public:
  static constexpr const char* kId = "winnow.class_probability";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_CLASS_PROBABILITY;

  explicit ClassProbability(const wn::Options& options)
      : ClassVerifier(options.path("weights").string(), "classifier",
                      options.str("scale") == "log") {}
};

}  // namespace

WN_EXPORT_PLUGINS(ClassProbability)

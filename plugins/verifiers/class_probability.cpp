// winnow.class_probability: how probable a classifier finds the class that the task asks for.
//
//   score = log p(class | sample)   or   p(class | sample)
//
// The "Inception Score" oracle of Ma et al., 2025 (arXiv:2501.09732, section 3): choosing the
// sample whose class probability is highest raises exactly what the Inception Score rewards. Both
// scales rank alike; "log" still tells samples apart where the probability rounds to 1,
// "probability" weighs into a sum without its long tail.
//
//   [[verifier]]
//   plugin = "winnow.class_probability"
//   weights = "examples/models/fashion-classifier.safetensors"
//   scale = "log"
#include "class_scores.hpp"

namespace {

class ClassProbability {
 public:
  static constexpr const char* kId = "winnow.class_probability";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_CLASS_PROBABILITY;

  explicit ClassProbability(const wn::Options& options)
      : net_(winnow::classifier::load_for_plugin(options.path("weights").string())),
        log_scale_(options.str("scale") == "log") {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const auto found = winnow::classifier::class_scores(net_, batch);
    for (size_t i = 0; i < found.size(); ++i) {
      const double log_p = found[i].log_probability;
      scores[i] = static_cast<float>(log_scale_ ? log_p : std::exp(log_p));
    }
  }

 private:
  winnow::classifier::Network net_;
  bool log_scale_;
};

}  // namespace

WN_EXPORT_PLUGINS(ClassProbability)

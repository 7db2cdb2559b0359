// winnow.judge: the held-out classifier, for reports only.
//
//   head 0 = 1 if the judge finds the task's class most probable, else 0; its mean is the accuracy
//   head 1 = p(class | sample)
//
// A search climbs the score it is given until it exploits the verifier's mistakes ("verifier
// hacking", Ma et al., 2025, arXiv:2501.09732, section 4). The judge has another architecture and
// another seed than the classifier that searches select on, so it shares few of those mistakes, and
// the host refuses to let a search select on it.
//
//   [[verifier]]
//   plugin = "winnow.judge"
//   role = "report"
//   weights = "examples/models/fashion-judge.safetensors"
#include <cmath>

#include "class_verifier.hpp"

namespace {

class Judge {
 public:
  static constexpr const char* kId = "winnow.judge";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_JUDGE;

  explicit Judge(const wn::Options& options)
      : net_(winnow::classifier::load_for_plugin(options.path("weights").string(), "classifier")) {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_DETERMINISTIC, .n_heads = 2, .preferred_batch = 256};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const auto found = winnow::classifier::class_scores(net_, batch);
    for (size_t i = 0; i < found.size(); ++i) {
      scores[2 * i] = found[i].is_first ? 1.0f : 0.0f;
      scores[2 * i + 1] = static_cast<float>(std::exp(found[i].log_probability));
    }
  }

 private:
  winnow::classifier::Network net_;
};

}  // namespace

WN_EXPORT_PLUGINS(Judge)

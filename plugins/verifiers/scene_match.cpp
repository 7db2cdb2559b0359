// winnow.scene_match: how much of its prompt a picture of the world of scenes shows, read by
// classical vision and exact on clean pictures (scenes/read_picture.hpp, scenes/match.hpp).
//
//   head 0    score = "facts": the part of the prompt's facts that hold, in [0, 1]
//             score = "exact": 1 when all of them hold, else 0
//   head 1    1 when all of them hold, else 0
//
// The facts are those that T2I-CompBench asks detectors and VQA models for (Huang et al., 2023,
// arXiv:2307.06350): objects, their number, colours, shapes, textures and relations. As an oracle
// it stands in for a verifier that knows the truth; as a metric it is the benchmark's.
//
//   [[verifier]]
//   plugin = "winnow.scene_match"
//   role = "report"          # the benchmark; without this line the oracle
//
// Pictures are [3, 32, 32]; prompts are those of the grammar in scenes/language.hpp. Others fail.
#include <stdexcept>
#include <string>

#include "scenes/language.hpp"
#include "scenes/match.hpp"
#include "scenes/read_picture.hpp"
#include "winnow/winnow.hpp"

namespace {

namespace scenes = winnow::scenes;

constexpr std::uint32_t kHeads = 2;

class SceneMatch {
 public:
  static constexpr const char* kId = "winnow.scene_match";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SCENE_MATCH;

  explicit SceneMatch(const wn::Options& options) : exact_(options.str("score") == "exact") {}

  wn::VerifierInfo info() const {
    return {.flags = WN_F_REENTRANT | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC, .n_heads = kHeads};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const auto samples = batch.samples();  // [n, C, H, W] in [0, 1]
    check_shape(samples.dim(1), samples.dim(2), samples.dim(3));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::string prompt(batch.prompt(i));
      if (prompt.empty()) {
        batch.fail(i, WN_E_INVALID_ARGUMENT, "the task has no prompt");
        continue;
      }
      try {
        const scenes::Request request = scenes::understand(prompt);
        const scenes::Match match = scenes::match(request, scenes::read_picture(samples.item(i)));
        const float exact = match.exact() ? 1.0f : 0.0f;
        scores[kHeads * i] = exact_ ? exact : static_cast<float>(match.score());
        scores[kHeads * i + 1] = exact;
      } catch (const std::runtime_error& error) {
        batch.fail(i, WN_E_INVALID_ARGUMENT, error.what());
      }
    }
  }

 private:
  static void check_shape(std::int64_t channels, std::int64_t height, std::int64_t width) {
    if (channels == scenes::kChannels && height == scenes::kSide && width == scenes::kSide) return;
    throw wn::Error(WN_E_INVALID_ARGUMENT,
                    "samples are [" + std::to_string(channels) + ", " + std::to_string(height) +
                        ", " + std::to_string(width) + "], expected pictures [3, 32, 32]");
  }

  bool exact_;
};

}  // namespace

WN_EXPORT_PLUGINS(SceneMatch)

// random: draws independent noises, runs each to a sample, keeps the best (best of N).
//   answer = argmax over i = 1..N of score(sample(noise_i)), noise_i ~ N(0, I)
// Source: Ma et al., "Inference-time scaling for diffusion models beyond scaling denoising steps",
// arXiv 2501.09732, "Random Search" (section 3); it scales with N.
//
// [search]
// plugin = "winnow.random"
// candidates = 16   # 0: until the budget ends
#include <algorithm>

#include "winnow/winnow.hpp"

namespace {

class Random : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.random";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_RANDOM;

  Random(const wn::Host&, const wn::Options& options)
      : candidates_(options.i64("candidates")), round_(options.i64("round")) {
    rank_all_at_end();  // so that ranks, too, do not depend on how the candidates fell into rounds
  }

  wn::Task run() override {
    for (std::int64_t n; (n = next()) > 0; drawn_ += n)
      co_await evaluate(start(fresh(static_cast<std::size_t>(n))));
  }

 private:
  std::int64_t next() const {
    return candidates_ == 0 ? round_ : std::min(round_, candidates_ - drawn_);
  }

  std::int64_t candidates_, round_, drawn_ = 0;
};

}  // namespace

WN_EXPORT_PLUGINS(Random)

// beam: B beams, K children of each, the best B of all go on.
//   score of a child   that of its preview; with a look-ahead that of the sample to which the
//                      deterministic solver takes it in n steps
// The first round is B K noises. Samples of a look-ahead are samples: the best of them can be the
// answer. They cost their steps, and a preview's credit towards the next step is gone.
// Source: beam search as in TreeG (Guo et al., 2025, arXiv:2502.11420); the look-ahead is that of
// DLBS (Oshima et al., 2025, arXiv:2501.19252).
//
// [search]
// plugin = "winnow.beam"
// beams = 0             # as many as the budget allows
// children = 2
// block = 1             # steps between two choices
// look_ahead = 0        # steps; 0: previews
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Beam : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.beam";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_BEAM;

  Beam(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        beams_(static_cast<std::size_t>(options.i64("beams"))),
        children_(static_cast<std::size_t>(options.i64("children"))),
        block_(static_cast<std::size_t>(options.i64("block"))),
        look_ahead_(static_cast<std::uint32_t>(options.i64("look_ahead"))) {}

  void prepare() override {
    need_noise();
    if (beams_ == 0) need_budget("beams");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = every(block_);
    const std::vector<double> price = prices(stops, look_ahead_);
    const auto width = [&](std::size_t j, std::size_t kids) {
      return j == 0 ? kids : distinct(stops[j - 1], kids);
    };
    const auto total = [&](std::size_t beams, std::size_t kids) {
      double sum = 0;
      for (std::size_t j = 0; j < stops.size(); ++j)
        sum += static_cast<double>(beams * width(j, kids)) * price[j];
      return sum;
    };
    for (;;) {
      std::size_t kids = children_, n;
      do {  // the rest of a budget may do for fewer children
        n = largest([&](std::size_t b) { return total(b, kids); }, left());
      } while (n == 0 && --kids > 0);
      if (beams_ > 0) n = std::min(n, beams_);
      if (n == 0) co_return;
      Candidates at, made;
      for (std::size_t j = 0; j < stops.size(); ++j) {
        const wn::Until to = until(stops[j], look_ahead_ == 0 || stops[j] == steps());
        if (j == 0) made = start(fresh(n * kids), to);
        for (const wn::Candidate& parent : at)
          for (std::size_t i = 0; i < width(j, kids); ++i) made.push_back(branch(parent, i, to));
        Candidates looks;
        for (const wn::Candidate& child : made)
          looks.push_back(to.scored ? child : look(child, look_ahead_));
        const Scores scores = co_await evaluate(looks);
        for (std::size_t i = 0; i < made.size(); ++i)
          if (looks[i].failed()) made[i] = looks[i];  // fails with its look
        at = best_of(made, scores, n);
        made.clear();
        if (at.empty()) break;
      }
    }
  }

 private:
  std::size_t beams_, children_, block_;
  std::uint32_t look_ahead_;
};

}  // namespace

WN_EXPORT_PLUGINS(Beam)

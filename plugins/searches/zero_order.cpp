// zero_order: a local search around a pivot noise, without gradients.
//   y_i = |x| (c u + sqrt(1 - c^2) w_i),  u = x / |x|,  w_i random unit, orthogonal to u
//   x  <- the y_i whose sample scores best, if it scores better than the pivot's
// so every neighbour lies at the cosine c from the pivot x and keeps its norm. The pivot is not
// generated again.
// Source: Ma et al., arXiv 2501.09732, "Zero-Order Search" (ZO-N: N neighbours).
//
// [search]
// plugin = "winnow.zero_order"
// neighbours = 4
// cosine = 0.95
// no_improvement = "keep"   # "redraw": begin again from a fresh noise; the best sample is kept
#include <algorithm>

#include "winnow/winnow.hpp"

namespace {

class ZeroOrder : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.zero_order";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_ZERO_ORDER;

  ZeroOrder(const wn::Host&, const wn::Options& options)
      : neighbours_(static_cast<std::size_t>(options.i64("neighbours"))),
        cosine_(options.f64("cosine")),
        iterations_(options.i64("iterations")),
        redraw_(options.str("no_improvement") == "redraw") {}

  wn::Task run() override {
    wn::Noise noise = fresh();
    wn::Candidate pivot = start(noise);
    co_await evaluate(pivot);
    for (std::int64_t k = 0; iterations_ == 0 || k < iterations_; ++k) {
      Noises noises;
      for (std::size_t i = 0; i < neighbours_; ++i) noises.push_back(rotate(noise, cosine_));
      Candidates round = start(noises);
      round.push_back(pivot);  // costs nothing: its score, or its rank among these neighbours

      const Scores scores = co_await evaluate(round);
      const auto best = std::max_element(scores.begin(), scores.end() - 1);
      if (*best > scores.back()) {
        const auto i = static_cast<std::size_t>(best - scores.begin());
        noise = noises[i];
        pivot = round[i];
      } else if (redraw_) {
        noise = fresh();
        pivot = start(noise);
        co_await evaluate(pivot);
      }
    }
  }

 private:
  std::size_t neighbours_;
  double cosine_;
  std::int64_t iterations_;
  bool redraw_;
};

}  // namespace

WN_EXPORT_PLUGINS(ZeroOrder)

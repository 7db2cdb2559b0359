// dsearch: many beams with few children at first, few beams with many children at last.
//   beams     n_i = max(B, floor(n_0 (B / n_0)^(i / (T - 1)))),  n_0 = oversample B
//             (linear: B + floor((n_0 - B) (1 - i / (T - 1))))
//   children  of each at step i: round(M n_0 / n_i), so that a step costs about the same
//   chosen    the best child of each beam, then the best n_(i+1) of those
// Source: DSearch, Li et al., 2025, arXiv:2503.02039.
//
// [search]
// plugin = "winnow.dsearch"
// beams = 0             # as many as the budget allows
// oversample = 4
// children = 2
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Dsearch : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.dsearch";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_DSEARCH;

  Dsearch(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        beams_(static_cast<std::size_t>(options.i64("beams"))),
        oversample_(static_cast<std::size_t>(options.i64("oversample"))),
        children_(static_cast<std::size_t>(options.i64("children"))),
        linear_(options.str("shrink") == "linear") {}

  void prepare() override {
    need_noise();
    if (beams_ == 0) need_budget("beams");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = every(1);
    const std::vector<double> price = prices(stops);
    for (;;) {
      Shape shape{0, oversample_, children_};
      const auto total = [&](std::size_t beams) {
        const Shape s{beams, shape.oversample, shape.children};
        double sum = 0;
        for (std::size_t k = 0; k < steps(); ++k)
          sum += static_cast<double>(beams_at(s, k) * width(s, k)) * price[k];
        return sum;
      };
      for (;;) {  // the rest of a budget may do for less
        shape.beams = largest(total, left());
        if (shape.beams > 0 || shape.oversample * shape.children == 1) break;
        (shape.oversample > 1 ? shape.oversample : shape.children) -= 1;
      }
      if (beams_ > 0) shape.beams = std::min(shape.beams, beams_);
      if (shape.beams == 0) co_return;
      Candidates at, made = start(fresh(beams_at(shape, 0) * width(shape, 0)), until(stops[0]));
      for (std::size_t k = 0;;) {
        const Scores scores = co_await evaluate(made);
        if (++k == steps()) break;
        Candidates winners;
        Scores of_winners;
        for (std::size_t i = 0; i < made.size(); i += width(shape, k - 1)) {
          const std::size_t best = pick(scores, i, width(shape, k - 1), 0);
          winners.push_back(made[best]);
          of_winners.push_back(scores[best]);
        }
        at = best_of(winners, of_winners, beams_at(shape, k));
        if (at.empty()) break;
        made.clear();
        for (const wn::Candidate& parent : at)
          for (std::size_t i = 0; i < width(shape, k); ++i)
            made.push_back(branch(parent, i, until(stops[k])));
      }
    }
  }

 private:
  struct Shape {
    std::size_t beams, oversample, children;
  };

  std::size_t beams_at(const Shape& s, std::size_t step) const {
    const auto last = static_cast<double>(s.beams);
    const double first = last * static_cast<double>(s.oversample);
    const double way =
        steps() > 1 ? static_cast<double>(step) / static_cast<double>(steps() - 1) : 0;
    const double n = linear_ ? last + std::floor((first - last) * (1 - way) + 1e-9)
                             : std::floor(first * std::pow(last / first, way) + 1e-9);
    return static_cast<std::size_t>(std::max(last, n));
  }
  std::size_t width(const Shape& s, std::size_t step) const {
    const double growth =
        static_cast<double>(beams_at(s, 0)) / static_cast<double>(beams_at(s, step));
    const auto n = static_cast<std::size_t>(
        std::max(1.0, std::round(static_cast<double>(s.children) * growth)));
    return step == 0 ? n : distinct(step, n);
  }

  std::size_t beams_, oversample_, children_;
  bool linear_;
};

}  // namespace

WN_EXPORT_PLUGINS(Dsearch)

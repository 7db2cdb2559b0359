// dfs: depth-first search. One path, judged at a few places; where its preview is too bad it is
// noised forward again and that stretch walked once more.
//   if r(preview at t) < d:  x <- renoise(x, t + back), run to t again
//   d   a score that the user gives (then the search ends with the first sample that reaches it:
//       easy tasks cost less), or a quantile of the previews that this task has seen at t
// After `tries` times in a row, or when the budget would not reach for finishing, the best latent
// seen there goes on. A finished path is followed by another from a fresh noise.
// Source: Zhang et al., "Inference-time scaling of diffusion models through classical search",
// 2025, arXiv:2505.23614; advancing by a threshold also in arXiv:2512.08985.
//
// [search]
// plugin = "winnow.dfs"
// at = [0.5, 0.7, 0.9]   # shares of the steps
// back = 0.25            # time
// rule = "quantile"      # or "threshold", with threshold = -0.1
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Dfs : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.dfs";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_DFS;

  Dfs(const wn::Host&, const wn::Options& options)
      : at_(options.f64_list("at")),
        back_(options.f64("back")),
        quantile_(options.f64("quantile")),
        threshold_(options.f64("threshold")),
        absolute_(options.str("rule") == "threshold"),
        tries_(options.i64("tries")) {
    for (std::size_t j = 0; j < at_.size(); ++j)
      if (!(at_[j] > (j ? at_[j - 1] : 0) && at_[j] < 1))
        refuse("at: found " + std::to_string(at_[j]) + " at place " + std::to_string(j + 1) +
               ", expected rising shares of the steps between 0 and 1");
  }

  void prepare() override { need_magnitudes("a threshold for previews"); }

  wn::Task run() override {
    const std::vector<std::size_t> stops = stops_at(at_);
    seen_.resize(stops.size());
    for (;;) {
      wn::Candidate x = start(fresh(), until(stops[0]));
      if (cost(to_the_end(x, stops, 0)) > left() + 1e-9) co_return;
      co_await evaluate(x);
      std::int64_t tries = 0;
      wn::Candidate best = x;  // of this place
      for (std::size_t j = 0; !best.failed();) {
        if (j + 1 == stops.size()) {
          if (absolute_ && x.score() >= threshold_) co_return;
          break;
        }
        const bool bad = x.failed() || too_bad(j, x.score());
        const wn::Candidate again = renoise(x.failed() ? best : x, fresh(),
                                            std::min(1.0, best.time() + back_), until(stops[j]));
        if (bad && tries < tries_ && cost(to_the_end(again, stops, j)) <= left() + 1e-9) {
          x = again;
          ++tries;
        } else {
          x = continue_(best, until(stops[++j]));
          tries = 0;
          best = {};
        }
        co_await evaluate(x);
        if (!best || x.score() > best.score()) best = x;
      }
    }
  }

 private:
  Candidates to_the_end(const wn::Candidate& from, const std::vector<std::size_t>& stops,
                        std::size_t j) {
    Candidates way{from};
    while (++j < stops.size()) way.push_back(continue_(way.back(), until(stops[j])));
    return way;
  }
  // Judged against those before it; the first has none to be worse than.
  bool too_bad(std::size_t place, double score) {
    if (absolute_) return score < threshold_;
    std::vector<double>& seen = seen_[place];
    const auto below =
        std::count_if(seen.begin(), seen.end(), [&](double s) { return s <= score; });
    const bool bad = static_cast<double>(below) < quantile_ * static_cast<double>(seen.size());
    seen.push_back(score);
    return bad;
  }

  std::vector<double> at_;
  double back_, quantile_, threshold_;
  bool absolute_;
  std::int64_t tries_;
  std::vector<std::vector<double>> seen_;
};

}  // namespace

WN_EXPORT_PLUGINS(Dfs)

// pruned: best of N in which the worst candidates are given up on the way.
//   n_0 = N;  at stop j the previews are scored and the best n_(j+1) = max(1, round(keep_j n_j)) go
//   on;  answer = argmax over those that are left of score(sample)
// so a budget of B buys N = B / (d_1 + k_1 d_2 + k_1 k_2 d_3 ...) candidates, d_j the price of a
// stretch with its preview, instead of B / (d_1 + d_2 + ...). Works with every sampler.
// Source: early pruning of best-of-N as in TTSnap (Yu et al., 2025). An early preview tells little:
// the default keeps half at 30 % and half of those at 60 % of the steps. Places that fall on one
// step keep the product of their shares there.
//
// [search]
// plugin = "winnow.pruned"
// at = [0.3, 0.6]     # shares of the steps
// keep = [0.5, 0.5]
// candidates = 0      # as many as the budget allows
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Pruned : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.pruned";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_PRUNED;

  Pruned(const wn::Host&, const wn::Options& options)
      : candidates_(static_cast<std::size_t>(options.i64("candidates"))),
        at_(options.f64_list("at")),
        keep_(options.f64_list("keep")) {
    if (at_.size() != keep_.size())
      refuse("at has " + std::to_string(at_.size()) + " places and keep " +
             std::to_string(keep_.size()) + ", expected as many of both");
    for (std::size_t j = 0; j < at_.size(); ++j) {
      if (!(at_[j] > (j ? at_[j - 1] : 0) && at_[j] < 1))
        refuse("at: found " + std::to_string(at_[j]) + " at place " + std::to_string(j + 1) +
               ", expected rising shares of the steps between 0 and 1");
      if (!(keep_[j] > 0 && keep_[j] <= 1))
        refuse("keep: found " + std::to_string(keep_[j]) + " at place " + std::to_string(j + 1) +
               ", which keeps " + (keep_[j] > 1 ? "more than there are" : "nothing"));
    }
    double left = static_cast<double>(candidates_);
    for (const double share : keep_)
      if (candidates_ > 0 && (left = std::round(share * left)) < 1)
        refuse("of " + std::to_string(candidates_) + " candidates the schedule keeps nothing");
  }

  void prepare() override {
    if (candidates_ == 0) need_budget("candidates");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = stops_at(at_);
    const std::vector<double> price = prices(stops);
    share_.assign(stops.size(), 1);
    for (std::size_t j = 0; j < at_.size(); ++j)
      share_[static_cast<std::size_t>(std::find(stops.begin(), stops.end(), stop_at(at_[j])) -
                                      stops.begin())] *= keep_[j];
    const auto total = [&](std::size_t n) {
      double sum = 0;
      for (std::size_t j = 0; j < stops.size(); n = kept(n, j++))
        sum += static_cast<double>(n) * price[j];
      return sum;
    };
    do {
      std::size_t n = largest(total, left());
      if (candidates_ > 0) n = std::min(n, candidates_);
      if (n == 0) co_return;
      Candidates alive = start(fresh(n), until(stops[0]));
      for (std::size_t j = 0;;) {
        const Scores scores = co_await evaluate(alive);
        n = kept(n, j);
        if (++j == stops.size()) break;
        alive = continue_(best_of(alive, scores, n), until(stops[j]));
        if (alive.empty()) break;
      }
    } while (candidates_ == 0);  // what is left may do for a few more
  }

 private:
  std::size_t kept(std::size_t n, std::size_t j) const {
    return static_cast<std::size_t>(std::max(1.0, std::round(share_[j] * static_cast<double>(n))));
  }

  std::size_t candidates_;
  std::vector<double> at_, keep_, share_;  // share_: what is kept at each stop
};

}  // namespace

WN_EXPORT_PLUGINS(Pruned)

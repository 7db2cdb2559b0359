// halving: many candidates are begun, the better half goes on, again and again; one is finished.
//   rung r of R = 1 + floor(log2(width)):  run all that are left to times[ceil(r n / R)],
//   score their previews (at the last rung their samples), keep the better half
// and again from fresh noises until the budget ends.
// Source: Karnin, Koren and Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013,
// algorithm 3, with steps of the sampler in place of pulls of an arm.
//   [search]
//   plugin = "org.example.halving"
//   width = 8
#include <algorithm>
#include <bit>

#include "winnow/winnow.hpp"

namespace {

class HalvingSearch : public wn::Search {
 public:
  static constexpr const char* kId = "org.example.halving";
  static constexpr const char* kOptions = WINNOW_OPTIONS_ORG_EXAMPLE_HALVING;

  explicit HalvingSearch(const wn::Options& options)
      : width_(static_cast<std::size_t>(options.i64("width"))),
        rungs_(static_cast<std::size_t>(std::bit_width(width_))) {}

  wn::Task run() override {
    for (;;) {  // ends with the budget
      Candidates left = start(fresh(width_), {.time = end_of(1)});
      for (std::size_t rung = 1;; ++rung) {
        const Scores scores = co_await evaluate(left);
        if (rung == rungs_) break;
        left = continue_(better_half(left, scores), {.time = end_of(rung + 1)});
      }
    }
  }

 private:
  double end_of(std::size_t rung) const {
    const std::size_t steps = times().size() - 1;
    return times()[(rung * steps + rungs_ - 1) / rungs_];
  }

  static Candidates better_half(const Candidates& all, const Scores& scores) {
    std::vector<std::size_t> order(all.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, [&](auto a, auto b) { return scores[a] > scores[b]; });
    Candidates half;
    for (std::size_t i = 0; i < all.size() / 2; ++i) half.push_back(all[order[i]]);
    return half;
  }

  std::size_t width_, rungs_;
};

}  // namespace

WN_EXPORT_PLUGINS(HalvingSearch)

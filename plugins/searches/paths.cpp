// paths: a search over sampling paths, which goes back and forth between noise levels.
//   1. N noises are run to the time sigma.
//   2. Each is noised forward to sigma + delta_f with M fresh noises (the marginal is kept),
//   3. and run to sigma + delta_f - delta_b, where delta_b > delta_f.
//   4. The previews are scored and the best N go on, from the time they reached, at 2;
//      in the last round that time is 0, and the best sample is the answer.
// Source: Ma et al., arXiv 2501.09732, "Search over Paths" (Paths-N; M is the scaling axis).
//
// [search]
// plugin = "winnow.paths"
// paths = 2       # fewer where the budget cannot pay for so many
// branches = 5    # 0: as many as the budget allows
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "winnow/winnow.hpp"

namespace {

constexpr double kMaxRounds = 10000, kMost = 65536;

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw wn::Error(WN_E_INVALID_ARGUMENT, text.str());
}

class Paths : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.paths";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_PATHS;

  Paths(const wn::Host&, const wn::Options& options)
      : paths_(static_cast<std::size_t>(options.i64("paths"))),
        branches_(static_cast<std::size_t>(options.i64("branches"))),
        start_steps_(static_cast<std::uint32_t>(options.i64("start_steps"))),
        leg_steps_(static_cast<std::uint32_t>(options.i64("leg_steps"))),
        sigma_(options.f64("sigma")),
        delta_f_(options.f64("delta_f")),
        delta_b_(options.f64("delta_b")) {
    if (delta_b_ <= delta_f_)
      refuse("delta_b is ", delta_b_, " and delta_f is ", delta_f_,
             ": delta_b must be greater, or the paths never reach the data");
    if (sigma_ + delta_f_ > 1)
      refuse("sigma is ", sigma_, " and delta_f is ", delta_f_,
             ": together they must be at most 1, the time of pure noise");
    if (sigma_ > kMaxRounds * (delta_b_ - delta_f_))
      refuse("delta_b exceeds delta_f by ", delta_b_ - delta_f_, ", so sigma = ", sigma_,
             " takes more than ", kMaxRounds, " rounds");
  }

  void prepare() override {
    if (branches_ == 0 && !std::isfinite(problem().budget_nfe))
      refuse("branches = 0 means as many as the budget allows: give budget.nfe");
  }

  wn::Task run() override {
    const std::size_t branches = branches_ > 0 ? branches_ : affordable_branches();
    Candidates survivors = start(fresh(paths_), first_leg());
    for (double time = sigma_; time > 0; time = next_time(time)) {
      const Candidates children = branch(survivors, time, branches);
      const Scores scores = co_await evaluate(children);
      survivors = best_of(children, scores, paths_);
    }
  }

 private:
  wn::Until first_leg() const { return {.time = sigma_, .scored = false, .steps = start_steps_}; }

  // Falls by the same amount each round; what is left of less than a thousandth of it is no round.
  double next_time(double time) const {
    const double next = time - (delta_b_ - delta_f_);
    return next > 1e-3 * (delta_b_ - delta_f_) ? next : 0;
  }

  Candidates branch(const Candidates& parents, double time, std::size_t branches) {
    Candidates out;
    for (const wn::Candidate& parent : parents)
      for (std::size_t i = 0; i < branches; ++i)
        out.push_back(renoise(parent, fresh(), time + delta_f_,
                              {.time = next_time(time), .steps = leg_steps_}));
    return out;
  }

  // The most that fit the budget; where not even one does, one of fewer paths.
  std::size_t affordable_branches() {
    const wn::Noise any = values({});  // never pushed
    Candidates path{start(any, first_leg())};
    const double down = cost(path);
    for (double time = sigma_; time > 0; time = next_time(time))
      path.push_back(renoise(path.back(), any, time + delta_f_,
                             {.time = next_time(time), .steps = leg_steps_}));
    const double rounds = cost(path) - down;
    const double most = std::floor(left() / (down + rounds) + 1e-9);
    paths_ = std::min(paths_, static_cast<std::size_t>(std::clamp(most, 1.0, kMost)));
    const double n = std::floor((left() / static_cast<double>(paths_) - down) / rounds + 1e-9);
    return static_cast<std::size_t>(std::clamp(n, 1.0, kMost));
  }

  static Candidates best_of(const Candidates& from, const Scores& scores, std::size_t n) {
    std::vector<std::size_t> order(from.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return scores[i]; });
    Candidates out;
    for (std::size_t i = 0; i < std::min(n, order.size()); ++i) out.push_back(from[order[i]]);
    return out;
  }

  std::size_t paths_, branches_;
  std::uint32_t start_steps_, leg_steps_;
  double sigma_, delta_f_, delta_b_;
};

}  // namespace

WN_EXPORT_PLUGINS(Paths)

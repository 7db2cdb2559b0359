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
// paths = 2
// branches = 5    # 0: as many as the budget allows
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "winnow/winnow.hpp"

namespace {

constexpr double kMaxRounds = 10000;

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

  wn::Task run() override {
    const Noises first = fresh(paths_);
    const std::size_t branches = branches_ > 0 ? branches_ : affordable_branches(first.front());
    Candidates survivors = start(first, first_leg());
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

  // The largest number whose whole search fits the budget; every path and branch costs the same.
  std::size_t affordable_branches(const wn::Noise& any) {
    if (!std::isfinite(left()))
      throw wn::Error(WN_E_INVALID_ARGUMENT, "branches = 0 needs a budget in NFE");
    Candidates path{start(any, first_leg())};
    const double down = cost(path);
    for (double time = sigma_; time > 0; time = next_time(time))
      path.push_back(renoise(path.back(), any, time + delta_f_,
                             {.time = next_time(time), .steps = leg_steps_}));
    const double rounds = cost(path) - down;
    const double n = std::floor((left() / static_cast<double>(paths_) - down) / rounds + 1e-9);
    return static_cast<std::size_t>(std::clamp(n, 1.0, 65536.0));
  }

  static Candidates best_of(const Candidates& from, const Scores& scores, std::size_t n) {
    std::vector<std::size_t> order(from.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
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

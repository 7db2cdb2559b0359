// epsilon_greedy: a local search with random restarts over the noise of each step in turn.
//   at step i, K rounds of N candidates around the pivot noise n:
//     with chance 1 - epsilon  |n| unit(n + U(0, radius) |n| w),  w an orthogonal random unit
//     vector else                     a fresh noise
//   the best candidate's noise becomes the pivot, if it beats the pivot's; the best one's latent is
//   where step i + 1 begins. epsilon = 0 is zero-order search per step.
// The first step searches over the first noise. Neighbours keep the norm: moved off the sphere,
// they would change the strength of the noise. Source: Ramesh and Mardani, 2025, "Test-time scaling
// of diffusion models via noise trajectory search", arXiv:2506.03164.
//
// [search]
// plugin = "winnow.epsilon_greedy"
// candidates = 4
// rounds = 0            # as many as the budget allows
// epsilon = 0.4
// radius = 0.15
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class EpsilonGreedy : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.epsilon_greedy";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_EPSILON_GREEDY;

  EpsilonGreedy(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        candidates_(static_cast<std::size_t>(options.i64("candidates"))),
        rounds_(static_cast<std::size_t>(options.i64("rounds"))),
        epsilon_(options.f64("epsilon")),
        radius_(options.f64("radius")) {}

  void prepare() override {
    need_noise();
    if (rounds_ == 0) need_budget("rounds");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = every(1);
    const std::vector<double> price = prices(stops);
    const auto wide = [&](std::size_t k) { return k == 0 || distinct(k, 2) > 1; };
    for (;;) {
      std::size_t n = candidates_;
      const auto total = [&](std::size_t rounds) {
        double sum = 0;
        for (std::size_t k = 0; k < steps(); ++k)
          sum += (wide(k) ? static_cast<double>(n * rounds) : 1) * price[k];
        return sum;
      };
      std::size_t rounds = 0;
      while (n > 0 && (rounds = largest(total, left())) == 0) --n;
      if (n == 0) co_return;
      if (rounds_ > 0) rounds = std::min(rounds, rounds_);
      wn::Candidate at;
      for (std::size_t k = 0; k < steps(); ++k) {
        wn::Noise pivot;
        wn::Candidate best;
        for (std::size_t r = 0; r < (wide(k) ? rounds : 1); ++r) {
          Noises noises;
          Candidates made;
          for (std::size_t i = 0; i < (wide(k) ? n : 1); ++i) {
            noises.push_back(pivot && uniform() >= epsilon_ ? neighbour(pivot) : fresh());
            made.push_back(at ? continue_(at, noises.back(), until(stops[k]))
                              : start(noises.back(), until(stops[k])));
          }
          if (best) made.push_back(best);  // costs nothing: its score, or its rank among these
          const Scores scores = co_await evaluate(made);
          const std::size_t winner = pick(scores, 0, scores.size(), 0);
          const bool stays = best && scores[winner] <= scores.back();
          if (stays || made[winner].failed()) continue;
          best = made[winner];
          pivot = noises[winner];
        }
        at = best;
        if (!at) break;  // all failed
      }
    }
  }

 private:
  wn::Noise neighbour(const wn::Noise& pivot) {
    const double distance = radius_ * uniform();
    return rotate(pivot, 1 / std::sqrt(1 + distance * distance));
  }

  std::size_t candidates_, rounds_;
  double epsilon_, radius_;
};

}  // namespace

WN_EXPORT_PLUGINS(EpsilonGreedy)

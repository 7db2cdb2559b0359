// svdd: at every step each chain draws children and goes on with one of them.
//   children  x_m ~ p(x' | x), m = 1..M, the sampler's SDE step
//   chosen    argmax over m of r_m = score(preview(x_m)); with a temperature a softmax(r_m / a)
// The chosen child's evaluation is the first half of its own children's step, so B chains cost
// B (1 + M (T - 1)) NFE for T Euler-Maruyama steps, not B T (1 + M).
// Source: Li et al., 2024, arXiv:2408.08252, SVDD-PM (the preview is the posterior mean).
//
// [search]
// plugin = "winnow.svdd"
// chains = 1
// children = 0          # as many as the budget allows
// temperature = 0.0     # 0: the best
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Svdd : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.svdd";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SVDD;

  Svdd(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        chains_(static_cast<std::size_t>(options.i64("chains"))),
        children_(static_cast<std::size_t>(options.i64("children"))),
        temperature_(options.f64("temperature")) {}

  void prepare() override {
    need_noise();
    if (temperature_ > 0) need_magnitudes("exp(score / temperature)");
    if (children_ == 0) need_budget("children");
  }

  wn::Task run() override {
    std::vector<std::size_t> stops(steps() + 1);
    std::iota(stops.begin(), stops.end(), 0);
    const std::vector<double> price = prices(stops);
    const auto of_a_chain = [&](std::size_t m) {
      double sum = price[0];
      for (std::size_t k = 0; k < steps(); ++k)
        sum += static_cast<double>(distinct(k, m)) * price[k + 1];
      return sum;
    };
    for (;;) {
      const std::size_t n = std::min(
          chains_,
          largest([&](std::size_t b) { return static_cast<double>(b) * of_a_chain(1); }, left()));
      if (n == 0 || !paid()) co_return;
      std::size_t m = largest(of_a_chain, left() / static_cast<double>(n));
      if (children_ > 0) m = std::min(m, children_);
      Candidates at = start(fresh(n), until(0));
      at = best_of(at, co_await evaluate(at), n);
      for (std::size_t k = 0; k < steps() && !at.empty(); ++k) {
        const std::size_t width = distinct(k, m);
        Candidates children, chosen;
        for (const wn::Candidate& parent : at)
          for (std::size_t i = 0; i < width; ++i)
            children.push_back(branch(parent, i, until(k + 1)));
        const Scores scores = co_await evaluate(children);
        for (std::size_t i = 0; i < children.size(); i += width)
          if (const std::size_t best = pick(scores, i, width, temperature_);
              !children[best].failed())
            chosen.push_back(children[best]);
        at = chosen;
      }
    }
  }

 private:
  std::size_t chains_, children_;
  double temperature_;
};

}  // namespace

WN_EXPORT_PLUGINS(Svdd)

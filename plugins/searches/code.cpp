// code: blockwise best of N. After every block of L steps each chain goes on with the best of its
// K branches.
//   chosen = argmax over k = 1..K of score(preview(x_k)),  x_k ~ p(x at the block's end | x)
// In the first block the branches are K noises. L = 1 is SVDD, L = T best of K.
// Source: CoDe, Singh et al., 2025, arXiv:2502.00968; its settings in RBF, arXiv:2503.19385: B = 2,
// L = 2.
//
// [search]
// plugin = "winnow.code"
// chains = 2
// branches = 0          # as many as the budget allows
// block = 2             # steps
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Code : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.code";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_CODE;

  Code(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        chains_(static_cast<std::size_t>(options.i64("chains"))),
        branches_(static_cast<std::size_t>(options.i64("branches"))),
        block_(static_cast<std::size_t>(options.i64("block"))) {}

  void prepare() override {
    need_noise();
    if (branches_ == 0) need_budget("branches");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = every(block_);
    const std::vector<double> price = prices(stops);
    const auto width = [&](std::size_t j, std::size_t k) {
      return j == 0 ? k : distinct(stops[j - 1], k);
    };
    const auto of_a_chain = [&](std::size_t k) {
      double sum = 0;
      for (std::size_t j = 0; j < stops.size(); ++j)
        sum += static_cast<double>(width(j, k)) * price[j];
      return sum;
    };
    for (;;) {
      const std::size_t n = std::min(
          chains_,
          largest([&](std::size_t b) { return static_cast<double>(b) * of_a_chain(1); }, left()));
      if (n == 0) co_return;
      std::size_t k = largest(of_a_chain, left() / static_cast<double>(n));
      if (branches_ > 0) k = std::min(k, branches_);
      Candidates at, made = start(fresh(n * k), until(stops[0]));
      for (std::size_t j = 0;;) {
        const Scores scores = co_await evaluate(made);
        at.clear();
        for (std::size_t i = 0; i < made.size(); i += width(j, k))
          if (const std::size_t best = pick(scores, i, width(j, k), 0); !made[best].failed())
            at.push_back(made[best]);
        if (++j == stops.size() || at.empty()) break;
        made.clear();
        for (const wn::Candidate& parent : at)
          for (std::size_t i = 0; i < width(j, k); ++i)
            made.push_back(branch(parent, i, until(stops[j])));
      }
    }
  }

 private:
  std::size_t chains_, branches_, block_;
};

}  // namespace

WN_EXPORT_PLUGINS(Code)

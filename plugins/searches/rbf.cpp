// rbf: rollover budget forcing. Each chain tries children of its latent one by one.
//   quota per step  Q = (what a chain may spend - what its way costs anyway) / branching steps
//   a child with score(preview) > r* is taken at once: r* <- its score, and what is left of the
//   quota rolls over to the next step; when the quota is used up, the step's best child is taken
//   and r* stays.
// A chain begins at the best preview of several noises. Its first child at each step goes on with
// its own noise, so a chain without a quota is a plain sample of the SDE.
// Source: Kim et al., NeurIPS 2025, arXiv:2503.19385, algorithm 1.
//
// [search]
// plugin = "winnow.rbf"
// chains = 2
// initial = 0.1         # share of the budget for the first noises
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class Rbf : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.rbf";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_RBF;

  Rbf(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        chains_(static_cast<std::size_t>(options.i64("chains"))),
        initial_(options.f64("initial")) {}

  void prepare() override {
    need_noise();
    need_magnitudes("rollover budget forcing compares scores of different steps and");
    if (!std::isfinite(problem().budget_nfe))
      refuse("there is no budget to roll over: give budget.nfe");
  }

  wn::Task run() override {
    std::vector<std::size_t> stops(steps() + 1);
    std::iota(stops.begin(), stops.end(), 0);
    const std::vector<double> price = prices(stops);  // [k + 1]: of a child from step k
    const double way = std::accumulate(price.begin(), price.end(), 0.0);
    for (;;) {
      const std::size_t n = std::min(
          chains_, largest([&](std::size_t m) { return static_cast<double>(m) * way; }, left()));
      if (n == 0 || !paid()) co_return;
      const double spare = left() / static_cast<double>(n) - way;  // of each chain
      // Of the noises that the share buys one is part of the way.
      const double buys = price[0] > 0 ? std::floor(initial_ * (spare + way) / price[0]) - 1 : 0;
      const auto more = static_cast<std::size_t>(
          std::clamp(buys, 0.0, std::floor(spare / std::max(price[0], 1e-9))));
      const Candidates first = start(fresh(n * (1 + more)), until(0));
      const Scores scores = co_await evaluate(first);
      std::vector<Chain> chains(n);
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t best = pick(scores, i * (1 + more), 1 + more, 0);
        if (!first[best].failed()) chains[i] = {first[best], {}, scores[best], 0, false};
      }
      const double quota = (spare - static_cast<double>(more) * price[0]) /
                           std::max(1.0, static_cast<double>(steps()) - 1);
      for (std::size_t k = 0; k < steps(); ++k) {
        std::vector<Chain*> trying;
        for (Chain& chain : chains)
          if (chain.at) trying.push_back(&chain);
        for (Chain* chain : trying) chain->purse += k + 1 < steps() ? quota : 0, chain->best = {};
        for (std::size_t t = 0; !trying.empty(); ++t) {
          Candidates children;
          for (const Chain* chain : trying) children.push_back(branch(chain->at, t, until(k + 1)));
          co_await evaluate(children);
          std::vector<Chain*> again;
          for (std::size_t i = 0; i < trying.size(); ++i) {
            trying[i]->take(children[i]);
            if (!trying[i]->accepted && t + 1 < distinct(k, t + 2) &&
                trying[i]->purse + 1e-9 >= price[k + 1] && price[k + 1] > 0) {
              trying[i]->purse -= price[k + 1];  // the first child is part of the way
              again.push_back(trying[i]);
            }
          }
          trying = again;
        }
        for (Chain& chain : chains) chain.at = chain.best, chain.accepted = false;
      }
    }
  }

 private:
  struct Chain {
    wn::Candidate at, best;  // names nothing when all failed
    double threshold = 0, purse = 0;
    bool accepted = false;

    void take(const wn::Candidate& child) {
      if (child.failed()) return;
      accepted = child.score() > threshold;
      if (accepted) threshold = child.score();
      if (!best || child.score() > best.score()) best = child;
    }
  };

  std::size_t chains_;
  double initial_;
};

}  // namespace

WN_EXPORT_PLUGINS(Rbf)

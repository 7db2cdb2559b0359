// first_order: follows the gradient of the score with respect to the initial noise.
//   x <- |x| unit(x / |x| + step g),  g the unit vector along d score / d x
// The norm is kept. The gradient goes through the whole sampler, so a move costs a path and, the
// first time it starts from a candidate, the backward pass through that candidate's path.
// Each chain starts from a noise of its own. Where a move does not improve, the next one starts
// from the same place with half the step, for the price of a path alone.
// Source: Ma et al., arXiv 2501.09732, the comparison with first-order search (figure 14).
//
// [search]
// plugin = "winnow.first_order"
// step = 0.2
// no_improvement = "halve"   # "go_on": move on from the worse place, always by the whole step
#include <cstdint>
#include <vector>

#include "winnow/winnow.hpp"

namespace {

class FirstOrder : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.first_order";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_FIRST_ORDER;

  FirstOrder(const wn::Host&, const wn::Options& options)
      : chains_(static_cast<std::size_t>(options.i64("chains"))),
        iterations_(options.i64("iterations")),
        halvings_(options.i64("halvings")),
        step_(options.f64("step")),
        go_on_(options.str("no_improvement") == "go_on") {}

  wn::Task run() override {
    std::vector<Chain> chains(chains_, Chain{{}, step_, 0});
    for (std::int64_t k = 0; iterations_ == 0 || k <= iterations_; ++k) {
      Candidates moved;
      for (const Chain& chain : chains)
        moved.push_back(start(chain.at ? gradient(chain.at, chain.step) : fresh()));
      co_await evaluate(moved);
      for (std::size_t i = 0; i < chains.size(); ++i) settle(chains[i], moved[i]);
    }
  }

 private:
  struct Chain {
    wn::Candidate at;  // names nothing before the first noise was run
    double step;
    std::int64_t halvings;
  };

  void settle(Chain& chain, const wn::Candidate& moved) const {
    const bool improved = !chain.at || go_on_ || moved.score() > chain.at.score();
    if (improved && !moved.failed()) {
      chain.at = moved;
    } else if (chain.at) {
      chain.step /= 2;
      if (halvings_ > 0 && ++chain.halvings > halvings_) chain = {{}, step_, 0};
    }
  }

  std::size_t chains_;
  std::int64_t iterations_, halvings_;
  double step_;
  bool go_on_;
};

}  // namespace

WN_EXPORT_PLUGINS(FirstOrder)

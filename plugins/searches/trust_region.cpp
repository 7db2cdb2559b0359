// trust_region: local searches around the best noises, each within a region of its own size.
//   warm-up    fresh noises; the best R are the centres
//   candidate  each element with chance `share` from y, else from the centre x;
//              y = |x| unit(x + |x| L / sqrt(12) w), w a random unit vector orthogonal to x: as far
//              as a point drawn evenly from a box of side L
//   region     its best candidate becomes its centre if it is better; after `patience` rounds with
//              an improvement in a row L <- 1.5 L, after as many without one L <- L / 1.5;
//              below `shortest` it begins again at a fresh noise
// Gaussian steps stand for the Sobol points of the source: they are addressable. Black box: works
// with every sampler.
// Source: Trust-Region Search, Schweiger et al., 2026 (TuRBO's rule for lengths: Eriksson et al.,
// 2019, arXiv:1910.01739).
//
// [search]
// plugin = "winnow.trust_region"
// regions = 4
// batch = 16
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

class TrustRegion : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.trust_region";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TRUST_REGION;

  TrustRegion(const wn::Host&, const wn::Options& options)
      : regions_(static_cast<std::size_t>(options.i64("regions"))),
        batch_(static_cast<std::size_t>(options.i64("batch"))),
        patience_(options.i64("patience")),
        warm_up_(options.f64("warm_up")),
        length_(options.f64("length")),
        shortest_(options.f64("shortest")),
        longest_(options.f64("longest")),
        share_(options.f64("share")) {
    if (shortest_ > length_ || length_ > longest_)
      refuse("length is " + std::to_string(length_) + ", expected it between shortest, " +
             std::to_string(shortest_) + ", and longest, " + std::to_string(longest_));
  }

  wn::Task run() override {
    const double price = cost(start(values({})));
    std::size_t first = regions_;
    if (std::isfinite(left())) first = affordable(std::max(1.0, warm_up_ * left() / price), price);
    if (first == 0) co_return;
    const Noises noises = fresh(first);
    const Candidates samples = start(noises);
    const Scores scores = co_await evaluate(samples);
    std::vector<Region> regions(regions_, Region{{}, {}, length_, 0, 0});
    const std::vector<std::size_t> order = best_first(scores);
    for (std::size_t r = 0; r < std::min(regions_, order.size()); ++r)
      if (!samples[order[r]].failed())
        regions[r].noise = noises[order[r]], regions[r].centre = samples[order[r]];
    for (std::size_t turn = 0;; turn += batch_) {
      const std::size_t n = affordable(static_cast<double>(batch_), price);
      if (n == 0) co_return;
      Noises tried;
      for (std::size_t i = 0; i < n; ++i) tried.push_back(propose(regions[(turn + i) % regions_]));
      Candidates round = start(tried);
      for (const Region& region : regions)
        if (region.centre) round.push_back(region.centre);  // for nothing: score, or rank in here
      co_await evaluate(round);
      for (std::size_t r = 0; r < regions_; ++r) {
        std::size_t best = n;
        for (std::size_t i = 0; i < n; ++i)
          if ((turn + i) % regions_ == r && !round[i].failed() &&
              (best == n || round[i].score() > round[best].score()))
            best = i;
        if (best < n) settle(regions[r], tried[best], round[best]);
      }
    }
  }

 private:
  struct Region {
    wn::Noise noise;
    wn::Candidate centre;  // names nothing: begins at a fresh noise
    double length;
    std::int64_t successes, failures;
  };

  std::size_t affordable(double wanted, double price) const {
    return static_cast<std::size_t>(
        std::min(std::floor(wanted), std::floor(left() / price + 1e-9)));
  }
  wn::Noise propose(const Region& region) {
    if (!region.centre) return fresh();
    const double tangent = region.length / std::sqrt(12.0);
    const wn::Noise moved = rotate(region.noise, 1 / std::sqrt(1 + tangent * tangent));
    return share_ < 1 ? splice(region.noise, moved, share_) : moved;
  }
  void settle(Region& region, const wn::Noise& noise, const wn::Candidate& sample) const {
    if (!region.centre) {
      region = {noise, sample, length_, 0, 0};
      return;
    }
    const bool better = sample.score() > region.centre.score();
    if (better) region.noise = noise, region.centre = sample;
    region.successes = better ? region.successes + 1 : 0;
    region.failures = better ? 0 : region.failures + 1;
    if (region.successes == patience_) {
      region.length = std::min(longest_, region.length * 1.5);
      region.successes = 0;
    } else if (region.failures == patience_) {
      region.length /= 1.5;
      region.failures = 0;
    }
    if (region.length < shortest_) region = {{}, {}, length_, 0, 0};
  }

  std::size_t regions_, batch_;
  std::int64_t patience_;
  double warm_up_, length_, shortest_, longest_, share_;
};

}  // namespace

WN_EXPORT_PLUGINS(TrustRegion)

// trust_region: local searches around the best noises, each within a region of its own size.
//   centres    the R best noises so far, of the warm-up with fresh ones and of every round
//   candidate  |x| unit(z), each element of z with chance `share` from y, else from the centre x;
//              y = |x| unit(x + |x| L / sqrt(12) w), w a random unit vector orthogonal to x: as far
//              as a point drawn evenly from a box of side L
//   region r   around the r-th best: after `patience` rounds in a row in which a candidate beats
//              its centre L <- 1.5 L, after as many without one L <- L / 1.5; below `shortest` it
//              begins again with its first side and a round of fresh noises
// Longer than other searches: centres are kept apart from the regions around them.
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
    co_await evaluate(samples);
    std::vector<Centre> centres;
    keep_best(centres, noises, samples);
    std::vector<Region> regions(regions_, Region{length_});
    for (std::size_t turn = 0;; turn += batch_) {
      const std::size_t n = affordable(static_cast<double>(batch_), price);
      if (n == 0) co_return;
      Noises tried;
      for (std::size_t i = 0; i < n; ++i) {
        const std::size_t r = (turn + i) % regions_;
        tried.push_back(r < centres.size() && !regions[r].again
                            ? propose(centres[r].noise, regions[r].length)
                            : fresh());
      }
      Candidates round = start(tried);
      for (const Centre& c : centres)
        round.push_back(c.sample);  // for nothing: score, or rank here
      co_await evaluate(round);
      for (std::size_t r = 0; r < centres.size(); ++r) {
        double best = -winnow::particles::kInfinity;
        for (std::size_t i = 0; i < n; ++i)
          if ((turn + i) % regions_ == r) best = std::max(best, round[i].score());
        if (std::isfinite(best)) settle(regions[r], best > centres[r].sample.score());
      }
      keep_best(centres, tried, round);
    }
  }

 private:
  struct Centre {
    wn::Noise noise;
    wn::Candidate sample;
  };
  struct Region {
    double length;
    std::int64_t successes = 0, failures = 0;
    bool again = false;
  };

  std::size_t affordable(double wanted, double price) const {
    return static_cast<std::size_t>(
        std::min(std::floor(wanted), std::floor(left() / price + 1e-9)));
  }
  // A mixture of one, which has the norm of the centre: spliced from two, it has any.
  wn::Noise propose(const wn::Noise& centre, double length) {
    const double tangent = length / std::sqrt(12.0);
    const wn::Noise moved = rotate(centre, 1 / std::sqrt(1 + tangent * tangent));
    return share_ < 1 ? mix({centre, splice(centre, moved, share_)}, {0, 1}) : moved;
  }
  void keep_best(std::vector<Centre>& centres, const Noises& noises,
                 const Candidates& samples) const {
    for (std::size_t i = 0; i < noises.size(); ++i)
      if (!samples[i].failed()) centres.push_back({noises[i], samples[i]});
    std::stable_sort(centres.begin(), centres.end(), [](const Centre& a, const Centre& b) {
      return a.sample.score() > b.sample.score();
    });
    centres.erase(centres.begin() + static_cast<std::ptrdiff_t>(std::min(regions_, centres.size())),
                  centres.end());
  }
  void settle(Region& region, bool better) const {
    if (std::exchange(region.again, false)) return;
    region.successes = better ? region.successes + 1 : 0;
    region.failures = better ? 0 : region.failures + 1;
    if (region.successes == patience_) {
      region.length = std::min(longest_, region.length * 1.5);
      region.successes = 0;
    } else if (region.failures == patience_) {
      region.length /= 1.5;
      region.failures = 0;
    }
    if (region.length < shortest_) region = {length_, 0, 0, true};
  }

  std::size_t regions_, batch_;
  std::int64_t patience_;
  double warm_up_, length_, shortest_, longest_, share_;
};

}  // namespace

WN_EXPORT_PLUGINS(TrustRegion)

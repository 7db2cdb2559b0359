// twisted: sequential Monte Carlo whose steps are drawn towards higher scores.
//   proposal   x' = m(x) + sigma (z + twist sigma l_k d r(preview(x)) / d x),  z fresh
//   weight     log w += log p(x' | x) - log q(x' | x) + l_(k+1) r(x') - l_k r(x)
//   tempering  l_k = lambda min(1, 2^(k / (tempered T)) - 1),  lambda for the sample
//   if ESS < gate n    draw n parents with the weights (ssp in particles.hpp), log w = 0
// p is the sampler's SDE, q the shifted one; the host tells log p - log q. A lineage weighs
// exp(lambda score(sample)) whatever was proposed, so sigma, the spread of a step, may be a guess:
// sqrt((t - t') / t) noise_scale(t), right for g^2 = t. A gradient costs a backward pass through
// one evaluation; the rest of a budget that does not reach for a particle with gradients goes into
// plain ones. With twist = 0 this is fk with tempering; it is longer, for noises go along with
// their particles. The answer is the best sample, not the one of the highest weight.
// Source: TDS, Wu et al., 2023, arXiv:2306.17775; its tempering and ssp resampling in DAS, Kim et
// al., 2025, arXiv:2501.05803.
//
// [search]
// plugin = "winnow.twisted"
// particles = 4          # 0: as many as the budget allows
// lambda = 10.0
// stochasticity = 1.0    # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;
namespace smc = winnow::particles;

class Twisted : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.twisted";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_TWISTED;

  Twisted(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        particles_(static_cast<std::size_t>(options.i64("particles"))),
        lambda_(options.f64("lambda")),
        twist_(options.f64("twist")),
        tempered_(options.f64("tempered")),
        gate_(options.f64("gate")) {}

  void prepare() override {
    need_noise();
    need_magnitudes("exp(lambda score)");
    if (particles_ == 0) need_budget("particles");
    if (!problem().noise_scale[WN_PROFILE_SEARCH])
      throw wn::Error(WN_E_FAILED_PRECONDITION, "the sampler does not tell its noise scale");
  }

  wn::Task run() override {
    std::vector<std::size_t> stops(steps() + 1);
    std::iota(stops.begin(), stops.end(), 0);
    const std::vector<double> price = prices(stops);
    const double backward = problem().backward_nfe * problem().preview_nfe[WN_PROFILE_SEARCH];
    const double way = std::accumulate(price.begin(), price.end(), 0.0);
    double back = 0;
    for (std::size_t k = 0; k < steps(); ++k) back += shift(k) > 0 ? backward : 0;
    const auto fit = [&](double each) {
      return largest([&](std::size_t m) { return static_cast<double>(m) * each; }, left());
    };
    for (;;) {
      std::size_t n = fit(way + back);
      shifts_ = n > 0;
      if (!shifts_) n = fit(way);
      if (particles_ > 0) n = std::min(n, particles_);
      if (n == 0) co_return;
      const Noises noises = fresh(n);
      Particles all{start(noises, until(0)), noises, std::vector<double>(n),
                    std::vector<double>(n)};
      for (std::size_t k = 0;; ++k) {
        const Scores scores = co_await evaluate(all.x);
        if (k == steps()) break;
        for (std::size_t i = 0; i < n; ++i) weigh(all, i, lambda_ * tempering(k) * scores[i]);
        if (!(smc::log_sum_exp(all.log_w) > -smc::kInfinity)) break;  // all failed
        std::vector<std::size_t> parents(n);
        std::iota(parents.begin(), parents.end(), 0);
        if (smc::effective_size(all.log_w) < gate_ * static_cast<double>(n) || any_failed(all.x)) {
          parents = smc::resample(smc::Resampling::kSsp, all.log_w, n, uniforms());
          all.log_w.assign(n, 0);
        }
        all = proposed(all, parents, k);
      }
    }
  }

 private:
  struct Particles {
    Candidates x;
    Noises noises;              // without their twists
    std::vector<double> log_w;  // since the last resampling
    std::vector<double> tilt;   // l_k r of the last score
  };

  static bool any_failed(const Candidates& x) {
    return std::any_of(x.begin(), x.end(), [](const wn::Candidate& c) { return c.failed(); });
  }
  static void weigh(Particles& all, std::size_t i, double tilt) {
    if (all.x[i].failed()) {
      all.log_w[i] = -smc::kInfinity;
      return;
    }
    all.log_w[i] += all.x[i].log_ratio() + tilt - all.tilt[i];
    all.tilt[i] = tilt;
  }
  double tempering(std::size_t k) const {
    const double share = static_cast<double>(k) / static_cast<double>(steps());
    return std::min(1.0, std::exp2(share / tempered_) - 1);
  }
  // Of the noise of the step from k, per unit of the gradient; the last step draws none.
  double shift(std::size_t k) const {
    if (!shifts_ || distinct(k, 2) < 2) return 0;
    const double t = times()[k], sigma = std::sqrt((t - times()[k + 1]) / t) *
                                         problem().noise_scale[WN_PROFILE_SEARCH][k];
    return twist_ * sigma * lambda_ * tempering(k);
  }
  // parents[i] for each i, one step on. The first copy keeps its parent's noise; copies that cannot
  // differ are one candidate.
  Particles proposed(const Particles& from, const std::vector<std::size_t>& parents,
                     std::size_t k) {
    Particles out{{}, {}, from.log_w, {}};
    std::map<std::size_t, wn::Candidate> children;
    for (const std::size_t i : parents) {
      wn::Noise noise = from.noises[i];
      wn::Candidate& child = children[i];
      if (!child || distinct(k, 2) > 1) {
        if (child) noise = fresh();
        const double s = shift(k);
        child = continue_(from.x[i], s > 0 ? twist(from.x[i], noise, s) : noise, until(k + 1));
      }
      out.x.push_back(child);
      out.noises.push_back(noise);
      out.tilt.push_back(from.tilt[i]);
    }
    return out;
  }

  std::size_t particles_;
  double lambda_, twist_, tempered_, gate_;
  bool shifts_ = true;  // this population
};

}  // namespace

WN_EXPORT_PLUGINS(Twisted)

// fk: Feynman-Kac steering, a sequential Monte Carlo over the sampler's SDE.
//   at each stop       log w_i += log G_i,  G of the preview's score (potentials in particles.hpp)
//   if ESS < gate n    draw n parents with the weights (resampling in particles.hpp), log w_i = 0
//   answer             the particle with the best sample
// What a particle carries (last and highest score, their sum, the product of its potentials) goes
// with its copies. The product of all potentials of a lineage is exp(lambda score(sample)). The
// first copy goes on with its parent's noise: without resampling this is best of N. Weights stay
// where nothing was resampled.
// Source: Singhal et al., 2025, arXiv:2501.06848; systematic and ssp instead of its multinomial
// resampling, which has the highest variance.
//
// [search]
// plugin = "winnow.fk"
// particles = 4          # 0: as many as the budget allows
// lambda = 10.0
// potential = "diff"     # "max", "sum"
// resampling = "ssp"     # "systematic", "multinomial"
// stochasticity = 1.0    # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;
namespace smc = winnow::particles;

class Fk : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.fk";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_FK;

  Fk(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        particles_(static_cast<std::size_t>(options.i64("particles"))),
        every_(static_cast<std::size_t>(options.i64("every"))),
        lambda_(options.f64("lambda")),
        gate_(options.f64("gate")),
        from_(options.f64("from")),
        to_(options.f64("to")),
        potential_(smc::parse_potential(options.str("potential"))),
        resampling_(smc::parse_resampling(options.str("resampling"))) {
    if (from_ > to_)
      refuse("from is " + std::to_string(from_) + " and to is " + std::to_string(to_) +
             ", so no step lies between them");
  }

  void prepare() override {
    need_noise();
    need_magnitudes("exp(lambda score)");
    if (particles_ == 0) need_budget("particles");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = judged();
    const std::vector<double> price = prices(stops);
    const double way = std::accumulate(price.begin(), price.end(), 0.0);
    for (;;) {
      std::size_t n = largest([&](std::size_t m) { return static_cast<double>(m) * way; }, left());
      if (particles_ > 0) n = std::min(n, particles_);
      if (n == 0) co_return;
      Candidates x = start(fresh(n), until(stops[0]));
      std::vector<smc::Lineage> lineages(n);
      std::vector<double> log_w(n, 0);
      for (std::size_t j = 0;; ++j) {
        const Scores scores = co_await evaluate(x);
        if (j + 1 == stops.size()) break;
        for (std::size_t i = 0; i < n; ++i)
          log_w[i] += smc::log_potential(lineages[i], potential_, lambda_, scores[i], false);
        std::vector<std::size_t> parents(n);
        std::iota(parents.begin(), parents.end(), 0);
        if (!(smc::log_sum_exp(log_w) > -smc::kInfinity)) break;  // all failed
        if (smc::effective_size(log_w) < gate_ * static_cast<double>(n) || any_failed(x)) {
          parents = smc::resample(resampling_, log_w, n, uniforms());
          log_w.assign(n, 0);
          std::vector<smc::Lineage> inherited;
          for (const std::size_t i : parents) inherited.push_back(lineages[i]);
          lineages = std::move(inherited);
        }
        x = branches(x, parents, stops[j], until(stops[j + 1]));
      }
    }
  }

 private:
  // Every `every_` steps between from_ and to_, and the end.
  std::vector<std::size_t> judged() const {
    std::vector<std::size_t> stops;
    for (std::size_t k = stop_at(from_); k < steps(); k += every_)
      if (k <= stop_at(to_)) stops.push_back(k);
    stops.push_back(steps());
    return stops;
  }
  static bool any_failed(const Candidates& x) {
    return std::any_of(x.begin(), x.end(), [](const wn::Candidate& c) { return c.failed(); });
  }

  std::size_t particles_, every_;
  double lambda_, gate_, from_, to_;
  smc::Potential potential_;
  smc::Resampling resampling_;
};

}  // namespace

WN_EXPORT_PLUGINS(Fk)

// bfs: breadth-first search. At a few places the number of copies of each particle follows its
// score.
//   w_i = exp(r_i / temperature) / sum_j exp(r_j / temperature),  r of the preview, n particles
//   resample   n copies in all, n w_i of each on average (systematic: rounding each n w_i by itself
//              changes the number of particles)
//   prune      one copy where round(n w_i) > 0, none elsewhere; the best always stays
// Source: Zhang et al., "Inference-time scaling of diffusion models through classical search",
// 2025, arXiv:2505.23614.
//
// [search]
// plugin = "winnow.bfs"
// at = [0.25, 0.5, 0.75]   # shares of the steps
// temperature = 0.1
// rule = "resample"        # "prune": works without noise on the way, too
// stochasticity = 1.0      # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;
namespace smc = winnow::particles;

class Bfs : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.bfs";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_BFS;

  Bfs(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        particles_(static_cast<std::size_t>(options.i64("particles"))),
        at_(options.f64_list("at")),
        temperature_(options.f64("temperature")),
        prune_(options.str("rule") == "prune") {
    for (std::size_t j = 0; j < at_.size(); ++j)
      if (!(at_[j] > (j ? at_[j - 1] : 0) && at_[j] < 1))
        refuse("at: found " + std::to_string(at_[j]) + " at place " + std::to_string(j + 1) +
               ", expected rising shares of the steps between 0 and 1");
  }

  void prepare() override {
    if (!prune_) need_noise();
    need_magnitudes("exp(score / temperature)");
    if (particles_ == 0) need_budget("particles");
  }

  wn::Task run() override {
    const std::vector<std::size_t> stops = stops_at(at_);
    const std::vector<double> price = prices(stops);
    const double way = std::accumulate(price.begin(), price.end(), 0.0);
    for (;;) {
      std::size_t n = largest([&](std::size_t m) { return static_cast<double>(m) * way; }, left());
      if (particles_ > 0) n = std::min(n, particles_);
      if (n == 0) co_return;
      Candidates x = start(fresh(n), until(stops[0]));
      for (std::size_t j = 0;; ++j) {
        const Scores scores = co_await evaluate(x);
        if (j + 1 == stops.size()) break;
        const std::vector<std::size_t> parents = next(scores);
        if (parents.empty()) break;  // all failed
        x = branches(x, parents, stops[j], until(stops[j + 1]));
      }
    }
  }

 private:
  std::vector<std::size_t> next(const Scores& scores) {
    std::vector<double> log_w;
    for (const double score : scores) log_w.push_back(score / temperature_);
    if (!(smc::log_sum_exp(log_w) > -smc::kInfinity)) return {};
    if (!prune_)
      return smc::resample(smc::Resampling::kSystematic, log_w, scores.size(), uniforms());
    const std::vector<double> weights = smc::normalised(log_w);
    const std::size_t best = best_first(scores).front();
    std::vector<std::size_t> parents;
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (i == best || std::round(weights[i] * static_cast<double>(weights.size())) > 0)
        parents.push_back(i);
    return parents;
  }

  std::size_t particles_;
  std::vector<double> at_;
  double temperature_;
  bool prune_;
};

}  // namespace

WN_EXPORT_PLUGINS(Bfs)

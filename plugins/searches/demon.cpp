// demon: at every step many noises are tried, and their mixture is used.
//   r_k  score of the trial with noise z_k: of its preview, or with a look-ahead of the sample to
//        which the deterministic solver takes it in n steps
//   z*   = |z_1| unit(sum_k tanh((r_k - mean r) / (temperature std r)) z_k)
// so a trial that scored below the mean pushes away. Nothing is ever copied; K trials and the step
// with z* cost K + 1 candidates. Where no two trials differ in score, one of them goes on. Samples
// of a look-ahead are samples: the best can be the answer.
// Source: Yeh et al., "Training-free diffusion model alignment with sampling demons", 2024,
// arXiv:2410.05760, the tanh demon.
//
// [search]
// plugin = "winnow.demon"
// noises = 0            # as many as the budget allows
// look_ahead = 0        # steps; 0: previews
// stochasticity = 1.0   # 0: as the sampler is configured
#include "stepwise.hpp"

namespace {

using namespace winnow::searches;

constexpr std::size_t kMostParents = 4096;  // of a mixture

class Demon : public Stepwise {
 public:
  static constexpr const char* kId = "winnow.demon";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_DEMON;

  Demon(const wn::Host&, const wn::Options& options)
      : Stepwise(options.f64("stochasticity")),
        noises_(static_cast<std::size_t>(options.i64("noises"))),
        temperature_(options.f64("temperature")),
        look_ahead_(static_cast<std::uint32_t>(options.i64("look_ahead"))) {}

  void prepare() override {
    need_noise();
    if (noises_ == 0) need_budget("noises");
  }

  wn::Task run() override {
    std::vector<std::size_t> stops(steps() + 1);
    std::iota(stops.begin(), stops.end(), 0);
    const bool previews = look_ahead_ == 0;
    const std::vector<double> trial = prices(stops, look_ahead_);
    const std::vector<double> step = prices(stops, 0, previews);
    const auto total = [&](std::size_t k) {  // 0 trials: a plain sample
      double sum = step[0];
      for (std::size_t i = 0; i < steps(); ++i)
        sum += step[i + 1] + (distinct(i, 2) > 1 ? static_cast<double>(k) * trial[i + 1] : 0);
      return sum;
    };
    for (;;) {
      if (total(0) > left() + 1e-9 || !paid()) co_return;
      std::size_t n = std::min(largest(total, left()), kMostParents);
      if (noises_ > 0) n = std::min(n, noises_);
      wn::Candidate at = start(fresh(), until(0, previews));
      co_await evaluate(at);
      for (std::size_t k = 0; k < steps() && !at.failed(); ++k) {
        const wn::Until to = until(k + 1, previews || k + 1 == steps());
        if (n < 2 || distinct(k, 2) == 1) {
          at = continue_(at, to);
        } else {
          const Noises noises = fresh(n);
          Candidates next, trials;
          for (const wn::Noise& z : noises) {
            next.push_back(continue_(at, z, to));
            trials.push_back(previews ? next.back() : look(next.back(), look_ahead_));
          }
          const Scores scores = co_await evaluate(trials);
          const std::vector<double> weights = tanh_weights(scores);
          if (weights.empty()) {
            at = next[best_first(scores).front()];
            continue;
          }
          at = continue_(at, mix(noises, weights), to);
        }
        co_await evaluate(at);
      }
    }
  }

 private:
  // Failed trials have none; empty where the scores of the others do not differ. Rounded, for they
  // are journalled, and machines differ in the last digit of tanh.
  std::vector<double> tanh_weights(const Scores& scores) const {
    double n = 0, mean = 0, variance = 0;
    for (const double r : scores)
      if (std::isfinite(r)) mean += (r - mean) / ++n;
    for (const double r : scores)
      if (std::isfinite(r)) variance += (r - mean) * (r - mean) / n;
    if (!(variance > 0)) return {};
    std::vector<double> weights(scores.size(), 0);
    for (std::size_t k = 0; k < scores.size(); ++k)
      if (std::isfinite(scores[k]))
        weights[k] = std::round(0x1p20 * std::tanh((scores[k] - mean) /
                                                   (temperature_ * std::sqrt(variance)))) *
                     0x1p-20;
    return weights;
  }

  std::size_t noises_;
  double temperature_;
  std::uint32_t look_ahead_;
};

}  // namespace

WN_EXPORT_PLUGINS(Demon)

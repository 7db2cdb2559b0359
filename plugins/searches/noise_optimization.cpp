// noise_optimization: gradient ascent on the first noise, with Nesterov's momentum.
//   x_(k+1) = |x| unit(y_k + step |x| g),     g the unit vector along d score(sample(y_k)) / d y_k
//   y_(k+1) = |x| unit((1 + m) x_(k+1) - m x_k)
// The norm is kept exactly, where the source pulls it towards sqrt(d) by a penalty, and the
// gradient is a unit vector, where the source clips it. The best iterate is the answer. Every move
// costs a path and the backward pass through the one before. After `iterations` moves a fresh
// noise. Source: ReNO, Eyring et al., 2024, arXiv:2406.04312. For samplers of few steps.
//
// [search]
// plugin = "winnow.noise_optimization"
// step = 0.1
// momentum = 0.9
// iterations = 50
#include "winnow/winnow.hpp"

namespace {

class NoiseOptimization : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.noise_optimization";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_NOISE_OPTIMIZATION;

  NoiseOptimization(const wn::Host&, const wn::Options& options)
      : step_(options.f64("step")),
        momentum_(options.f64("momentum")),
        iterations_(options.i64("iterations")) {}

  wn::Task run() override {
    for (;;) {  // ends with the budget
      wn::Noise x = fresh();
      wn::Candidate at = start(x);
      co_await evaluate(at);
      for (std::int64_t k = 0; !at.failed() && (iterations_ == 0 || k < iterations_); ++k) {
        const wn::Noise moved = gradient(at, step_);
        at = start(momentum_ > 0 ? mix({moved, x}, {1 + momentum_, -momentum_}) : moved);
        x = moved;
        co_await evaluate(at);
      }
    }
  }

 private:
  double step_, momentum_;
  std::int64_t iterations_;
};

}  // namespace

WN_EXPORT_PLUGINS(NoiseOptimization)

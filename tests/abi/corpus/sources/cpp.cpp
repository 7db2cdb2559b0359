// cpp.cpp: of the corpus of binaries: a verifier with gradient and a search in every operation, by
// the C++ SDK. NAME is the package's: see ../build.sh.
//   verifier  minus the mean squared distance of the pixels from `target`; throws for class 8
//   search    rounds of every kind of noise and candidate but TENSOR, until the budget ends
#include "winnow/winnow.hpp"

namespace {

class Target {
 public:
  static constexpr const char* kId = "corpus." NAME ".verifier";
  static constexpr const char* kOptions = VERIFIER_OPTIONS;

  Target(const wn::Host& host, const wn::Options& options) : target_(options.f64("target")) {
    host.log(WN_LOG_DEBUG, "made");
  }

  wn::VerifierInfo info() const {
    return {.flags = WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC, .preview_time = 0.5};
  }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch.class_id(i) == 8 && batch.candidate_id(i) % 2 == 0) {
        // Through the whole of the unwinder, which is what a static libstdc++ is here for.
        try {
          throw wn::Error(WN_E_INVALID_ARGUMENT, "an even candidate of class 8");
        } catch (const wn::Error& error) {
          batch.fail(i, error.status(), error.what());
          continue;
        }
      }
      double sum = 0;
      for (const float pixel : batch.sample(i)) sum += (pixel - target_) * (pixel - target_);
      const auto size = static_cast<double>(batch.sample(i).size());
      scores[i] = static_cast<float>(-sum / size);
      if (batch.has_previews())
        scores[i] -= static_cast<float>(0.001 * batch.previews().item(i)[0]);
    }
  }

 private:
  double target_;
};

class Slope : public Target {  // without previews, so that gradients are permitted
 public:
  static constexpr const char* kId = "corpus." NAME ".slope";
  static constexpr const char* kOptions = SLOPE_OPTIONS;

  Slope(const wn::Host& host, const wn::Options& options)
      : Target(host, options), target_(options.f64("target")) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC}; }

  void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples) {
    const wn::Tensor<float> out(d_samples);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto pixels = batch.sample(i);
      for (std::size_t e = 0; e < pixels.size(); ++e)
        out.item(i)[e] =
            static_cast<float>(-2 * (pixels[e] - target_) / static_cast<double>(pixels.size()));
    }
  }

 private:
  double target_;
};

class EveryWay : public wn::Search {
 public:
  static constexpr const char* kId = "corpus." NAME ".search";
  static constexpr const char* kOptions = SEARCH_OPTIONS;

  EveryWay(const wn::Host&, const wn::Options& options)
      : gradients_(options.boolean("gradients")) {}

  wn::Task run() override {
    const wn::Noise first = fresh();
    wn::Candidate parent = start(first, {.time = 0.5});
    co_await evaluate(parent);
    for (;;) {
      const wn::Noise other = fresh();
      Candidates round{start(rotate(first, 0.5 + uniform() / 4)),
                       start(mix({first, other}, {1.0, 0.5})),
                       start(linear({first, other}, {0.6, 0.8})),
                       start(splice(first, other, 0.25)),
                       continue_(parent),
                       renoise(parent, fresh(), 0.75, {.time = 0.25}),
                       renoise(parent, fresh(), 0.75, {.steps = 3}),
                       jitter(parent, fresh(), 0.5, {.time = 0.5})};
      co_await evaluate(round);
      if (gradients_ && !round[0].failed()) {
        const wn::Candidate whole = start(fresh());
        co_await evaluate(whole);
        if (!whole.failed()) co_await evaluate(start(gradient(whole, 0.3)));
      }
      if (!round.back().failed()) parent = round.back();
    }
  }

 private:
  bool gradients_;
};

}  // namespace

WN_EXPORT_PLUGINS(Target, Slope, EveryWay)

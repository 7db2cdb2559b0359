// toy_searches: for tests: one that makes candidates in every way the ABI knows but GRADIENT, in
// every round; one that uses gradients in every way; one that forgets where gradients come from;
// odd ones: one that never scores what it names, one that asks for gradients that there are not.
#include "winnow/winnow.hpp"

namespace {

class EveryOperation : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.toy.every_operation";

  wn::Task run() override {
    const wn::Noise first = fresh();
    wn::Candidate parent = start(first, {.time = 0.5});
    co_await evaluate(parent);
    for (;;) {
      const wn::Noise fresh_one = fresh(), turned = rotate(first, 0.9);
      const wn::Candidate shaken_unseen =
          jitter(parent, fresh(), 0.5, {.time = 0.5, .scored = false});
      const wn::Candidate shaken = jitter(parent, fresh(), 0.5, {.time = 0.5});
      Candidates all{
          start(turned),
          start(mix({first, fresh_one}, {1.0, 0.5})),
          start(linear({first, fresh_one}, {0.6, 0.8})),
          start(splice(first, fresh_one, 0.3)),
          start(values(std::vector<float>(16, 0.25f))),  // for the toy sampler of size 4
          continue_(parent),
          continue_(parent, fresh()),
          shaken,
          continue_(shaken),
          continue_(shaken_unseen),
          renoise(parent, fresh(), 0.75, {.time = 0.25}),
          renoise(parent, fresh(), 0.75, {.time = 0.0, .steps = 3}),
      };
      co_await evaluate(all);
      parent = shaken;
    }
  }
};

class EveryGradient : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.toy.every_gradient";

  wn::Task run() override {
    for (;;) {
      const Candidates from = start(fresh(3));
      const wn::Candidate half = start(fresh(), {.time = 0.5});
      const Candidates first{from[0], from[1], from[2], half};
      co_await evaluate(first);
      if (from[0].failed() || from[1].failed() || from[2].failed() || half.failed()) continue;
      const wn::Noise a = gradient(from[0], 0.2), b = gradient(from[0], 0.5);
      const wn::Noise c = gradient(from[1], 0.3), d = gradient(from[2], 0.3);
      // Its children wait for its latent before they may wait for the gradient.
      const wn::Candidate shaken = jitter(half, fresh(), 0.5, {.time = 0.5, .scored = false});
      const wn::Candidate climbed = start(a);
      const wn::Noise turned = rotate(a, 0.9), mixed = mix({a, c}, {1.0, 1.0});
      const Candidates second{renoise(shaken, c, 0.75), continue_(half, d), climbed,     start(b),
                              jitter(half, b, 0.2),     start(turned),      start(mixed)};
      co_await evaluate(second);
      if (climbed.failed()) continue;
      co_await evaluate(start(splice(gradient(climbed, 0.4), fresh(), 0.1)));
    }
  }
};

// Its rounds take several asks, and by the second one no handle names the gradient's candidate.
class Forgetful : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.toy.forgetful";

  wn::Task run() override {
    for (;;) {
      Candidates two = start(fresh(2));
      co_await evaluate(two);
      if (two[0].failed() || two[1].failed()) continue;
      // The better one is the answer so far, which is not forgotten.
      wn::Candidate worse = two[two[0].score() < two[1].score() ? 0 : 1];
      Candidates many;
      many.push_back(start(gradient(worse, 0.3)));
      two.clear();
      worse = {};
      for (int i = 0; i < 300; ++i) many.push_back(start(fresh()));
      co_await evaluate(many);
    }
  }
};

class NeverScores : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.odd.never_scores";

  wn::Task run() override {
    const wn::Candidate only = start(fresh(), {.scored = false});
    choose(only);
    co_await evaluate(only);
  }
};

class WrongGradient : public wn::Search {
 public:
  static constexpr const char* kId = "winnow.odd.wrong_gradient";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_ODD_WRONG_GRADIENT;

  WrongGradient(const wn::Host&, const wn::Options& options) : of_(options.str("of")) {}

  wn::Task run() override {
    const Candidates all = {start(fresh(), {.time = 0.5}), start(fresh(), {.steps = 3}),
                            start(fresh())};
    co_await evaluate(all);
    const wn::Candidate wrong = of_ == "preview"  ? all[0]
                                : of_ == "leg"    ? all[1]
                                : of_ == "failed" ? all[2]
                                                  : start(fresh());
    co_await evaluate(start(gradient(wrong, 0.1)));
  }

 private:
  std::string of_;
};

}  // namespace

WN_EXPORT_PLUGINS(EveryOperation, EveryGradient, Forgetful, NeverScores, WrongGradient)

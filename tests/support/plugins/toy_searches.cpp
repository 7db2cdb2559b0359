// toy_searches: for tests: a search that makes candidates in every way the ABI knows but GRADIENT,
// in every round.
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

}  // namespace

WN_EXPORT_PLUGINS(EveryOperation)

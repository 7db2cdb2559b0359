// sdk_search_test.cpp: the coroutine adapter, driven by a strict toy host.
#include <algorithm>

#include "tests/support/catch.hpp"
#include "tests/support/toy_host.hpp"
#include "winnow/winnow.hpp"

using winnow::test::ToyHost;
using winnow::test::ToyRules;

namespace {

template <class T>
const wn_plugin_1& plugin() {
  static const wn_plugin_1 made = wn::detail::descriptor<T>("1.0.0");
  return made;
}

struct Sketch : wn::Search {  // as in the design and in search.hpp
  static constexpr const char* kId = "test.sketch";
  wn::Task run() override {
    auto pivot = fresh();
    double best = co_await evaluate(start(pivot));
    for (;;) {
      std::vector<wn::Noise> noises;
      for (int i = 0; i < 4; ++i) noises.push_back(rotate(pivot, 0.8));
      auto scores = co_await evaluate(start(noises));
      for (std::size_t i = 0; i < scores.size(); ++i)
        if (scores[i] > best) best = scores[i], pivot = noises[i];
    }
  }
};

struct EveryOperation : wn::Search {
  static constexpr const char* kId = "test.every_operation";
  wn::Task run() override {
    for (;;) {
      const auto a = fresh(), b = fresh();
      const Noises kinds = {rotate(a, 0.5), mix({a, b}, {0.3, 0.7}), linear({a, b}, {1, -1}),
                            splice(a, b, uniform()), values(std::vector<float>(8, 0.25f))};
      const Candidates half = start(kinds, {.time = 0.5});
      const Scores scores = co_await evaluate(half);
      const auto best = half[static_cast<std::size_t>(
          std::max_element(scores.begin(), scores.end()) - scores.begin())];
      const Candidates last = {continue_(best), continue_(best, b), jitter(best, b, 0.5),
                               renoise(best, fresh(), 0.75)};
      co_await evaluate(last);
    }
  }
};

struct Plain : wn::Search {  // as many as the budget allows, seven at a time
  static constexpr const char* kId = "test.plain";
  wn::Task run() override {
    for (;;) {
      const auto scores = co_await evaluate(start(fresh(7)));
      seen.insert(seen.end(), scores.begin(), scores.end());
    }
  }
  static inline Scores seen;
};

struct FirstNoise : wn::Search {  // turns the first noise all the time, whatever it was worth
  static constexpr const char* kId = "test.first_noise";
  wn::Task run() override {
    const auto first = fresh();
    co_await evaluate(start(first));
    for (int i = 0; i < 3; ++i) co_await evaluate(start(fresh(10)));  // one of them is better
    for (;;) co_await evaluate(start(rotate(first, 0.1)));
  }
};

struct Throws : wn::Search {
  static constexpr const char* kId = "test.throws";
  wn::Task run() override {
    co_await evaluate(start(fresh(2)));
    throw wn::Error(WN_E_FAILED_PRECONDITION, "nothing to search for");
  }
};

struct Parents : wn::Search {
  static constexpr const char* kId = "test.parents";
  wn::Task run() override {
    const auto parent = start(fresh(), {.time = 0.5});
    const double price = cost(continue_(parent));
    const double before = left();
    const double score = co_await evaluate(continue_(parent));
    const bool unscored = std::isnan(parent.score()) && !parent.failed();
    facts = {price, before - left(), score, unscored ? 1.0 : 0.0};
  }
  static inline std::vector<double> facts;
};

struct Again : wn::Search {
  static constexpr const char* kId = "test.again";
  wn::Task run() override {
    const auto old = start(fresh(3));
    first = co_await evaluate(old);
    second = co_await evaluate(old);
    auto more = start(fresh(2));
    more.insert(more.end(), old.begin(), old.end());
    third = co_await evaluate(more);
  }
  static inline Scores first, second, third;
};

template <class T>
ToyHost host(const ToyRules& rules) {
  return ToyHost(plugin<T>(), {}, rules);
}

}  // namespace

TEMPLATE_TEST_CASE("proposals do not depend on how many fit into one ask", "[sdk][search]", Sketch,
                   EveryOperation, Plain) {
  for (const bool ranked : {false, true}) {
    auto whole = host<TestType>({.max_n = 1000, .budget = 400, .ranked = ranked});
    const auto best = whole.run();
    REQUIRE(whole.error() == "");
    REQUIRE(best != 0);
    for (const std::uint64_t max_n : {1, 3, 16}) {
      auto cut = host<TestType>({.max_n = max_n, .budget = 400, .ranked = ranked});
      CHECK(cut.run() == best);
      CHECK(cut.log == whole.log);
      CHECK(cut.rounds == whole.rounds);
    }
  }
}

TEMPLATE_TEST_CASE("the same tells give the same asks", "[sdk][search]", Sketch, EveryOperation) {
  auto once = host<TestType>({.budget = 300}), again = host<TestType>({.budget = 300});
  CHECK(once.run() == again.run());
  CHECK(once.log == again.log);
  auto other = host<TestType>({.budget = 300, .seed = 8});
  other.run();
  REQUIRE(other.best_quality != once.best_quality);
}

TEST_CASE("the budget may end inside a round: what was pushed is judged, then it is over",
          "[sdk][search]") {
  Plain::seen.clear();
  auto toy = host<Plain>({.budget = 100});  // 10 samples: a round of 7, and 3 of the next
  const auto best = toy.run();
  CHECK(toy.error() == "");
  CHECK(toy.rounds == std::vector<std::size_t>{7, 3});
  CHECK(Plain::seen.size() == 7);  // never resumed with scores missing
  CHECK(toy.quality(best) == toy.best_quality);
}

TEST_CASE("the answer is the best sample even when it was told in the round that the budget cut",
          "[sdk][search]") {
  bool seen_in_the_cut_round = false;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto toy = host<Plain>({.budget = 100, .seed = seed});
    const auto best = toy.run();
    CHECK(toy.quality(best) == toy.best_quality);
    seen_in_the_cut_round |= best > 7;
  }
  CHECK(seen_in_the_cut_round);
}

TEST_CASE("a candidate that fails scores minus infinity, is never the answer, and stops nothing",
          "[sdk][search]") {
  Plain::seen.clear();
  auto toy = host<Plain>({.budget = 210, .fails = [](std::uint64_t k) { return k % 3 == 1; }});
  const auto best = toy.run();
  CHECK(toy.pushed() == 21);
  CHECK(std::count(Plain::seen.begin(), Plain::seen.end(),
                   -std::numeric_limits<double>::infinity()) == 7);
  CHECK(toy.quality(best) == toy.best_quality);

  auto hopeless = host<Plain>({.budget = 70, .fails = [](std::uint64_t) { return true; }});
  CHECK(hopeless.run() == 0);
  CHECK(hopeless.error() == "");
}

TEST_CASE("what nobody names any more is forgotten, so memory is flat", "[sdk][search]") {
  auto small = host<Sketch>({.budget = 1000}), large = host<Sketch>({.budget = 30000});
  REQUIRE(small.run() != 0);
  REQUIRE(large.run() != 0);
  CHECK(large.error() == "");
  CHECK(large.pushed() > 2900);
  CHECK(large.most_alive <= small.most_alive + 2);
  CHECK(large.most_alive < 16);
}

TEST_CASE("a noise that is still held can be rotated long after its candidate's handle is gone",
          "[sdk][search]") {
  auto toy = host<FirstNoise>({.budget = 5000});
  const auto best = toy.run();
  CHECK(toy.error() == "");
  REQUIRE(best > 1);  // so it is not the answer that kept the first candidate
  CHECK(toy.pushed() == 500);
  CHECK(toy.noises_alive() < 5);
}

TEST_CASE("a loop that compares with its best score so far climbs, under ranked selection too",
          "[sdk][search]") {
  for (const bool ranked : {false, true}) {
    double climbed = 0, drawn = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      auto a = host<Sketch>({.budget = 810, .ranked = ranked, .seed = seed});
      auto b = host<Plain>({.budget = 810, .ranked = ranked, .seed = seed});
      const auto best_a = a.run(), best_b = b.run();
      climbed += ranked ? a.sum(best_a) : a.quality(best_a);
      drawn += ranked ? b.sum(best_b) : b.quality(best_b);
      CHECK(a.error() == "");
      CHECK(a.spent == 810);
    }
    CAPTURE(ranked, climbed / 20, drawn / 20);
    CHECK(climbed / 20 > drawn / 20 + 0.1);  // with stale ranks it falls below
  }
}

TEST_CASE("under ranked selection all round winners are judged in one last pool", "[sdk][search]") {
  std::size_t judged = 0, not_the_last_incumbent = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto toy = host<Plain>({.max_n = 3, .budget = 700, .ranked = true, .seed = seed});
    const auto best = toy.run();
    REQUIRE(toy.error() == "");
    CHECK(toy.spent == 700);
    if (toy.last_told.size() < 2) continue;  // one candidate won all rounds
    ++judged;
    const auto winner =
        std::max_element(toy.last_told.begin(), toy.last_told.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    CHECK(winner->first == best);
    not_the_last_incumbent += best != toy.last_told.back().first;
  }
  CHECK(judged > 10);
  CHECK(not_the_last_incumbent > 0);
}

TEST_CASE("an exception in the loop becomes the error of the ask", "[sdk][search]") {
  auto toy = host<Throws>({});
  CHECK(toy.run() == 0);
  CHECK(toy.error() == "nothing to search for");
}

TEST_CASE("parents that were never evaluated run first, unscored, and are part of the price",
          "[sdk][search]") {
  auto toy = host<Parents>({});
  const auto best = toy.run();
  CHECK(toy.rounds.front() == 2);
  CHECK(Parents::facts[0] == 10);  // 5 steps for the parent, 5 for the child, no preview
  CHECK(Parents::facts[1] == 10);
  CHECK(Parents::facts[2] == toy.quality(best));
  CHECK(Parents::facts[3] == 1);
}

TEST_CASE("evaluating again costs nothing: the known score, or a place in this round's ranks",
          "[sdk][search]") {
  auto plain = host<Again>({});
  REQUIRE(plain.run() != 0);
  CHECK(plain.spent == 50);
  CHECK(Again::first == Again::second);
  CHECK(std::equal(Again::first.begin(), Again::first.end(), Again::third.begin() + 2));

  auto ranked = host<Again>({.ranked = true});
  const auto best = ranked.run();
  REQUIRE(ranked.error() == "");
  REQUIRE(best != 0);
  CHECK(ranked.spent == 50);
  // The ranks of one round order its candidates; shifts only move them all.
  REQUIRE(Again::third.size() == 5);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      if (Again::first[i] > Again::first[j]) CHECK(Again::third[i + 2] >= Again::third[j + 2]);
}

// sdk_searches_test.cpp: the shipped searches through their real tables, on the toy host.
//
// The plugins' own source files are compiled in, with the one exported function renamed.
#include "tests/support/catch.hpp"
#include "tests/support/toy_host.hpp"
#include "winnow/winnow.hpp"

#define WINNOW_PACKAGE_VERSION "1.0.0"
#define WINNOW_OPTIONS_WINNOW_RANDOM nullptr
#define WINNOW_OPTIONS_WINNOW_ZERO_ORDER nullptr
#define WINNOW_OPTIONS_WINNOW_PATHS nullptr

#define wn_plugin_negotiate_v1 negotiate_random
#include "plugins/searches/random.cpp"
#undef wn_plugin_negotiate_v1
#define wn_plugin_negotiate_v1 negotiate_zero_order
#include "plugins/searches/zero_order.cpp"
#undef wn_plugin_negotiate_v1
#define wn_plugin_negotiate_v1 negotiate_paths
#include "plugins/searches/paths.cpp"
#undef wn_plugin_negotiate_v1

using winnow::test::ToyHost;
using winnow::test::ToyRules;
using Values = winnow::test::ToyOptions;

namespace {

const wn_plugin_1& load(wn_negotiate_fn negotiate) {
  wn_loader loader{};
  loader.struct_size = WN_SIZE(wn_loader, library_dir);
  loader.magic = WN_MAGIC;
  wn_library library{};
  library.struct_size = WN_SIZE(wn_library, shutdown);
  REQUIRE(negotiate(&loader, &library) == WN_OK);
  REQUIRE(library.n_plugins == 1);
  REQUIRE(std::string(library.plugins[0]->kind) == "search");
  return *library.plugins[0];
}

Values random_options(std::int64_t candidates, std::int64_t round) {
  return {{"candidates", candidates}, {"round", round}, {"preview_times", std::vector<double>{}}};
}
Values zero_order_options(const std::string& policy) {
  return {{"neighbours", std::int64_t{4}},
          {"cosine", 0.9},
          {"iterations", std::int64_t{0}},
          {"no_improvement", policy}};
}
Values paths_options(std::int64_t branches) {
  return {{"paths", std::int64_t{2}},
          {"branches", branches},
          {"sigma", 0.11},
          {"delta_f", 0.78},
          {"delta_b", 0.81},
          {"leg_steps", std::int64_t{4}},
          {"start_steps", std::int64_t{0}}};
}

}  // namespace

TEST_CASE("random draws N, all of them when the budget allows, and its rounds change nothing",
          "[searches]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (const bool ranked : {false, true}) {
      std::vector<double> found;
      for (const std::int64_t round : {1, 5, 64}) {
        ToyHost toy(load(negotiate_random), random_options(16, round),
                    {.budget = 1000, .ranked = ranked, .seed = seed});
        const auto best = toy.run();
        CHECK(toy.error() == "");
        CHECK(toy.spent == 160);
        found.push_back(toy.quality(best));
        if (!ranked) CHECK(toy.quality(best) == toy.best_quality);
      }
      CHECK(found[0] == found[1]);
      CHECK(found[1] == found[2]);
    }
}

TEST_CASE("random without a number goes on to the end of the budget", "[searches]") {
  ToyHost toy(load(negotiate_random), random_options(0, 64), {.budget = 1005});
  CHECK(toy.quality(toy.run()) == toy.best_quality);
  CHECK(toy.pushed() == 100);
}

TEST_CASE("random forgets all but the best, over many rounds", "[searches]") {
  ToyHost toy(load(negotiate_random), random_options(0, 10), {.max_n = 1000, .budget = 1e5});
  REQUIRE(toy.run() != 0);
  CHECK(toy.pushed() == 10000);
  CHECK(toy.most_alive <= 22);
}

TEST_CASE("zero_order never runs its pivot again and ends above random", "[searches]") {
  double local = 0, independent = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    for (const bool ranked : {false, true}) {
      ToyHost toy(load(negotiate_zero_order), zero_order_options("keep"),
                  {.budget = 810, .ranked = ranked, .seed = seed});
      const auto best = toy.run();
      CHECK(toy.error() == "");
      CHECK(toy.spent == 810);  // 81 samples: the first pivot and 20 rounds of 4
      if (!ranked) {
        CHECK(toy.pushed() == 81);
        CHECK(toy.quality(best) == toy.best_quality);
      }
      local += toy.quality(best) / 2;
    }
    ToyHost toy(load(negotiate_random), random_options(0, 64), {.budget = 810, .seed = seed});
    independent += toy.quality(toy.run());
  }
  CHECK(local > independent);
}

TEST_CASE("zero_order with redraw keeps the best sample of all its pivots", "[searches]") {
  ToyHost toy(load(negotiate_zero_order), zero_order_options("redraw"), {.budget = 2000});
  const auto best = toy.run();
  CHECK(toy.error() == "");
  CHECK(toy.quality(best) == toy.best_quality);
  const auto starts = std::count_if(toy.log.begin(), toy.log.end(), [](const std::string& line) {
    return line.find("op 0 at") != std::string::npos;
  });
  CHECK(starts > 1);
}

TEST_CASE("paths goes back and forth and ends exactly at time 0", "[searches]") {
  for (const bool ranked : {false, true})
    for (const std::uint64_t max_n : {1, 3, 16}) {
      ToyHost toy(load(negotiate_paths), paths_options(3),
                  {.max_n = max_n, .budget = 1000, .ranked = ranked});
      const auto best = toy.run();
      CHECK(toy.error() == "");
      CHECK(toy.time_of(best) == 0);
      // 2 x 9 steps down; rounds at .11 .08 .05 .02: 2 x 3 legs of 4 steps, previews in three
      CHECK(toy.spent == 18 + 4 * 6 * 4 + 3 * 6);
    }
}

TEST_CASE("paths takes as many branches as the budget allows", "[searches]") {
  ToyHost toy(load(negotiate_paths), paths_options(0), {.budget = 500});
  const auto best = toy.run();
  CHECK(toy.error() == "");
  CHECK(toy.time_of(best) == 0);
  CHECK(toy.spent == 18 + 12 * 2 * 19);  // 12 branches: 474; 13 would be 512
}

TEST_CASE("paths are fewer where the budget cannot pay a branch of each", "[searches]") {
  // 9 down and 19 for a branch: one path with one branch, with two, and two paths.
  for (const auto [budget, spent] : {std::pair(30.0, 28.0), {55.0, 47.0}, {56.0, 56.0}}) {
    ToyHost toy(load(negotiate_paths), paths_options(0), {.budget = budget});
    const auto best = toy.run();
    CHECK(toy.error() == "");
    CHECK(toy.time_of(best) == 0);
    CHECK(toy.spent == spent);
  }
}

TEST_CASE("paths that would never reach the data are refused", "[searches]") {
  Values wrong = paths_options(3);
  wrong["delta_b"] = 0.7;
  CHECK_THROWS_WITH(ToyHost(load(negotiate_paths), wrong, ToyRules{}),
                    Catch::Contains("delta_b is 0.7 and delta_f is 0.78: delta_b must be greater"));
  wrong = paths_options(3);
  wrong["sigma"] = 0.3;
  CHECK_THROWS_WITH(ToyHost(load(negotiate_paths), wrong, ToyRules{}),
                    Catch::Contains("sigma is 0.3 and delta_f is 0.78: together they must be at "
                                    "most 1"));
  wrong = paths_options(3);
  wrong["delta_b"] = 0.78 + 1e-7;
  CHECK_THROWS_WITH(ToyHost(load(negotiate_paths), wrong, ToyRules{}),
                    Catch::Contains("takes more than 10000 rounds"));
}

TEST_CASE("paths may give the first leg, too, a number of steps of its own", "[searches]") {
  Values options = paths_options(3);
  options["start_steps"] = std::int64_t{5};
  ToyHost toy(load(negotiate_paths), options, {.budget = 1000});
  CHECK(toy.time_of(toy.run()) == 0);
  CHECK(toy.spent == 2 * 5 + 4 * 6 * 4 + 3 * 6);
}

TEST_CASE("paths lands exactly on time 0 whatever the floats", "[searches]") {
  struct Case {
    double sigma, delta_f, delta_b;
    std::size_t rounds;  // ceil(sigma / (delta_b - delta_f)), by hand
  };
  for (const Case& c : {Case{0.1, 0.5, 0.53, 4}, Case{0.3, 0.6, 0.7, 3}, Case{0.7, 0.1, 0.2, 7},
                        Case{0.12, 0.78, 0.81, 4}, Case{0.06, 0.9, 0.92, 3},
                        Case{1.0 / 3, 0.1, 0.1 + 1.0 / 9, 3}, Case{0.2, 0.4, 0.9, 1}}) {
    CAPTURE(c.sigma, c.delta_f, c.delta_b);
    Values options = paths_options(2);
    options["sigma"] = c.sigma;
    options["delta_f"] = c.delta_f;
    options["delta_b"] = c.delta_b;
    ToyHost toy(load(negotiate_paths), options, {.budget = 10000});
    const auto best = toy.run();
    REQUIRE(toy.error() == "");
    CHECK(toy.time_of(best) == 0);    // exactly, or the sample would keep noise
    REQUIRE(toy.rounds.back() == 0);  // the loop returns after its last round
    CHECK(toy.rounds.size() == c.rounds + 1);
    const auto at_zero = std::count_if(toy.log.begin(), toy.log.end(), [](const std::string& line) {
      return line.ends_with(" > " + std::to_string(0.0));
    });
    CHECK(at_zero == 4);  // the last round's 2 x 2 and no others
  }
}

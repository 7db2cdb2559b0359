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
using Values = std::map<std::string, std::variant<std::int64_t, double, std::string>>;

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
  return {{"candidates", candidates}, {"round", round}};
}
Values zero_order_options(const std::string& policy) {
  return {{"neighbours", std::int64_t{4}},
          {"cosine", 0.9},
          {"iterations", std::int64_t{0}},
          {"no_improvement", policy}};
}
Values paths_options(std::int64_t branches) {
  return {{"paths", std::int64_t{2}}, {"branches", branches}, {"sigma", 0.11},
          {"forward", 0.78},          {"back", 0.81},         {"leg_steps", std::int64_t{4}}};
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

TEST_CASE("paths that would never reach the data are refused", "[searches]") {
  Values wrong = paths_options(3);
  wrong["back"] = 0.7;
  CHECK_THROWS_WITH(ToyHost(load(negotiate_paths), wrong, ToyRules{}),
                    Catch::Contains("back must be greater than forward"));
}

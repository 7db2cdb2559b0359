// recipe_key_test.cpp: what is part of a recipe's key, and what is not.
#include "host/recipe_key.hpp"

#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

struct Recipe {
  KeyScope scope{{{{1.0, 0.75, 0.5, 0.25, 0.0}, {1.0, 0.5, 0.0}}}, "brightness"};
  std::string condition = condition_text(3, "a cat", "");
  Noise root, turned;
  Candidate parent, child;

  Recipe() {
    root.id = 1;
    root.at = {11, 12, 13};
    turned.id = 2;
    turned.op = WN_NOISE_ROTATE;
    turned.at = {21, 22, 23};
    turned.s = 0.9;
    turned.parents = {1};
    parent.id = 5;
    parent.op = WN_CAND_START;
    parent.noise = 2;
    parent.own_noise = true;
    parent.stop_time = 0.5;
    child.id = 6;
    child.op = WN_CAND_CONTINUE;
    child.parent = 5;
  }

  RecipeKey key() const {
    RecipeKeys keys(scope, condition);
    keys.add(root);
    keys.add(turned);
    keys.add(parent);
    keys.add(child);
    return keys.of(child.id);
  }
};

template <typename Change>
Recipe changed(Recipe recipe, Change change) {
  change(recipe);
  return recipe;
}

}  // namespace

TEST_CASE("a key changes with every ingredient of the recipe", "[recipe_key]") {
  Recipe base;
  base.child.op = WN_CAND_RENOISE;
  base.child.own_noise = true;
  base.child.noise = 1;
  base.child.from_time = 0.75;
  const std::vector<std::pair<std::string, std::function<void(Recipe&)>>> changes{
      {"class", [](Recipe& r) { r.condition = condition_text(4, "a cat", ""); }},
      {"prompt", [](Recipe& r) { r.condition = condition_text(3, "a dog", ""); }},
      {"image", [](Recipe& r) { r.condition = condition_text(3, "a cat", "ab"); }},
      {"seed", [](Recipe& r) { ++r.root.at.seed; }},
      {"stream", [](Recipe& r) { ++r.root.at.stream; }},
      {"domain", [](Recipe& r) { ++r.root.at.domain; }},
      {"address of the rotation", [](Recipe& r) { ++r.turned.at.stream; }},
      {"cosine", [](Recipe& r) { r.turned.s = 0.8; }},
      {"noise operation", [](Recipe& r) { r.turned.op = WN_NOISE_SPLICE; }},
      {"parents of a noise",
       [](Recipe& r) {
         r.turned.parents = {1, 1};
       }},
      {"weights", [](Recipe& r) { r.turned.weights = {0.5}; }},
      {"values", [](Recipe& r) { r.turned.tensor = {0.5f}; }},
      {"noise of the parent", [](Recipe& r) { r.parent.noise = 1; }},
      {"noise", [](Recipe& r) { r.child.noise = 2; }},
      {"inherited noise", [](Recipe& r) { r.child.own_noise = false; }},
      {"operation", [](Recipe& r) { r.child.op = WN_CAND_JITTER; }},
      {"stop of the parent", [](Recipe& r) { r.parent.stop_time = 0.25; }},
      {"stop", [](Recipe& r) { r.child.stop_time = 0.25; }},
      {"from", [](Recipe& r) { r.child.from_time = 1.0; }},
      {"stochasticity", [](Recipe& r) { r.child.stochasticity = -1; }},
      {"stochasticity of the parent", [](Recipe& r) { r.parent.stochasticity = 0.5; }},
      {"steps of the leg", [](Recipe& r) { r.child.leg_steps = 3; }},
      {"profile", [](Recipe& r) { r.child.profile = WN_PROFILE_SEARCH; }}};
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> seen;
  const RecipeKey key = base.key();
  REQUIRE(key);
  seen[{key.high, key.low}] = "nothing";
  for (const auto& [name, change] : changes) {
    const RecipeKey other = changed(base, change).key();
    REQUIRE(other);
    const auto [where, is_new] = seen.emplace(std::pair{other.high, other.low}, name);
    INFO(name << " gives the key of " << where->second);
    CHECK(is_new);
  }
}

TEST_CASE("ids, pools and whether it is scored are no part of a key", "[recipe_key]") {
  const Recipe base;
  const auto renamed = changed(base, [](Recipe& r) {
    r.root.id = 7;
    r.turned.id = 8;
    r.turned.parents = {7};
    r.parent.id = 17;
    r.parent.noise = 8;
    r.parent.scored = true;
    r.parent.pool = 3;
    r.child.id = 18;
    r.child.parent = 17;
    r.child.scored = true;
  });
  CHECK(renamed.key() == base.key());
}

TEST_CASE("jitter's strength is part of its key, as is the position of explicit values",
          "[recipe_key]") {
  Recipe base;
  base.child.op = WN_CAND_JITTER;
  base.child.own_noise = true;
  base.child.noise = 1;
  base.child.s = 0.5;
  base.turned.tensor = {1.0f, 2.0f};
  CHECK(changed(base, [](Recipe& r) { r.child.s = 0.25; }).key() != base.key());
  CHECK(changed(base, [](Recipe& r) { r.turned.position = 1; }).key() != base.key());
}

TEST_CASE("a continuation along the schedule has the key of the start that did not stop",
          "[recipe_key]") {
  const Recipe base;
  Recipe whole;
  whole.child = whole.parent;
  whole.child.id = 6;
  whole.child.stop_time = 0;
  CHECK(base.key() == whole.key());

  SECTION("and so on over several stops") {
    RecipeKeys keys(base.scope, base.condition);
    keys.add(base.root);
    keys.add(base.turned);
    Candidate c = base.parent;
    c.stop_time = 0.75;
    keys.add(c);
    for (const double stop : {0.5, 0.25, 0.0}) {
      Candidate next = base.child;
      next.parent = c.id;
      next.id = c.id + 1;
      next.stop_time = stop;
      keys.add(next);
      c = next;
    }
    CHECK(keys.of(c.id) == whole.key());
  }
  SECTION("the parent's noise by its own name is the parent's noise") {
    const auto named = changed(base, [](Recipe& r) {
      r.child.own_noise = true;
      r.child.noise = 2;
    });
    CHECK(named.key() == whole.key());
  }
  SECTION("but not from between the schedule's times, nor with another noise, way or solver") {
    using Change = std::function<void(Recipe&)>;
    for (const Change& change :
         {Change([](Recipe& r) { r.parent.stop_time = 0.6; }), Change([](Recipe& r) {
            r.child.own_noise = true;
            r.child.noise = 1;
          }),
          Change([](Recipe& r) { r.child.leg_steps = 2; }),
          Change([](Recipe& r) { r.parent.leg_steps = 2; }),
          Change([](Recipe& r) { r.child.stochasticity = -1; }),
          Change([](Recipe& r) { r.child.profile = WN_PROFILE_SEARCH; })})
      CHECK(changed(base, change).key() != whole.key());
  }
}

TEST_CASE("a gradient's key covers its candidate, its step and what it follows", "[recipe_key]") {
  Recipe base;
  const auto key_with = [&](const std::string& objective, std::uint64_t of, double step) {
    const KeyScope scope{base.scope.times, objective};
    RecipeKeys keys(scope, base.condition);
    keys.add(base.root);
    keys.add(base.turned);
    keys.add(base.parent);
    keys.add(base.child);
    Noise moved;
    moved.id = 9;
    moved.op = WN_NOISE_GRADIENT;
    moved.candidate = of;
    moved.s = step;
    keys.add(moved);
    Candidate start = base.parent;
    start.id = 7;
    start.noise = 9;
    keys.add(start);
    return keys.of(7);
  };
  const RecipeKey key = key_with("brightness", 6, 0.1);
  CHECK(key);
  CHECK(key == key_with("brightness", 6, 0.1));
  CHECK(key != key_with("sharpness", 6, 0.1));
  CHECK(key != key_with("brightness", 5, 0.1));
  CHECK(key != key_with("brightness", 6, 0.2));
  CHECK_FALSE(key_with("brightness", 99, 0.1));  // what is not known has no key
}

TEST_CASE("keys of what is forgotten go, the others stay", "[recipe_key]") {
  const Recipe base;
  RecipeKeys keys(base.scope, base.condition);
  keys.add(base.root);
  keys.add(base.turned);
  keys.add(base.parent);
  keys.add(base.child);
  const RecipeKey kept = keys.of(6);
  keys.keep([](std::uint64_t id) { return id == 2; }, [](std::uint64_t id) { return id == 6; });
  CHECK(keys.size() == 2);
  CHECK(keys.of(6) == kept);
  CHECK_FALSE(keys.of(5));
}

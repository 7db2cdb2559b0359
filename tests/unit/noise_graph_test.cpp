// noise_graph_test.cpp: operations on noises: geometry, purity, forgetting, refusals.
#include "host/noise_graph.hpp"

#include <cmath>
#include <vector>

#include "host/error.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

constexpr std::uint64_t kElements = 784;

wn_noise_recipe recipe(std::uint64_t id, std::uint32_t op, std::uint64_t stream) {
  wn_noise_recipe r{};
  r.struct_size = WN_SIZE(wn_noise_recipe, reserved0);
  r.id = id;
  r.op = op;
  r.addr = {.seed = 5, .stream = stream, .domain = 1, .reserved0 = 0};
  return r;
}

wn_noise_recipe rotated(std::uint64_t id, std::uint64_t parent, double cosine) {
  wn_noise_recipe r = recipe(id, WN_NOISE_ROTATE, id);
  r.parent = parent;
  r.s = cosine;
  return r;
}

std::vector<float> at(NoiseGraph& graph, std::uint64_t id, std::uint32_t position = 0) {
  std::vector<float> out(kElements);
  graph.evaluate(id, position, out);
  return out;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace

TEST_CASE("a rotated noise keeps norm and cosine to 1e-6 at every position", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  graph.push(rotated(2, 1, 0.95));
  graph.push(rotated(3, 2, -0.3));
  for (std::uint32_t position : {0u, 1u, 9u}) {
    const auto x = at(graph, 1, position), y = at(graph, 2, position), z = at(graph, 3, position);
    const double xx = std::sqrt(dot(x, x)), yy = std::sqrt(dot(y, y)), zz = std::sqrt(dot(z, z));
    CHECK(std::abs(yy / xx - 1) < 1e-6);
    CHECK(std::abs(dot(x, y) / (xx * yy) - 0.95) < 1e-6);
    CHECK(std::abs(dot(y, z) / (yy * zz) + 0.3) < 1e-6);
  }
}

TEST_CASE("a noise is the same whatever was evaluated before it", "[noise]") {
  const auto build = [](NoiseGraph& graph) {
    graph.push(recipe(1, WN_NOISE_FRESH, 1));
    for (std::uint64_t id = 2; id <= 60; ++id) graph.push(rotated(id, id - 1, 0.9));
  };
  NoiseGraph straight(kElements), busy(kElements);
  build(straight);
  build(busy);
  for (std::uint64_t id = 2; id <= 60; ++id) at(busy, id);
  CHECK(at(straight, 60) == at(busy, 60));
  CHECK(at(straight, 60, 4) == at(busy, 60, 4));
}

TEST_CASE("a pivot that children were made of can be evaluated again itself", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  graph.push(rotated(2, 1, 0.9));
  graph.push(rotated(3, 2, 0.9));
  const auto before = at(graph, 2);
  at(graph, 3);
  CHECK(at(graph, 2) == before);
}

TEST_CASE("a chain of ten thousand rotations is evaluated without recursion", "[noise]") {
  NoiseGraph graph(4);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  for (std::uint64_t id = 2; id <= 10'000; ++id) graph.push(rotated(id, id - 1, 0.99));
  std::vector<float> out(4);
  graph.evaluate(10'000, 0, out);
  CHECK(std::isfinite(out[0]));
}

TEST_CASE("mix keeps the norm of its first parent, linear does not", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  graph.push(recipe(2, WN_NOISE_FRESH, 2));
  const std::uint64_t parents[] = {1, 2};
  const double weights[] = {0.5, 2.0};
  wn_noise_recipe mix = recipe(3, WN_NOISE_MIX, 0), linear = recipe(4, WN_NOISE_LINEAR, 0);
  mix.parents = linear.parents = parents;
  mix.weights = linear.weights = weights;
  mix.n_parents = linear.n_parents = 2;
  graph.push(mix);
  graph.push(linear);
  const auto x = at(graph, 1), y = at(graph, 2), m = at(graph, 3), l = at(graph, 4);
  CHECK(std::sqrt(dot(m, m)) == Approx(std::sqrt(dot(x, x))).epsilon(1e-6));
  CHECK(l[17] == Approx(0.5 * x[17] + 2.0 * y[17]));
  CHECK(dot(m, l) / std::sqrt(dot(m, m) * dot(l, l)) == Approx(1).epsilon(1e-6));
}

TEST_CASE("splice takes each element from one parent, with the given share", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  graph.push(recipe(2, WN_NOISE_FRESH, 2));
  const std::uint64_t parents[] = {1, 2};
  wn_noise_recipe splice = recipe(3, WN_NOISE_SPLICE, 3);
  splice.parents = parents;
  splice.n_parents = 2;
  splice.s = 0.25;
  graph.push(splice);
  const auto x = at(graph, 1), y = at(graph, 2), z = at(graph, 3);
  int second = 0;
  for (std::size_t i = 0; i < kElements; ++i) {
    CHECK((z[i] == x[i] || z[i] == y[i]));
    second += z[i] == y[i];
  }
  CHECK(second > kElements * 0.18);
  CHECK(second < kElements * 0.32);
}

TEST_CASE("an explicit tensor holds at its position, fresh noise at the others", "[noise]") {
  NoiseGraph graph(4);
  float data[] = {1, 2, 3, 4};
  std::int64_t shape[] = {4};
  const wn_tensor tensor{data, {1, 0}, 1, {2, 32, 1}, shape, nullptr, 0};
  wn_noise_recipe r = recipe(1, WN_NOISE_TENSOR, 1);
  r.tensor = &tensor;
  r.position = 2;
  graph.push(r);
  graph.push(recipe(2, WN_NOISE_FRESH, 1));
  std::vector<float> there(4), elsewhere(4), fresh(4);
  graph.evaluate(1, 2, there);
  graph.evaluate(1, 0, elsewhere);
  graph.evaluate(2, 0, fresh);
  CHECK(there == std::vector<float>{1, 2, 3, 4});
  CHECK(elsewhere == fresh);
}

TEST_CASE("a noise goes with its last candidate unless another was made of it", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  graph.push(rotated(2, 1, 0.9));
  graph.push(recipe(3, WN_NOISE_FRESH, 3));
  graph.retain(1);
  graph.retain(2);
  graph.release(1);
  CHECK(graph.has(1));  // 2 is made of it
  graph.release(2);
  CHECK_FALSE(graph.has(2));
  CHECK_FALSE(graph.has(1));
  CHECK(graph.has(3));  // not used yet
}

TEST_CASE("a twist holds at its position and tells the change of density there", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(1, WN_NOISE_FRESH, 1));
  wn_noise_recipe twist = recipe(2, WN_NOISE_TWIST, 0);
  twist.parent = 1;
  twist.candidate = 9;
  twist.s = 0.5;
  graph.push(twist, {9, 0, 3});
  CHECK(graph.missing(2) == 2);
  CHECK(graph.undrawn(2) == std::vector<std::uint64_t>{2});
  CHECK(graph.log_ratio(2) == 0);
  CHECK_THROWS_WITH(at(graph, 2, 3), Catch::Contains("its gradient was not made"));
  CHECK(at(graph, 2, 0) == at(graph, 1, 0));  // elsewhere it is its parent, made or not
  std::vector<float> made = at(graph, 1, 3);
  double ratio = 0;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const double z = made[i];
    made[i] = static_cast<float>(z + 0.01 * static_cast<double>(i % 7));
    ratio += (z * z - double{made[i]} * made[i]) / 2;
  }
  graph.set(2, made);
  CHECK(graph.missing(2) == 0);
  CHECK(at(graph, 2, 3) == made);
  CHECK(at(graph, 2, 4) == at(graph, 1, 4));
  CHECK(graph.log_ratio(2) == Approx(ratio));
  CHECK_THROWS_WITH(graph.push(rotated(3, 2, 0.9)), Catch::Contains("of which no noise is made"));
  CHECK_THROWS_WITH(graph.push(recipe(4, WN_NOISE_TWIST, 0)), Catch::Contains("unknown operation"));
}

TEST_CASE("bad noise recipes are refused with the id and the reason", "[noise]") {
  NoiseGraph graph(kElements);
  graph.push(recipe(5, WN_NOISE_FRESH, 1));
  CHECK_THROWS_WITH(graph.push(recipe(5, WN_NOISE_FRESH, 1)), Catch::Contains("ids must grow"));
  CHECK_THROWS_WITH(graph.push(rotated(6, 4, 0.9)), Catch::Contains("parent 4 is not there"));
  CHECK_THROWS_WITH(graph.push(rotated(6, 5, 1.5)), Catch::Contains("outside [-1, 1]"));
  CHECK_THROWS_WITH(graph.push(rotated(6, 5, NAN)), Catch::Contains("not finite"));
  CHECK_THROWS_WITH(graph.push(recipe(6, 77, 1)), Catch::Contains("unknown operation 77"));
  wn_noise_recipe domain = recipe(6, WN_NOISE_FRESH, 1);
  domain.addr.domain = 256;
  CHECK_THROWS_WITH(graph.push(domain), Catch::Contains("domain 256"));
  CHECK_THROWS_WITH(graph.push(recipe(6, WN_NOISE_MIX, 1)), Catch::Contains("parents"));
}

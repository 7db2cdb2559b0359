// Simulated people, mistakes and rank correlations: what the judges of scenes are trained and
// measured by.
#include "examples/training/scenes/raters.hpp"

#include <cmath>

#include "examples/training/rank_correlation.hpp"
#include "scenes/draw.hpp"
#include "scenes/match.hpp"
#include "scenes/render.hpp"
#include "tests/support/catch.hpp"

namespace winnow::training {
namespace {

constexpr uint64_t kSeed = 2028;

scenes::Request any_request(scenes::RandomStream& random) {
  return scenes::draw_request(static_cast<scenes::Category>(random.below(scenes::kCategories)),
                              random);
}

TEST_CASE("a mistake changes what a scene shows, or where", "[scenes]") {
  for (uint64_t i = 0; i < 300; ++i) {
    scenes::RandomStream random(kSeed, i);
    const scenes::Scene right = scenes::draw_scene(any_request(random), random);
    const scenes::Scene wrong = with_mistake(right, random);
    bool moved = wrong.objects.size() != right.objects.size();
    for (size_t k = 0; !moved && k < right.objects.size(); ++k) {
      moved = wrong.objects[k].x != right.objects[k].x || wrong.objects[k].y != right.objects[k].y;
    }
    const bool same = all_of(right) == all_of(wrong);
    // Two objects of one colour or shape can exchange it without anyone noticing.
    bool alike = false;
    for (size_t k = 1; k < right.objects.size(); ++k) {
      alike |= right.objects[k].colour == right.objects[0].colour;
      alike |= right.objects[k].shape == right.objects[0].shape;
    }
    CHECK((!same || moved || alike));
    CHECK(wrong.objects.size() <= scenes::kMaxObjects);
  }
}

TEST_CASE("damage changes a picture as much as it says, and none leaves it alone", "[scenes]") {
  scenes::RandomStream random(kSeed, 0);
  std::vector<float> clean(scenes::kChannels * scenes::kPixels);
  scenes::render(scenes::draw_scene(any_request(random), random), clean);
  const auto distance = [&](const Damage& of) {
    std::vector<float> picture = clean;
    damage(picture, of, random);
    double squares = 0;
    for (size_t i = 0; i < clean.size(); ++i) squares += std::pow(picture[i] - clean[i], 2);
    return std::sqrt(squares / static_cast<double>(clean.size()));
  };
  CHECK(distance({}) == 0);
  for (const auto part : {&Damage::noise, &Damage::blur, &Damage::fade}) {
    Damage half, whole;
    half.*part = 0.5, whole.*part = 1;
    CHECK(distance(half) > 0.005);
    CHECK(distance(whole) > 1.4 * distance(half));
    CHECK(whole.amount() == Approx(1.0 / 3));
  }
}

TEST_CASE("people like the right picture better than wrong ones, and clean ones better",
          "[scenes]") {
  int better = 0, pairs = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    scenes::RandomStream random(kSeed, i);
    const scenes::Request request = any_request(random);
    const scenes::Scene right = scenes::draw_scene(request, random);
    const double liked = liking(request, right, {});
    CHECK(liking(request, right, {.noise = 1}) <= liked);
    const scenes::Scene wrong = with_mistake(right, random);
    if (scenes::match(request, wrong).exact()) continue;
    ++pairs;
    better += liking(request, wrong, {}) < liked ? 1 : 0;
  }
  CHECK(pairs > 100);
  CHECK(better > 0.9 * pairs);
}

TEST_CASE("choices follow Bradley and Terry but for the careless", "[scenes]") {
  constexpr int kChoices = 20000;
  for (const double difference : {0.0, 1.0, 20.0}) {
    scenes::RandomStream random(kSeed, 1);
    int first = 0;
    for (int i = 0; i < kChoices; ++i) first += chooses_first(difference, 0, random) ? 1 : 0;
    const double expected = kCareless / 2 + (1 - kCareless) / (1 + std::exp(-difference));
    CHECK(first / static_cast<double>(kChoices) == Approx(expected).margin(0.015));  // 4 sigma
  }
}

TEST_CASE("ranks of equal values are averaged, and correlations are Spearman's", "[scenes]") {
  const std::vector<double> values = {3, 1, 4, 1, 5};
  CHECK(ranks(values) == std::vector<double>{2, 0.5, 3, 0.5, 4});
  CHECK(correlation(values, values) == Approx(1));
  CHECK(std::isnan(correlation(values, std::vector<double>(5, 2.0))));
  // 1 - 6 sum d^2 / (n (n^2 - 1)) with d = {0, 1, 1, 0}
  CHECK(correlation(ranks(std::vector<double>{1, 2, 3, 4}),
                    ranks(std::vector<double>{1, 9, 7, 11})) == Approx(1 - 6.0 * 2 / (4 * 15)));
  const std::vector<double> rising = {1, 2, 3, 10, 20, 30}, mixed = {1, 2, 3, 5, 5, 5};
  CHECK(rank_agreement(rising, mixed, 3).starts_with("1.000"));  // the second group says nothing
}

}  // namespace
}  // namespace winnow::training

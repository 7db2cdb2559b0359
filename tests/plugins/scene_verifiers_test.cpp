// scene_verifiers_test.cpp: clip_score, aesthetic and image_reward with their shipped weights,
// through the host's loader and guard.
#include <cmath>

#include "host/sha256.hpp"
#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/render.hpp"
#include "tests/support/verifier_bench.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

const std::string kClip = model("scenes-clip.safetensors");
const std::string kAesthetic = model("scenes-aesthetic.safetensors");
const std::string kReward = model("scenes-image-reward.safetensors");
const std::string kPrompt = "a red circle left of a blue square on a black background";

struct SceneBench : Bench {
  SceneBench(const std::string& id, const std::string& weights, std::size_t n = 5)
      : Bench("winnow." + id, {path_option(weights)}, n, kScene) {
    for (std::size_t i = 0; i < n; ++i) ask(i, kPrompt);
  }
};

// Central differences at pixels of all channels; the tolerance is that of float32 and curvature.
void check_gradient(Bench& bench) {
  const Tensor gradient = bench.gradient();
  constexpr float step = 0.005f;
  double largest = 0;
  for (const std::size_t pixel : {400u, 495u, 1400u, 1519u, 2400u, 2543u}) {
    std::array<std::vector<float>, 2> score;
    for (const int side : {0, 1}) {
      const float move = side ? step : -step;
      for (std::size_t i = 0; i < bench.samples.items(); ++i) bench.samples.item(i)[pixel] += move;
      score[static_cast<std::size_t>(side)] = bench.score();
      for (std::size_t i = 0; i < bench.samples.items(); ++i) bench.samples.item(i)[pixel] -= move;
    }
    for (std::size_t i = 0; i < bench.samples.items(); ++i) {
      const double difference = (static_cast<double>(score[1][i]) - score[0][i]) / (2 * step);
      const double found = gradient.item(i)[pixel];
      CHECK(found == Approx(difference).epsilon(0.05).margin(0.005));
      largest = std::max(largest, std::abs(found));
    }
  }
  CHECK(largest > 0.02);  // zeros would pass above
}

void check_batches(Bench& bench) {
  const std::vector<float> once = bench.score();
  for (const std::size_t size : {1u, 3u}) {
    for (std::size_t i = 0; i < once.size(); i += size) {
      const auto part = bench.score(i, std::min(size, once.size() - i));
      for (std::size_t k = 0; k < part.size(); ++k)
        CHECK(part[k] == Approx(once[i + k]).epsilon(1e-4).margin(1e-4));
    }
  }
}

// How often the picture of a prompt beats that of another prompt of its category, of `pairs`.
int right_ones(const std::string& id, const std::string& weights, std::uint64_t pairs) {
  SceneBench bench(id, weights, 2 * pairs);
  std::vector<std::string> prompts(pairs);
  for (std::uint64_t i = 0; i < pairs; ++i) {
    scenes::RandomStream random(2027, i);
    const auto category = static_cast<scenes::Category>(i % scenes::kCategories);
    const scenes::Request wanted = scenes::draw_request(category, random);
    prompts[i] = scenes::describe(wanted, random);
    scenes::render(scenes::draw_scene(wanted, random), bench.samples.item(2 * i));
    scenes::render(scenes::draw_scene(scenes::draw_request(category, random), random),
                   bench.samples.item(2 * i + 1));
    bench.ask(2 * i, prompts[i]);
    bench.ask(2 * i + 1, prompts[i]);
  }
  const auto scores = bench.score();
  int right = 0;
  for (std::size_t i = 0; i < pairs; ++i) right += scores[2 * i] > scores[2 * i + 1] ? 1 : 0;
  return right;
}

}  // namespace

TEST_CASE("judges of scenes: gradients and batches belong to their scores", "[scenes]") {
  for (const auto& [id, weights] :
       {std::pair{"clip_score", kClip}, std::pair{"aesthetic", kAesthetic},
        std::pair{"image_reward", kReward}}) {
    INFO(id);
    SceneBench bench(id, weights, 4);
    check_gradient(bench);
    check_batches(bench);
  }
}

TEST_CASE("clip_score and image_reward prefer the picture of the prompt, aesthetic does not care",
          "[scenes]") {
  // 120 pairs: for a coin, more than 80 right has a probability below 0.0002.
  CHECK(right_ones("clip_score", kClip, 120) > 105);
  CHECK(right_ones("image_reward", kReward, 120) > 100);
  const int blind = right_ones("aesthetic", kAesthetic, 120);
  CHECK(blind > 40);
  CHECK(blind < 80);
}

TEST_CASE("aesthetic never sees the prompt, the others do", "[scenes]") {
  for (const auto& [id, weights] :
       {std::pair{"clip_score", kClip}, std::pair{"aesthetic", kAesthetic},
        std::pair{"image_reward", kReward}}) {
    INFO(id);
    SceneBench bench(id, weights, 3);
    const auto first = bench.score();
    for (std::size_t i = 0; i < 3; ++i) bench.ask(i, "three striped rings");
    const bool same = first == bench.score();
    CHECK(same == (id == std::string("aesthetic")));
  }
}

TEST_CASE("judges of scenes fail the items whose prompts they cannot read", "[scenes]") {
  const std::string unknown = "a rad circle", none;
  std::string too_long = "a";
  for (int i = 0; i < 40; ++i) too_long += " a";
  for (const auto& [id, weights] :
       {std::pair{"clip_score", kClip}, std::pair{"image_reward", kReward}}) {
    INFO(id);
    SceneBench bench(id, weights, 5);
    const auto before = bench.score();
    bench.ask(0, unknown);
    bench.ask(2, none);
    bench.ask(3, too_long);
    std::vector<float> scores(5);
    Tensor gradient = bench.pictures(5);
    for (const auto& failures :
         {bench.verifier.score(bench.all(), scores), bench.verifier.grad(bench.all(), gradient)}) {
      CHECK_THAT(failures[0].text,
                 Catch::Contains("'rad'") && Catch::Contains("nearest") && Catch::Contains("red"));
      CHECK(failures[1].text == "");
      CHECK_THAT(failures[2].text, Catch::Contains("the task has no prompt"));
      CHECK_THAT(failures[3].text, Catch::Contains("has 41 words") && Catch::Contains("at most"));
      CHECK(failures[4].text == "");
    }
    CHECK(scores[1] == Approx(before[1]).epsilon(1e-4).margin(1e-4));
    CHECK(scores[4] == Approx(before[4]).epsilon(1e-4).margin(1e-4));
  }
}

TEST_CASE("features of clip_score and aesthetic name the weights", "[scenes]") {
  SceneBench clip("clip_score", kClip), looks("aesthetic", kAesthetic);
  CHECK(clip.verifier.features_info().network == sha256_hex_of_file(kClip));
  CHECK(looks.verifier.features_info().network == sha256_hex_of_file(kAesthetic));
  const auto features = clip.features().features;
  const std::size_t width = clip.verifier.features_info().n_features;
  for (std::size_t i = 0; i < 5; ++i) {
    double squares = 0;
    for (std::size_t k = 0; k < width; ++k)
      squares += static_cast<double>(features[i * width + k]) * features[i * width + k];
    CHECK(squares == Approx(1).epsilon(1e-4));
  }
  CHECK(looks.features().features.size() == 5 * looks.verifier.features_info().n_features);
}

TEST_CASE("judges of scenes refuse the weights of another with what they expected", "[scenes]") {
  CHECK_THROWS_WITH(SceneBench("clip_score", kReward),
                    Catch::Contains("'image-reward'") && Catch::Contains("'dual-encoder'"));
  CHECK_THROWS_WITH(SceneBench("aesthetic", kClip),
                    Catch::Contains("'dual-encoder'") && Catch::Contains("'aesthetic'"));
  CHECK_THROWS_WITH(SceneBench("image_reward", kAesthetic),
                    Catch::Contains("'aesthetic'") && Catch::Contains("'image-reward'"));
  SceneBench grey("clip_score", kClip);
  grey.shape = {1, 32};
  grey.resize(1);
  grey.ask(0, kPrompt);
  CHECK_THROWS_WITH(grey.score(), Catch::Contains("[n, 3, height, width]"));
  for (const auto& [id, weights] :
       {std::pair{"clip_score", kClip}, {"aesthetic", kAesthetic}, {"image_reward", kReward}}) {
    INFO(id);
    SceneBench large(id, weights);
    large.shape = {3, 64};
    large.resize(1);
    large.ask(0, kPrompt);
    CHECK_THROWS_WITH(large.score(), Catch::Contains("of the size that it was trained on") &&
                                         Catch::Contains("invalid argument"));
  }
}

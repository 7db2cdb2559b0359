// scene_match_test.cpp: winnow.scene_match through the host's real loader and guard.
#include "host/guard.hpp"
#include "scenes/render.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

namespace winnow {
namespace {

struct Bench {
  explicit Bench(const std::string& score = "facts")
      : registry(test::scan({PLUGINS})),
        services(nullptr),
        verifier(std::make_unique<PluginInstance>(
                     libraries.load(registry.find(PluginKind::kVerifier, "winnow.scene_match")),
                     PluginUse{"winnow.scene_match", {{"score", WN_OPT_STR, OptionData(score)}}},
                     "1.0.0", services),
                 VerifierUse{{"winnow.scene_match", {}}, "winnow.scene_match"}) {}

  // A red circle left of a striped blue square on black, judged by each of these prompts.
  ItemFailures judge(const std::vector<std::string>& prompts) {
    namespace scenes = winnow::scenes;
    const scenes::Scene scene = {
        scenes::Background::kBlack,
        {{scenes::Colour::kRed, scenes::Shape::kCircle, scenes::Texture::kSolid, 8, 12, 5},
         {scenes::Colour::kBlue, scenes::Shape::kSquare, scenes::Texture::kStriped, 23, 17, 6}}};
    samples = Tensor(prompts.size(), std::array<std::int64_t, 3>{3, 32, 32});
    std::vector<wn_condition> conditions(prompts.size(), wn_condition{});
    VerifierBatch batch;
    for (size_t i = 0; i < prompts.size(); ++i) {
      scenes::render(scene, samples.item(i));
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = -1;
      conditions[i].prompt = {prompts[i].c_str(), prompts[i].size()};
      batch.conditions.push_back(&conditions[i]);
      batch.candidates.push_back(i);
    }
    batch.samples = &samples;
    scores.assign(2 * prompts.size(), -1);
    return verifier.score(batch, scores);
  }

  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Verifier verifier;
  Tensor samples;
  std::vector<float> scores;  // [n, 2]
};

TEST_CASE("scene_match scores the facts of a prompt, and whether all of them hold", "[scenes]") {
  const std::vector<std::string> prompts = {"a red circle left of a striped blue square",
                                            "a red circle right of a blue square"};
  Bench facts;
  for (const ItemFailure& failure : facts.judge(prompts)) CHECK(failure.status == WN_OK);
  CHECK(facts.scores[0] == 1);
  CHECK(facts.scores[1] == 1);
  CHECK(facts.scores[2] == Approx(7.0 / 8));  // 2 objects, 4 looks, "no other", not the relation
  CHECK(facts.scores[3] == 0);
  Bench exact("exact");
  for (const ItemFailure& failure : exact.judge(prompts)) CHECK(failure.status == WN_OK);
  CHECK(exact.scores == std::vector<float>{1, 1, 0, 0});
}

TEST_CASE("scene_match fails the items whose prompts ask for no scene", "[scenes]") {
  Bench bench;
  const ItemFailures failures = bench.judge({"a red circle", "the meaning of life", ""});
  REQUIRE(failures.size() == 3);
  CHECK(failures[0].status == WN_OK);
  CHECK_THAT(failures[1].text, Catch::Contains("found 'meaning' where a colour, a texture or a "
                                               "shape was expected"));
  CHECK_THAT(failures[2].text, Catch::Contains("the task has no prompt"));
}

TEST_CASE("scene_match refuses pictures of another size", "[scenes]") {
  Bench bench;
  Tensor samples(1, std::array<std::int64_t, 3>{1, 28, 28});
  wn_condition condition{};
  condition.struct_size = WN_SIZE(wn_condition, tensors);
  condition.prompt = {"a ring", 6};
  VerifierBatch batch;
  batch.conditions.push_back(&condition);
  batch.candidates.push_back(0);
  batch.samples = &samples;
  std::vector<float> scores(2);
  try {
    const ItemFailures failures = bench.verifier.score(batch, scores);
    REQUIRE(failures.size() == 1);
    CHECK_THAT(failures[0].text, Catch::Contains("expected pictures [3, 32, 32]"));
  } catch (const Error& error) {
    CHECK_THAT(std::string(error.what()), Catch::Contains("expected pictures [3, 32, 32]"));
  }
}

}  // namespace
}  // namespace winnow

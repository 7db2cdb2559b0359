// The networks behind the verifiers against the values that verifier_networks.py got from numpy in
// float64: log-probabilities, features, prompts, and gradients by differences.
#include <fstream>
#include <map>

#include "tests/support/verifier_bench.hpp"

namespace winnow {
namespace {

using namespace winnow::test;

constexpr std::size_t kItems = 4;

std::map<std::string, double> golden_values(const std::string& verifier) {
  std::ifstream in(WINNOW_GOLDEN_FILE);
  std::map<std::string, double> out;
  std::string key;
  for (double value; in >> key >> value;)
    if (key.rfind(verifier + ".", 0) == 0) out[key.substr(verifier.size() + 1)] = value;
  REQUIRE_FALSE(out.empty());
  return out;
}

// All values whose key is "<what>.<item>.<index>", against row-major found[kItems][width].
void check(const std::map<std::string, double>& golden, const std::string& what,
           std::span<const float> found) {
  const std::size_t width = found.size() / kItems;
  std::size_t checked = 0;
  for (std::size_t i = 0; i < kItems; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      const auto value = golden.find(what + "." + std::to_string(i) + "." + std::to_string(j));
      if (value == golden.end()) continue;
      INFO(value->first);
      CHECK(found[i * width + j] == Approx(value->second).epsilon(2e-4).margin(2e-4));
      ++checked;
    }
  }
  CHECK(checked >= kItems * 3);
}

void check_network(Bench& bench, const std::string& verifier) {
  const auto golden = golden_values(verifier);
  const auto found = bench.features();
  check(golden, "log_p", found.log_probabilities);
  check(golden, "feature", found.features);
  check(golden, "grad", bench.gradient().values());
}

TEST_CASE("classifier, encoder and head equal numpy's", "[verifiers]") {
  Bench classifier("winnow.class_probability",
                   {scale("log"), path_option(model("fashion-classifier.safetensors"))}, kItems);
  check_network(classifier, "class_probability");
  Bench encoder("winnow.linear_probe",
                {scale("log"), path_option(model("fashion-encoder.safetensors"))}, kItems);
  check_network(encoder, "linear_probe");
}

TEST_CASE("both towers of the dual encoder equal numpy's", "[verifiers]") {
  Bench bench("winnow.zero_shot", words(model("fashion-dual-encoder.safetensors")), kItems);
  check_network(bench, "zero_shot");
  const auto golden = golden_values("zero_shot");
  for (std::size_t i = 0; i < kItems; ++i) bench.ask(i, "a photo of a dark wide bag");
  const auto scores = bench.score();
  for (std::size_t i = 0; i < kItems; ++i) {
    const double expected = golden.at("prompt." + std::to_string(i));
    CHECK(scores[i] == Approx(expected).epsilon(2e-4).margin(2e-4));
  }
  check(golden, "prompt_grad", bench.gradient().values());
}

TEST_CASE("the three that judge scenes equal numpy's", "[verifiers]") {
  const std::string prompt = "a red circle left of a blue square on a black background";
  for (const auto& [id, file] :
       {std::pair{"clip_score", "scenes-clip"}, std::pair{"aesthetic", "scenes-aesthetic"},
        std::pair{"image_reward", "scenes-image-reward"}}) {
    INFO(id);
    Bench bench(std::string("winnow.") + id,
                {path_option(model(std::string(file) + ".safetensors"))}, kItems, kScene);
    for (std::size_t i = 0; i < kItems; ++i) bench.ask(i, prompt);
    const auto golden = golden_values(id);
    const auto scores = bench.score();
    for (std::size_t i = 0; i < kItems; ++i) {
      const double expected = golden.at("score." + std::to_string(i));
      CHECK(scores[i] == Approx(expected).epsilon(2e-4).margin(2e-4));
    }
    check(golden, "grad", bench.gradient().values());
  }
}

TEST_CASE("the similarity of preview and sample equals numpy's", "[verifiers]") {
  Bench bench("winnow.self_similarity", preview_at(0.4, model("fashion-encoder.safetensors")),
              kItems - 1);
  bench.with_previews = true;
  const auto golden = golden_values("self_similarity");
  const auto scores = bench.score();
  for (std::size_t i = 0; i < scores.size(); ++i)
    CHECK(scores[i] == Approx(golden.at(std::to_string(i))).epsilon(1e-5));
}

}  // namespace
}  // namespace winnow

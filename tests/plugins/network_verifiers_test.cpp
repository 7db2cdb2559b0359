// network_verifiers_test.cpp: the verifiers that hold a network, through the host's loader and
// guard: gradients against differences, features against scores, and what they refuse.
#include <cmath>

#include "host/sha256.hpp"
#include "tests/support/verifier_bench.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

// Central differences at pixels spread over the picture, in float32: the step is a compromise
// between rounding and curvature, and the tolerance follows from it.
void check_gradient(Bench& bench) {
  const Tensor gradient = bench.gradient();
  constexpr float step = 0.01f;
  double largest = 0;
  for (const std::size_t pixel : {75u, 211u, 349u, 377u, 406u, 500u, 635u}) {
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
      CHECK(found == Approx(difference).epsilon(0.02).margin(0.002));
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

// Each row of log-probabilities sums to 1, and the entry of the task's class is the score.
void check_log_probabilities(Bench& bench) {
  const auto score = bench.score();
  const auto found = bench.features().log_probabilities;
  const std::size_t classes = bench.verifier.features_info().n_classes;
  REQUIRE(classes == 10);
  for (std::size_t i = 0; i < score.size(); ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < classes; ++c) sum += std::exp(found[i * classes + c]);
    CHECK(sum == Approx(1).epsilon(1e-5));
    const auto wanted = static_cast<std::size_t>(bench.conditions[i].class_id);
    CHECK(found[i * classes + wanted] == Approx(score[i]).epsilon(1e-5).margin(1e-6));
  }
}

}  // namespace

TEST_CASE("the gradient of class_probability is that of its score, on both scales", "[verifiers]") {
  Bench log("winnow.class_probability",
            {scale("log"), path_option(model("fashion-classifier.safetensors"))});
  check_gradient(log);
  check_batches(log);
  Bench plain("winnow.class_probability",
              {scale("probability"), path_option(model("fashion-classifier.safetensors"))});
  const Tensor d_log = log.gradient(), d_plain = plain.gradient();
  const auto p = plain.score();
  double largest = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (std::size_t e = 0; e < kPixels; ++e) {
      const double expected = p[i] * static_cast<double>(d_log.item(i)[e]);
      CHECK(d_plain.item(i)[e] == Approx(expected).epsilon(1e-3).margin(1e-7));
      largest = std::max(largest, std::abs(expected));
    }
  }
  CHECK(largest > 1e-3);
}

TEST_CASE(
    "features of class_probability name the weights file, and its log-probabilities are the "
    "score",
    "[verifiers]") {
  const std::string weights = model("fashion-classifier.safetensors");
  Bench bench("winnow.class_probability", {scale("log"), path_option(weights)}, 12);
  REQUIRE(bench.verifier.has_features());
  CHECK(bench.verifier.features_info().n_features == 96);
  CHECK(bench.verifier.features_info().network == sha256_hex_of_file(weights));
  check_log_probabilities(bench);
}

TEST_CASE("a class that the network does not know fails its item alone, gradients too",
          "[verifiers]") {
  Bench bench("winnow.class_probability",
              {scale("log"), path_option(model("fashion-classifier.safetensors"))}, 3);
  const auto score = bench.score();
  const Tensor gradient = bench.gradient();
  bench.conditions[1].class_id = 10;
  std::vector<float> again(3);
  Tensor d_again(3, std::array<std::int64_t, 3>{1, kSide, kSide});
  for (const auto& failures :
       {bench.verifier.score(bench.all(), again), bench.verifier.grad(bench.all(), d_again)}) {
    CHECK(failures[0].text == "");
    CHECK_THAT(failures[1].text, Catch::Contains("class is 10") && Catch::Contains("0 to 9"));
    CHECK(failures[2].text == "");
  }
  CHECK(again[2] == Approx(score[2]).epsilon(1e-5));
  for (std::size_t e = 0; e < kPixels; ++e)
    CHECK(d_again.item(2)[e] == Approx(gradient.item(2)[e]).epsilon(1e-3).margin(1e-5));
}

TEST_CASE("weights of another architecture are refused with what was found and expected",
          "[verifiers]") {
  CHECK_THROWS_WITH(Bench("winnow.class_probability",
                          {scale("log"), path_option(model("fashion-sit-b.safetensors"))}),
                    Catch::Contains("fashion-sit-b.safetensors") && Catch::Contains("'sit'") &&
                        Catch::Contains("'classifier'"));
}

namespace {

const std::string kClassifier = model("fashion-classifier.safetensors");
const std::string kEncoder = model("fashion-encoder.safetensors");
const std::string kDual = model("fashion-dual-encoder.safetensors");

}  // namespace

TEST_CASE("linear_probe: gradient, features and batches belong to its score", "[verifiers]") {
  Bench bench("winnow.linear_probe", {scale("log"), path_option(kEncoder)});
  check_gradient(bench);
  check_batches(bench);
  check_log_probabilities(bench);
  CHECK(bench.verifier.features_info().n_features == 384);
  CHECK(bench.verifier.features_info().network == sha256_hex_of_file(kEncoder));
}

TEST_CASE("zero_shot: gradient, features and batches belong to its score", "[verifiers]") {
  Bench bench("winnow.zero_shot", words(kDual));
  check_gradient(bench);
  check_batches(bench);
  check_log_probabilities(bench);
  CHECK(bench.verifier.features_info().n_features == 64);
  CHECK(bench.verifier.features_info().network == sha256_hex_of_file(kDual));
  const auto features = bench.features().features;
  for (std::size_t i = 0; i < bench.conditions.size(); ++i) {
    double squares = 0;
    for (std::size_t j = 0; j < 64; ++j) squares += std::pow(features[i * 64 + j], 2);
    CHECK(squares == Approx(1).epsilon(1e-4));
  }
}

TEST_CASE("zero_shot judges tasks with a prompt alone by that prompt, beside tasks with a class",
          "[verifiers]") {
  Bench bench("winnow.zero_shot", words(kDual));
  const auto by_class = bench.score();
  bench.ask(1, "a photo of a dark wide bag");
  bench.ask(3, "A plain dress.");
  bench.conditions[2].prompt = {"a bag", 5};  // the class comes first
  check_gradient(bench);
  check_batches(bench);
  const auto mixed = bench.score();
  for (const std::size_t i : {0u, 2u, 4u}) CHECK(mixed[i] == Approx(by_class[i]).epsilon(1e-5));
  bench.ask(1, "a plain dress");
  CHECK(bench.score()[1] != mixed[1]);
  bench.ask(3, "a plain dress");  // neither capitals nor the full stop count
  CHECK(bench.score()[3] == Approx(mixed[3]).epsilon(1e-5));
}

TEST_CASE("zero_shot takes its prompts and class names from the config", "[verifiers]") {
  Bench own("winnow.zero_shot", words(kDual));
  Bench other("winnow.zero_shot", words(kDual, {"the {}"}, {"bag", "dress"}), 2);
  CHECK(other.verifier.features_info().n_classes == 2);
  const auto found = other.features().log_probabilities;
  CHECK(std::exp(found[0]) + std::exp(found[1]) == Approx(1).epsilon(1e-5));
  CHECK(other.score()[0] != own.score()[0]);
  // Two classes: the difference of the log-probabilities is that of the scaled cosines.
  other.ask(0, "the bag");
  const float bag = other.score()[0];
  other.ask(0, "the dress");
  CHECK(bag - other.score()[0] == Approx(found[0] - found[1]).epsilon(1e-3).margin(1e-4));
}

TEST_CASE("zero_shot refuses words that it does not know with the nearest that it does",
          "[verifiers]") {
  CHECK_THROWS_WITH(Bench("winnow.zero_shot", words(kDual, {"a {}"}, {"trousers", "jaket"})),
                    Catch::Contains("'jaket'") && Catch::Contains("known words are jacket"));
  CHECK_THROWS_WITH(Bench("winnow.zero_shot", words(kDual, {"a photo"})),
                    Catch::Contains("'a photo'") && Catch::Contains("{}"));
  std::string many;
  for (int i = 0; i < 17; ++i) many += "a ";
  CHECK_THROWS_WITH(Bench("winnow.zero_shot", words(kDual, {many + "{}"})),
                    Catch::Contains("18 words") && Catch::Contains("at most 16"));
  Bench bench("winnow.zero_shot", words(kDual), 4);
  const auto before = bench.score();
  bench.ask(0, "a purple bag");
  bench.ask(1, "");
  bench.conditions[2].class_id = 10;
  std::vector<float> scores(4);
  Tensor d_samples(4, std::array<std::int64_t, 3>{1, kSide, kSide});
  for (const auto& failures :
       {bench.verifier.score(bench.all(), scores), bench.verifier.grad(bench.all(), d_samples)}) {
    CHECK_THAT(failures[0].text, Catch::Contains("'purple'") && Catch::Contains("purse"));
    CHECK_THAT(failures[1].text, Catch::Contains("neither a class nor a prompt"));
    CHECK_THAT(failures[2].text, Catch::Contains("class is 10") && Catch::Contains("0 to 9"));
    CHECK(failures[3].text == "");
  }
  CHECK(scores[3] == Approx(before[3]).epsilon(1e-5));
}

TEST_CASE("self_similarity is the cosine of the encoder's features of preview and sample",
          "[verifiers]") {
  Bench bench("winnow.self_similarity", preview_at(0.4, kEncoder), 4);
  CHECK(bench.verifier.info().preview_time == 0.4);
  bench.with_previews = true;
  const auto scores = bench.score();
  check_batches(bench);
  Bench encoder("winnow.linear_probe", {scale("log"), path_option(kEncoder)}, 5);
  const auto features = encoder.features().features;
  const std::size_t width = encoder.verifier.features_info().n_features;
  for (std::size_t i = 0; i < 4; ++i) {
    double product = 0, a = 0, b = 0;
    for (std::size_t j = 0; j < width; ++j) {
      const double sample = features[i * width + j], preview = features[(i + 1) * width + j];
      product += sample * preview, a += sample * sample, b += preview * preview;
    }
    CHECK(scores[i] == Approx(product / std::sqrt(a * b)).epsilon(1e-5));
    CHECK(scores[i] < 0.999);
  }
  bench.preview_shift = 0;
  for (const float same : bench.score()) CHECK(same == Approx(1).epsilon(1e-5));
}

TEST_CASE("self_similarity without previews says what is missing", "[verifiers]") {
  Bench bench("winnow.self_similarity", preview_at(0.25, kEncoder), 2);
  CHECK_THROWS_WITH(bench.score(), Catch::Contains("no previews") && Catch::Contains("0.25"));
}

TEST_CASE("the wrong kind of network is refused by every verifier with what it expected",
          "[verifiers]") {
  const auto check_refused = [](const std::string& id, const std::vector<OptionValue>& options,
                                const std::string& found, const std::string& expected) {
    const std::string file = std::get<std::string>(options.back().data);
    CHECK_THROWS_WITH(Bench(id, options), Catch::Contains(file) &&
                                              Catch::Contains("'" + found + "'") &&
                                              Catch::Contains("'" + expected + "'"));
  };
  check_refused("winnow.linear_probe", {scale("log"), path_option(kClassifier)}, "classifier",
                "encoder");
  check_refused("winnow.class_probability", {scale("log"), path_option(kEncoder)}, "encoder",
                "classifier");
  check_refused("winnow.self_similarity", preview_at(0.4, kDual), "dual-encoder", "encoder");
  check_refused("winnow.zero_shot", words(kEncoder), "encoder", "dual-encoder");
  CHECK_THROWS_WITH(Bench("winnow.zero_shot", words(model("none.safetensors"))),
                    Catch::Contains("none.safetensors") && Catch::Contains("cannot be opened"));
}

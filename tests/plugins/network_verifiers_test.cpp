// network_verifiers_test.cpp: the verifiers that hold a network, through the host's loader and
// guard: gradients against differences, features against scores, and what they refuse.
#include <array>
#include <cmath>

#include "host/guard.hpp"
#include "host/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

constexpr std::int64_t kSide = 28;
constexpr std::size_t kPixels = kSide * kSide;

std::string model(const std::string& name) { return std::string(MODELS) + "/" + name; }

OptionValue path_option(const std::string& value) {
  return {"weights", WN_OPT_PATH, OptionData(value)};
}

OptionValue scale(const std::string& value) { return {"scale", WN_OPT_STR, OptionData(value)}; }

// A verifier, and a batch of made pictures with classes 0, 1, ... 9, 0, ...
struct Bench {
  Bench(const std::string& id, std::vector<OptionValue> options, std::size_t n = 5)
      : registry(scan({PLUGINS})),
        services(nullptr),
        verifier(std::make_unique<PluginInstance>(
                     libraries.load(registry.find(PluginKind::kVerifier, id)),
                     PluginUse{id, options}, "1.0.0", services),
                 VerifierUse{{id, options}, id}) {
    resize(n);
  }

  void resize(std::size_t n) {
    samples = Tensor(n, std::array<std::int64_t, 3>{1, kSide, kSide});
    conditions.assign(n, wn_condition{});
    for (std::size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = static_cast<std::int64_t>(i % 10);
      draw(samples.item(i), i);
    }
  }

  // A bright block on black with stripes that differ by item.
  static void draw(std::span<float> out, std::size_t i) {
    const double k = static_cast<double>(i + 1);
    for (std::int64_t y = 0; y < kSide; ++y) {
      for (std::int64_t x = 0; x < kSide; ++x) {
        const bool inside = std::abs(x - 13.5) < 5 + i % 7 && std::abs(y - 13.5) < 12 - i % 5;
        out[static_cast<std::size_t>(y * kSide + x)] = static_cast<float>(
            inside ? 0.6 + 0.35 * std::sin(0.7 * k * static_cast<double>(x) + 0.4 * k * y) : 0.02);
      }
    }
  }

  VerifierBatch batch(std::size_t first, std::size_t n) {
    part = Tensor(n, std::array<std::int64_t, 3>{1, kSide, kSide});
    VerifierBatch out;
    for (std::size_t i = 0; i < n; ++i) {
      std::ranges::copy(samples.item(first + i), part.item(i).begin());
      out.conditions.push_back(&conditions[first + i]);
      out.candidates.push_back(first + i);
    }
    out.samples = &part;
    return out;
  }
  VerifierBatch all() { return batch(0, conditions.size()); }

  std::vector<float> score(std::size_t first, std::size_t n) {
    std::vector<float> out(n * verifier.info().n_heads);
    for (const ItemFailure& failure : verifier.score(batch(first, n), out))
      CHECK(failure.text == "");
    return out;
  }
  std::vector<float> score() { return score(0, conditions.size()); }

  Tensor gradient() {
    Tensor out(conditions.size(), std::array<std::int64_t, 3>{1, kSide, kSide});
    for (const ItemFailure& failure : verifier.grad(all(), out)) CHECK(failure.text == "");
    return out;
  }

  struct Features {
    std::vector<float> features, log_probabilities;
  };
  Features features() {
    const auto& info = verifier.features_info();
    Features out{std::vector<float>(conditions.size() * info.n_features),
                 std::vector<float>(conditions.size() * info.n_classes)};
    for (const auto& failure : verifier.features(all(), out.features, out.log_probabilities))
      CHECK(failure.text == "");
    return out;
  }

  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Verifier verifier;
  Tensor samples, part;
  std::vector<wn_condition> conditions;
};

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

// feature_network_test.cpp: the verb metrics gives what the library gives, and features do not
// depend on the batch.
#include "host/feature_network.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

#include "host/cli.hpp"
#include "host/png.hpp"
#include "host/reference_file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

void write_pictures(const std::filesystem::path& folder, std::uint32_t first, std::uint32_t n) {
  std::filesystem::create_directories(folder);
  for (std::uint32_t i = first; i < first + n; ++i) {
    Image image{3, 2, 1, {}};
    for (std::uint32_t p = 0; p < 6; ++p)
      image.pixels.push_back(static_cast<std::uint8_t>((i * 37 + p * 29 + i * p * 11) % 256));
    write_bytes(folder / (std::to_string(100 + i) + ".png"), encode_png(image, ""));
  }
}

PluginUse toy(const Registry& registry) {
  return verifier_use(registry, "winnow.toy.features", {});
}

}  // namespace

TEST_CASE("features do not depend on the batch", "[metrics]") {
  const TemporaryFolder folder;
  write_pictures(folder.path(), 0, 10);
  const ImageSet images(folder.path());
  const Registry registry = scan({TEST_PLUGINS});
  FeatureNetwork network(registry, toy(registry));
  const FeatureSet by_wish = network.features(images);
  CHECK(by_wish.n == 10);
  CHECK(by_wish.network == "toy");
  for (const std::uint32_t batch : {1u, 4u, 64u}) {
    const FeatureSet found = network.features(images, batch);
    CHECK(found.features == by_wish.features);
    CHECK(found.log_probabilities == by_wish.log_probabilities);
  }
}

TEST_CASE("the verb metrics gives the library's numbers", "[metrics]") {
  const TemporaryFolder folder;
  write_pictures(folder.path() / "ours", 0, 12);
  write_pictures(folder.path() / "real", 50, 20);
  const Registry registry = scan({TEST_PLUGINS});
  FeatureNetwork network(registry, toy(registry));
  const Reference reference =
      make_reference(network.features(ImageSet(folder.path() / "real")), 20, 0);
  const auto file = folder.path() / "real.safetensors";
  write_reference(file, reference, FeatureDtype::kF32);
  const MetricOptions options = {.seed = 7, .resamples = 50, .k = 2};
  const SetMetrics expected =
      set_metrics(network.features(ImageSet(folder.path() / "ours")), &reference, options);

  std::ostringstream out, err;
  const int exit =
      run_cli({"metrics", (folder.path() / "ours").string(), "--features", "winnow.toy.features",
               "--plugin", TEST_PLUGINS, "--reference", file.string(), "--seed", "7", "--resamples",
               "50", "--neighbours", "2", "--json"},
              {}, out, err);
  INFO(err.str());
  REQUIRE(exit == 0);
  const auto json = nlohmann::json::parse(out.str());
  for (const NamedMetric& metric : named_metrics(expected)) {
    INFO(metric.name);
    CHECK(json["metrics"][metric.name]["value"] == metric.value->value().value);
    CHECK(json["metrics"][metric.name]["low"] == metric.value->value().low);
    CHECK(json["metrics"][metric.name]["high"] == metric.value->value().high);
  }
}

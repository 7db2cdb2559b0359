// frechet_test.cpp: winnow.frechet through the host's loader and guard, on the shipped classifier:
// its scores are those of the set it computes with, its state goes through wn.state/1, and foreign
// statistics are refused.
#include "host/condition.hpp"
#include "host/feature_network.hpp"
#include "host/png.hpp"
#include "host/reference_file.hpp"
#include "host/sha256.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"
#include "verifiers/frechet_set.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kSide = 28;
constexpr std::uint64_t kPictures = 24;

std::string model(const std::string& name) { return std::string(MODELS) + "/" + name; }

OptionValue path_option(const std::string& key, const fs::path& value) {
  return {key, WN_OPT_PATH, OptionData(value.string())};
}

// Blocks of several sizes and shades.
void write_picture(const fs::path& file, std::uint32_t i) {
  Image image{kSide, kSide, 1, std::vector<std::uint8_t>(kSide * kSide)};
  for (std::uint32_t y = 3 + i % 5; y < 25 - i % 7; ++y)
    for (std::uint32_t x = 4 + i % 3; x < 24 - i % 9; ++x)
      image.pixels[y * kSide + x] =
          static_cast<std::uint8_t>(90 + (i * 37 + x * (i % 4) * 9) % 160);
  write_bytes(file, encode_png(image, ""));
}

std::string save(const wn_plugin_1& plugin, wn_instance* instance) {
  const auto* table = static_cast<const wn_state_1*>(plugin.get_interface(WN_STATE_1));
  REQUIRE(table);
  std::string bytes;
  const wn_sink sink = {&bytes, [](void* ctx, const void* data, std::uint64_t size) {
                          static_cast<std::string*>(ctx)->append(static_cast<const char*>(data),
                                                                 size);
                          return static_cast<std::int64_t>(size);
                        }};
  REQUIRE(table->save(instance, nullptr, &sink) == WN_OK);
  return bytes;
}

wn_status load(const wn_plugin_1& plugin, wn_instance* instance, std::string bytes) {
  const auto* table = static_cast<const wn_state_1*>(plugin.get_interface(WN_STATE_1));
  const wn_source source = {&bytes, [](void* ctx, void* data, std::uint64_t size) {
                              auto& left = *static_cast<std::string*>(ctx);
                              const std::uint64_t n = std::min<std::uint64_t>(size, left.size());
                              std::memcpy(data, left.data(), n);
                              left.erase(0, n);
                              return static_cast<std::int64_t>(n);
                            }};
  return table->load(instance, nullptr, &source);
}

// Pictures in a folder, their features and statistics by class_probability.
struct World {
  World() : registry(scan({PLUGINS})), services(nullptr) {
    fs::create_directories(folder.path() / "p");
    for (std::uint32_t i = 0; i < kPictures; ++i)
      write_picture(folder.path() / "p" / (std::to_string(100 + i) + ".png"), i);
    images = std::make_unique<ImageSet>(folder.path() / "p");
    FeatureNetwork network(
        registry, verifier_use(registry, "winnow.class_probability", {"weights=" + weights}));
    features = network.features(*images);
    reference = make_reference(features, 0, 0);
    reference.plugin = network.plugin();
    write_reference(statistics, reference, FeatureDtype::kF32);
  }

  std::unique_ptr<PluginInstance> instance(const fs::path& statistics_file) {
    const FoundPlugin& found = registry.find(PluginKind::kVerifier, "winnow.frechet");
    const PluginUse use{
        "winnow.frechet",
        {path_option("statistics", statistics_file), path_option("weights", weights)}};
    return std::make_unique<PluginInstance>(libraries.load(found), use, "1.0.0", services);
  }
  std::unique_ptr<Verifier> verifier() {
    return std::make_unique<Verifier>(instance(statistics), VerifierUse{.use = {}, .name = "f"});
  }

  VerifierBatch batch(std::uint64_t first, std::uint64_t n) {
    part = Tensor(n, images->shape());
    VerifierBatch out;
    for (std::uint64_t i = 0; i < n; ++i) {
      images->read(first + i, part.item(i));
      out.conditions.push_back(&nothing.table);
      out.candidates.push_back(first + i);
    }
    out.samples = &part;
    return out;
  }

  std::vector<float> score(Verifier& verifier, std::uint64_t first, std::uint64_t n) {
    std::vector<float> scores(n);
    for (const ItemFailure& failure : verifier.score(batch(first, n), scores))
      CHECK(failure.text == "");
    return scores;
  }

  std::span<const float> row(std::uint64_t i) const {
    return std::span(features.features).subspan(i * features.n_features, features.n_features);
  }

  TemporaryFolder folder;
  const std::string weights = model("fashion-classifier.safetensors");
  const fs::path statistics = folder.path() / "statistics.safetensors";
  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Condition nothing{TaskSpec{}, 0};
  std::unique_ptr<ImageSet> images;
  FeatureSet features;
  Reference reference;
  Tensor part;
};

}  // namespace

TEST_CASE("frechet scores additions to the set that it accepted, and reset empties it",
          "[verifiers]") {
  World world;
  const auto verifier = world.verifier();
  REQUIRE(verifier->set_level());
  FrechetSet set(world.reference.mean, world.reference.covariance);
  const std::vector<float> at_first = world.score(*verifier, 0, 4);
  for (std::uint64_t accepted = 0; accepted < 5; ++accepted) {
    const std::vector<float> scores = world.score(*verifier, 10, 6);
    for (std::uint64_t i = 0; i < scores.size(); ++i)
      CHECK(-scores[i] == Approx(set.distance_with(world.row(10 + i))).epsilon(1e-3));
    verifier->accept(world.batch(accepted, 1));
    set.add(world.row(accepted));
  }
  CHECK(world.score(*verifier, 0, 4) != at_first);
  verifier->reset();
  CHECK(world.score(*verifier, 0, 4) == at_first);
}

TEST_CASE("the whole set's distance falls to zero when all of it is accepted", "[verifiers]") {
  World world;
  const auto verifier = world.verifier();
  for (std::uint64_t i = 0; i + 1 < kPictures; ++i) verifier->accept(world.batch(i, 1));
  // Only the divisors differ: n - 1 in the statistics, n in the set.
  double trace = 0;
  for (std::size_t i = 0; i < world.reference.n_features; ++i)
    trace += world.reference.covariance[i * (world.reference.n_features + 1)];
  const double n = kPictures, divisor = 1 - std::sqrt((n - 1) / n);
  const float last = world.score(*verifier, kPictures - 1, 1)[0];
  CHECK(-last == Approx(trace * divisor * divisor).margin(1e-3 * trace));
}

TEST_CASE("frechet's state goes through wn.state/1", "[verifiers]") {
  World world;
  Verifier grown(world.instance(world.statistics), VerifierUse{.use = {}, .name = "f"});
  for (std::uint64_t i = 0; i < 5; ++i) grown.accept(world.batch(i, 1));
  auto one = world.instance(world.statistics), two = world.instance(world.statistics);
  const auto& plugin =
      world.libraries.load(world.registry.find(PluginKind::kVerifier, "winnow.frechet"))
          ->plugin("winnow.frechet");
  const std::string empty = save(plugin, one->get());
  wn_instance* raw = one->get();
  Verifier restored(std::move(one), VerifierUse{.use = {}, .name = "f"});
  for (std::uint64_t i = 0; i < 5; ++i) restored.accept(world.batch(i, 1));
  const std::string state = save(plugin, raw);
  CHECK(state != empty);
  CHECK(load(plugin, two->get(), state) == WN_OK);
  CHECK(save(plugin, two->get()) == state);
  CHECK(load(plugin, two->get(), "something else") == WN_E_INVALID_ARGUMENT);
  CHECK(save(plugin, two->get()) == state);
  Verifier loaded(std::move(two), VerifierUse{.use = {}, .name = "f"});
  CHECK(world.score(loaded, 10, 3) == world.score(grown, 10, 3));
}

TEST_CASE("statistics of another network are refused with both names, others with the reason",
          "[verifiers]") {
  World world;
  Reference foreign = world.reference;
  foreign.network = "0123abcd";
  const fs::path file = world.folder.path() / "foreign.safetensors";
  write_reference(file, foreign, FeatureDtype::kF32);
  CHECK_THROWS_WITH(world.instance(file), Catch::Contains("foreign.safetensors") &&
                                              Catch::Contains("0123abcd") &&
                                              Catch::Contains(sha256_hex_of_file(world.weights)));
  foreign = world.reference;
  foreign.n_features = 2;
  foreign.mean.resize(2);
  foreign.covariance = {1, 0, 0, 1};
  write_reference(file, foreign, FeatureDtype::kF32);
  CHECK_THROWS_WITH(world.instance(file), Catch::Contains("'mean'"));
  CHECK_THROWS_WITH(world.instance(world.folder.path() / "nothing"), Catch::Contains("nothing"));
  CHECK_THROWS_WITH(world.instance(world.weights), Catch::Contains("network"));
}

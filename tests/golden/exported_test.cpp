// winnow.exported ends where the pipelines do that its bundles were made of (exported.py), and does
// what a sampler must with stops, legs, noise and previews. The bundles are tiny.
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/golden/exported_bench.hpp"
#include "tests/support/catch.hpp"

namespace winnow {
namespace {

using namespace winnow::test;
using nlohmann::json;

const std::vector<std::string> kPrompts = {"a red circle", "a blue square"};

json golden(const std::string& name) {
  std::ifstream in(bundles() / (name + ".json"));
  return json::parse(in);
}

// The largest difference as a share of the root mean square of what is expected.
double difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double square = 0, worst = 0;
  for (size_t e = 0; e < found.size(); ++e) {
    square += static_cast<double>(expected[e]) * static_cast<double>(expected[e]);
    worst = std::max<double>(worst, std::abs(found[e] - expected[e]));
  }
  return worst / std::sqrt(square / static_cast<double>(found.size()));
}

std::vector<float> all(ExportedBench& bench) {
  const auto values = bench.latents.values();
  return {values.begin(), values.end()};
}

std::filesystem::path sd15() { return bundles() / "sd15"; }

}  // namespace

TEST_CASE("winnow.exported ends where its pipelines do", "[golden][exported]") {
  size_t checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(bundles())) {
    if (!entry.is_directory()) continue;
    const std::string name = entry.path().filename().string();
    const json expected = golden(name);
    for (const json& one : expected["cases"]) {
      ExportedBench bench(entry.path(), {.solver = one["solver"],
                                         .steps = one["steps"],
                                         .eta = one["eta"],
                                         .negative_prompt = one.value("negative", "")});
      bench.start(expected["prompts"], expected["classes"]);
      bench.walk(bench.sampler.info(0).times);
      INFO(name << " with " << one["solver"] << ", eta " << one["eta"]
                << one.value("negative", ""));
      const double latents = difference(all(bench), one["latents"]);
      CHECK(latents < 1e-4);
      Tensor samples(2, bench.sampler.info(0).sample_shape);
      bench.sampler.decode(bench.batch, samples);
      std::vector<float> picture;
      for (size_t e = 0; e < samples.item(0).size(); e += 7) picture.push_back(samples.item(0)[e]);
      CHECK(difference(picture, one["picture"]) < 1e-3);
      ++checked;
    }
  }
  CHECK(checked > 0);
}

TEST_CASE("winnow.exported: schedules, prices and flags of each solver", "[exported]") {
  const auto info = [](const ExportedSettings& settings) {
    ExportedBench bench(sd15(), settings);
    const Leg leg = bench.sampler.leg(0, 1, 0, 0, 0);
    return std::tuple(leg.total(), bench.sampler.info(0).flags & WN_F_STOCHASTIC,
                      bench.sampler.info(0).network_passes);
  };
  const uint32_t noisy = WN_F_STOCHASTIC;
  CHECK(info({.steps = 5}) == std::tuple(5.0, 0u, 2.0));
  CHECK(info({.steps = 5, .guidance_scale = 1}) == std::tuple(5.0, 0u, 1.0));
  CHECK(info({.solver = "ddim", .steps = 5, .eta = 1}) == std::tuple(5.0, noisy, 2.0));
  CHECK(info({.solver = "heun", .steps = 5}) == std::tuple(9.0, 0u, 2.0));
  CHECK(info({.solver = "edm", .steps = 5}) == std::tuple(9.0, 0u, 2.0));
  CHECK(info({.solver = "edm", .steps = 5, .churn = 2}) == std::tuple(9.0, noisy, 2.0));
  CHECK(info({.solver = "pndm", .steps = 5}) == std::tuple(6.0, 0u, 2.0));
  CHECK(info({.solver = "euler_ancestral", .steps = 5}) == std::tuple(5.0, noisy, 2.0));
  CHECK(info({}) == std::tuple(50.0, 0u, 2.0));  // the pipeline's own number of steps

  ExportedBench bench(sd15(), {.solver = "heun", .steps = 8, .search_steps = 4});
  CHECK(bench.sampler.leg(WN_PROFILE_SEARCH, 1, 0, 0, 0).total() == 7);
  const auto& times = bench.sampler.info(0).times;
  CHECK(bench.sampler.leg(0, times[2], times[5], 0, 0).total() == 6);
  CHECK(bench.sampler.leg(0, times[2], times[5], 1, 0).total() == 3);  // ancestral
  CHECK_THROWS_WITH(bench.sampler.leg(0, 1, 0, 2, 0), Catch::Contains("stochasticity 2"));
  ExportedBench pndm(sd15(), {.solver = "pndm", .steps = 8});
  CHECK(pndm.sampler.leg(0, pndm.sampler.info(0).times[2], 0, 0, 0).total() == 6);
  const Leg own = bench.sampler.leg(0, 0.8, 0.1, 0, 3);
  CHECK(own.times.size() == 4);
  CHECK(own.times.front() == 0.8);
  CHECK(own.times.back() == 0.1);
}

TEST_CASE("winnow.exported: a stop on the way changes no bit", "[exported]") {
  const std::string solver = GENERATE("bundle", "dpmpp_2m", "pndm", "heun", "euler_ancestral");
  const bool one_lost = GENERATE(false, true);
  INFO(solver << ", " << one_lost);
  ExportedBench bench(sd15(), {.solver = solver, .steps = 6});
  const std::vector<double> times = bench.sampler.info(0).times;
  bench.start(kPrompts, {-1, -1});
  bench.walk(times);
  const auto whole = all(bench);
  bench.start(kPrompts, {-1, -1});
  bench.walk({times.begin(), times.begin() + 4});
  Tensor clean(2, bench.sampler.info(0).latent_shape);
  bench.batch.from_time.assign(2, times[3]);
  const auto before = all(bench);
  bench.sampler.preview(bench.batch, bench.noise, clean);
  CHECK(all(bench) == before);
  CHECK(bench.batch.has_eval == std::vector<uint8_t>{1, 1});
  if (one_lost) bench.batch.has_eval[1] = 0;  // as if its evaluation had been lost
  for (uint32_t k = 3; k < 6; ++k) bench.step(times[k], times[k + 1], k + 1);
  CHECK(all(bench) == whole);
  CHECK(bench.batch.has_eval == std::vector<uint8_t>{0, 0});
}

TEST_CASE("winnow.exported: neighbours and their times do not matter", "[exported]") {
  const std::string solver =
      GENERATE("bundle", "dpmpp_2m", "pndm", "heun", "euler_ancestral", "edm");
  ExportedBench bench(sd15(), {.solver = solver, .steps = 6, .churn = 3});
  const std::vector<double> times = bench.sampler.info(0).times;
  bench.start(kPrompts, {-1, -1});
  bench.batch.from_time = {1, times[3]};
  bench.batch.to_time = {times[1], times[4]};
  bench.batch.position = {1, 4};
  bench.sampler.step(bench.batch, bench.noise);
  const std::vector<std::vector<float>> among = {bench.item(0), bench.item(1)};
  for (size_t i : {0, 1}) {
    bench.start({kPrompts[i]}, {-1}, i);
    bench.step(i ? times[3] : 1, i ? times[4] : times[1], i ? 4 : 1);
    CHECK(difference(bench.item(0), among[i]) < 1e-4);
  }
}

TEST_CASE("winnow.exported: -1 leaves the noise out, more than 0 brings it in", "[exported]") {
  const auto stepped = [](const std::string& solver, double stochasticity, double churn = 0) {
    ExportedBench bench(sd15(), {.solver = solver, .steps = 6, .churn = churn});
    bench.start(kPrompts, {-1, -1});
    bench.batch.stochasticity.assign(2, stochasticity);
    bench.walk({bench.sampler.info(0).times.begin(), bench.sampler.info(0).times.begin() + 3});
    return all(bench);
  };
  CHECK(stepped("euler_ancestral", -1) == stepped("euler", 0));
  CHECK(stepped("euler", 1) == stepped("euler_ancestral", 0));
  CHECK_FALSE((stepped("euler", 1) == stepped("euler", 0.5)));
  CHECK(stepped("edm", -1, 5) == stepped("heun", 0));
  CHECK_FALSE((stepped("edm", 0, 5) == stepped("heun", 0)));
  CHECK_FALSE(stepped("edm", 2, 1) == stepped("edm", 0, 1));
}

TEST_CASE("winnow.exported: frames of a video are spread evenly, side by side", "[exported]") {
  constexpr size_t kFrames = 5, kSide = 32;
  const auto decoded = [](int64_t frames) {
    ExportedBench bench(bundles() / "ltx", {.steps = 1, .frames = frames});
    bench.start(kPrompts, {-1, -1});
    Tensor samples(2, bench.sampler.info(0).sample_shape);
    bench.sampler.decode(bench.batch, samples);
    return std::pair(bench.sampler.info(0).sample_shape,
                     std::vector<float>(samples.item(1).begin(), samples.item(1).end()));
  };
  const auto [shape, all] = decoded(0);
  const auto [two_shape, two] = decoded(2);
  CHECK(shape == std::vector<int64_t>{3, kSide, kFrames * kSide});
  CHECK(two_shape == std::vector<int64_t>{3, kSide, 2 * kSide});
  bool same = true;
  for (size_t row = 0; row < 3 * kSide; ++row)
    for (size_t x = 0; x < kSide; ++x)  // frames 1 and 3 of 0 to 4
      for (const size_t k : {0, 1})
        same =
            same && two[(2 * row + k) * kSide + x] == all[(kFrames * row + 2 * k + 1) * kSide + x];
  CHECK(same);
}

TEST_CASE("winnow.exported: renoising keeps the level's mixture of data and noise", "[exported]") {
  ExportedBench bench(bundles() / "flux", {.steps = 6});  // a flow: sigma is the time
  bench.start(kPrompts, {-1, -1});
  bench.walk({1, 0.3});
  const auto before = bench.item(1);
  bench.batch.from_time.assign(2, 0.3);
  bench.batch.to_time.assign(2, 0.8);
  bench.sampler.renoise(bench.batch, bench.noise);
  const double kept = 0.2 / 0.7, added = std::sqrt(0.64 - kept * kept * 0.09);
  std::vector<float> e(before.size()), expected;
  bench.noise.normal(1, 0, e);
  for (size_t k = 0; k < e.size(); ++k)
    expected.push_back(static_cast<float>(kept * before[k] + added * e[k]));
  CHECK(difference(bench.item(1), expected) < 1e-6);
}

TEST_CASE("winnow.exported: the first prediction of the data is the preview", "[exported]") {
  ExportedBench bench(bundles() / "flux", {.steps = 1});
  bench.start(kPrompts, {-1, -1});
  Tensor clean(2, bench.sampler.info(0).latent_shape);
  bench.batch.from_time.assign(2, 1);
  bench.sampler.preview(bench.batch, bench.noise, clean);
  const std::vector<float> predicted(clean.values().begin(), clean.values().end());
  bench.step(1, 0, 1);  // one step to the data is that prediction
  CHECK(difference(all(bench), predicted) < 1e-6);
}

TEST_CASE("winnow.exported: an unknown prompt fails its item alone, with the nearest ones",
          "[exported]") {
  ExportedBench bench(sd15());
  const ItemFailures failures = bench.start({"a red circle", "a red cirkle"}, {-1, -1});
  CHECK(failures[0].status == WN_OK);
  CHECK(failures[1].status == WN_E_INVALID_ARGUMENT);
  CHECK_THAT(failures[1].text, Catch::Contains("the prompt 'a red cirkle' is not among the 2") &&
                                   Catch::Contains("the nearest are 'a red circle', 'a blue") &&
                                   Catch::Contains("encode_prompts.py PIPELINE_DIR"));
}

TEST_CASE("winnow.exported: a task must ask for what its network takes", "[exported]") {
  ExportedBench prompts(sd15());
  const ItemFailures failures = prompts.start({"", "a red circle"}, {1, -1});
  CHECK(failures[0].status == WN_E_INVALID_ARGUMENT);
  CHECK_THAT(failures[0].text,
             Catch::Contains("class 1, the network of this bundle takes prompts"));
  CHECK(failures[1].status == WN_OK);
}

TEST_CASE("winnow.exported: with text encoders any prompt is taken that is UTF-8", "[exported]") {
  ExportedBench bench(bundles() / "flux");
  const ItemFailures failures = bench.start({"a purple dog", "a \xff"}, {-1, -1});
  CHECK(failures[0].status == WN_OK);
  CHECK(failures[1].status == WN_E_INVALID_ARGUMENT);
  CHECK_THAT(failures[1].text,
             Catch::Contains("the prompt cannot be encoded") && Catch::Contains("UTF-8"));
  bench.start({"a purple dog", "a red circle"}, {-1, -1});
  const auto kept = bench.item(0);
  bench.walk({1, 0.5});
  CHECK(bench.item(0) != kept);
}

TEST_CASE("winnow.exported: options that the bundle cannot follow are refused", "[exported]") {
  const auto ddpm = bundles() / "ddpm";
  CHECK_THROWS_WITH(ExportedBench(ddpm, {.guidance_scale = 3}),
                    Catch::Contains("guidance_scale is 3") && Catch::Contains("has no guidance"));
  CHECK_THROWS_WITH(ExportedBench(sd15(), {.negative_prompt = "ugly"}),
                    Catch::Contains("the prompt 'ugly' is not among the 2"));
  CHECK_THROWS_WITH(ExportedBench(sd15(), {.frames = 2}),
                    Catch::Contains("frames is 2, but this bundle makes pictures"));
  CHECK_THROWS_WITH(ExportedBench(sd15(), {.steps = 1001}),
                    Catch::Contains("1001 steps, expected 1 to 1000"));
  CHECK_THROWS_WITH(ExportedBench(sd15(), {.device = "tpu"}), Catch::Contains("expected cpu"));
}

}  // namespace winnow

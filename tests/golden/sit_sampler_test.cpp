// winnow.sit with the shipped weights, through the host's real loader and guard.
#include <cmath>

#include "host/guard.hpp"
#include "host/noise.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

namespace winnow {
namespace {

class FreshNoise : public NoiseSource {
 public:
  void normal(uint64_t handle, uint32_t position, std::span<float> out) override {
    fill_normal({handle, 0, 0}, position, 0, out);
  }
};

OptionValue text(const char* key, const std::string& value, uint32_t type = WN_OPT_STR) {
  return {key, type, OptionData(value)};
}

struct Settings {
  std::string solver = "heun";
  double cfg_scale = 1, noise_strength = 1;
  std::string diffusion = "sigma";
};

// A batch of `n` items with noises first, first + 1, ... and classes 0, 1, ...
struct Bench {
  explicit Bench(const Settings& settings = {})
      : registry(test::scan({PLUGINS})), services(nullptr), sampler(make(settings)) {}

  std::unique_ptr<PluginInstance> make(const Settings& settings) {
    const FoundPlugin& found = registry.find(PluginKind::kSampler, "winnow.sit");
    const auto use =
        test::use_of(found, {{"cfg_scale", WN_OPT_F64, OptionData(settings.cfg_scale)},
                             {"noise_strength", WN_OPT_F64, OptionData(settings.noise_strength)},
                             {"search_steps", WN_OPT_I64, OptionData(int64_t{4})},
                             text("solver", settings.solver),
                             text("diffusion", settings.diffusion),
                             {"steps", WN_OPT_I64, OptionData(int64_t{13})},
                             {"threads", WN_OPT_I64, OptionData(int64_t{1})},
                             text("weights", WEIGHTS, WN_OPT_PATH)});
    return std::make_unique<PluginInstance>(libraries.load(found), use, "1.0.0", services);
  }

  void start(size_t n, uint64_t first = 100, int64_t first_class = 0) {
    latents = Tensor(n, sampler.info(0).latent_shape);
    carry = Tensor(n, std::vector<int64_t>{static_cast<int64_t>(sampler.info(0).carry_elements)});
    conditions.assign(n, wn_condition{});
    batch.clear();
    for (size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = first_class + static_cast<int64_t>(i);
      batch.conditions.push_back(&conditions[i]);
      batch.noise.push_back(first + i);
    }
    batch.has_eval.assign(n, 0);
    batch.from_time.assign(n, 1);
    batch.to_time.assign(n, 1);
    batch.stochasticity.assign(n, 0);
    batch.position.assign(n, 0);
    batch.latents = &latents;
    batch.carry = &carry;
    sampler.init(batch, noise);
  }

  ItemFailures step(double from, double to, uint32_t position = 1) {
    batch.from_time.assign(batch.size(), from);
    batch.to_time.assign(batch.size(), to);
    batch.position.assign(batch.size(), position);
    return sampler.step(batch, noise);
  }

  std::vector<float> item(size_t i) { return {latents.item(i).begin(), latents.item(i).end()}; }

  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Sampler sampler;
  FreshNoise noise;
  Tensor latents, carry;
  std::vector<wn_condition> conditions;
  SamplerBatch batch;
};

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t e = 0; e < a.size(); ++e) worst = std::max<double>(worst, std::abs(a[e] - b[e]));
  return worst;
}

TEST_CASE("winnow.sit: schedules and prices") {
  Bench heun;
  CHECK(heun.sampler.leg(WN_PROFILE_FINAL, 1, 0, 0, 0).total() == 25);
  CHECK(heun.sampler.leg(WN_PROFILE_SEARCH, 1, 0, 0, 0).total() == 7);
  CHECK(heun.sampler.leg(WN_PROFILE_FINAL, 0.9, 0.2, 0, 3).total() == 6);
  CHECK(heun.sampler.leg(WN_PROFILE_FINAL, 0.9, 0, 1, 3).total() == 3);  // the SDE
  CHECK((heun.sampler.info(0).flags & WN_F_STOCHASTIC) == 0);
  CHECK(heun.sampler.info(0).network_passes == 1);
  CHECK_THROWS_WITH(heun.sampler.leg(0, 0.2, 0.5, 0, 0), Catch::Contains("winnow.sit"));
  Bench sde({"euler_maruyama", 1.5});
  CHECK(sde.sampler.leg(WN_PROFILE_FINAL, 1, 0, 0, 0).total() == 13);
  CHECK((sde.sampler.info(0).flags & WN_F_STOCHASTIC) != 0);
  CHECK(sde.sampler.info(0).network_passes == 2);
  // An SDE without noise is none: branches would be copies.
  Bench still({"euler_maruyama", 1, 0});
  CHECK((still.sampler.info(0).flags & WN_F_STOCHASTIC) == 0);
  CHECK(still.sampler.leg(WN_PROFILE_FINAL, 1, 0, -1, 0).total() == 13);
  CHECK_THROWS_WITH(still.sampler.leg(WN_PROFILE_FINAL, 1, 0, 1, 0),
                    Catch::Contains("stochasticity 1") && Catch::Contains("has no noise"));
  // The variance-preserving path can renew all noise, and not more.
  Bench vp({"euler", 1, 0.5, "vp"});
  CHECK(vp.sampler.leg(WN_PROFILE_FINAL, 1, 0, 2, 0).total() == 13);
  CHECK_THROWS_WITH(vp.sampler.leg(WN_PROFILE_FINAL, 1, 0, 3, 0),
                    Catch::Contains("stochasticity 3") && Catch::Contains("no such amount"));
}

TEST_CASE("winnow.sit: a preview changes no bit of the steps after it") {
  Bench bench({"heun", GENERATE(1.0, 2.0)});
  bench.start(3);
  bench.step(1, 0.6);
  const auto before = bench.item(1);
  Tensor clean(3, bench.sampler.info(0).latent_shape);
  bench.batch.from_time.assign(3, 0.6);
  bench.sampler.preview(bench.batch, bench.noise, clean);
  CHECK(bench.batch.has_eval == std::vector<uint8_t>{1, 1, 1});
  CHECK(bench.item(1) == before);
  bench.batch.has_eval[1] = 0;  // as if its evaluation had been lost
  bench.step(0.6, 0.3);
  const auto with = bench.item(0), mixed = bench.item(1);
  CHECK(bench.batch.has_eval == std::vector<uint8_t>{0, 0, 0});

  bench.start(3);
  bench.step(1, 0.6);
  bench.step(0.6, 0.3);
  CHECK(bench.item(0) == with);
  CHECK(bench.item(1) == mixed);
}

TEST_CASE("winnow.sit: neighbours and their times do not matter") {
  const std::string solver = GENERATE("euler", "heun", "euler_maruyama");
  Bench bench({solver, 1});
  bench.start(4);
  bench.batch.from_time = {1, 0.8, 0.5, 0.2};
  bench.batch.to_time = {0.9, 0.6, 0.4, 0};
  bench.batch.position = {1, 2, 3, 4};
  bench.sampler.step(bench.batch, bench.noise);
  const auto among = std::vector{bench.item(0), bench.item(1), bench.item(2), bench.item(3)};
  const double from[] = {1, 0.8, 0.5, 0.2}, to[] = {0.9, 0.6, 0.4, 0};
  for (uint32_t i = 0; i < 4; ++i) {
    bench.start(1, 100 + i, i);
    bench.step(from[i], to[i], i + 1);
    CHECK(distance(bench.item(0), among[i]) < 1e-4);
  }
}

TEST_CASE("winnow.sit: -1 makes the SDE Euler, > 0 makes Heun stochastic") {
  Bench sde({"euler_maruyama", 1}), euler({"euler", 1}), heun;
  sde.start(2);
  euler.start(2);
  heun.start(2);
  sde.batch.stochasticity.assign(2, -1);
  heun.batch.stochasticity.assign(2, 1);
  for (Bench* bench : {&sde, &euler, &heun}) bench->step(1, 0.5);
  CHECK(sde.item(0) == euler.item(0));
  sde.start(2);
  sde.step(1, 0.5);
  CHECK(sde.item(0) == heun.item(0));
  CHECK(sde.item(0) != euler.item(0));
}

TEST_CASE("winnow.sit: renoising follows the forward kernel") {
  Bench bench;
  bench.start(2);
  bench.step(1, 0.3);
  const auto before = bench.item(1);
  bench.batch.from_time.assign(2, 0.3);
  bench.batch.to_time.assign(2, 0.8);
  bench.batch.noise = {7, 8};
  bench.sampler.renoise(bench.batch, bench.noise);
  std::vector<float> eps(before.size()), expected;
  bench.noise.normal(8, 0, eps);
  const double ratio = 0.2 / 0.7, spread = std::sqrt(0.64 - ratio * ratio * 0.09);
  for (size_t e = 0; e < eps.size(); ++e) {
    expected.push_back(static_cast<float>(ratio * before[e] + spread * eps[e]));
  }
  CHECK(distance(bench.item(1), expected) < 1e-6);
  CHECK(bench.batch.has_eval == std::vector<uint8_t>{0, 0});
}

TEST_CASE("winnow.sit: an unknown class fails its item alone") {
  Bench bench;
  bench.start(3, 100, 8);  // classes 8, 9, 10
  const ItemFailures failures = bench.step(1, 0.5);
  CHECK(failures[0].status == WN_OK);
  CHECK(failures[1].status == WN_OK);
  CHECK(failures[2].status == WN_E_INVALID_ARGUMENT);
  CHECK_THAT(failures[2].text, Catch::Contains("class 10") && Catch::Contains("0 to 9"));
}

TEST_CASE("winnow.sit: 13 Heun steps make images of the trained contrast") {
  Bench bench;
  bench.start(10);
  const auto times = bench.sampler.info(0).times;
  for (uint32_t k = 0; k < 13; ++k) bench.step(times[k], times[k + 1], k + 1);
  Tensor samples(10, bench.sampler.info(0).sample_shape);
  bench.sampler.decode(bench.batch, samples);
  double mean = 0, black = 0;
  for (size_t i = 0; i < 10; ++i) {
    for (const float v : samples.item(i)) {
      CHECK_FALSE((v < 0 || v > 1));
      mean += v / 7840;
      black += (v < 0.02) / 7840.0;
    }
  }
  CHECK(mean == Approx(0.286).margin(0.12));  // of the training images
  CHECK(black > 0.3);
}

}  // namespace
}  // namespace winnow

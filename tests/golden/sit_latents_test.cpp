// winnow.sit on latents, through the host's loader and guard: whole trajectories of SiT-S/2 against
// sit_reference.py, pictures and gradients through a decoder, and what is refused. All weights are
// hashed.
#include <ATen/ATen.h>

#include <atomic>
#include <cmath>

#include "host/guard.hpp"
#include "host/noise.hpp"
#include "plugins/safetensors_torch.hpp"
#include "tests/golden/golden_values.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"
#include "tests/support/published_weights.hpp"

namespace winnow {
namespace {

using namespace winnow::test;

constexpr int64_t kSide = 8;

class FreshNoise : public NoiseSource {
 public:
  void normal(uint64_t handle, uint32_t position, std::span<float> out) override {
    fill_normal({handle, 0, 0}, position, 0, out);
  }
};

// Weights of SiT-S/2 on 4 x 8 x 8, of a network of width 32, and of a decoder to 3 x 16 x 16; each
// is written when it is first asked for.
class Files {
 public:
  std::string path(const std::string& name) const {
    const std::string path = (folder_ / name).string();
    if (std::filesystem::exists(path)) return path;
    const sit::Config small{2, 32, 2, 4, 4, 4, kSide, 3}, pixels{2, 32, 2, 4, 3, 3, kSide, 3};
    if (name == "s.safetensors") save(path, published_sit("S", kSide), {});
    if (name == "small.safetensors") save(path, hashed_sit(small), {{"heads", "2"}});
    if (name == "pixels.safetensors") save(path, hashed_sit(pixels), {{"heads", "2"}});
    if (name == "vae.safetensors") save_tensors(path, published_vae({32, 64}, 1, 4), {});
    if (name == "vae16.safetensors") save_tensors(path, published_vae({32, 64}, 1, 16), {});
    return path;
  }

 private:
  static void save(const std::string& path, sit::Network net,
                   const std::map<std::string, std::string>& metadata) {
    std::map<std::string, at::Tensor> tensors;
    sit::for_each_tensor(
        net, [&](const std::string& key, at::Tensor& tensor) { tensors[key] = tensor; });
    save_tensors(path, tensors, metadata);
  }
  TemporaryFolder folder_;
};

struct Settings {
  std::string weights = "s.safetensors", vae = "vae.safetensors", solver = "euler";
  double cfg_scale = 1;
  int64_t cfg_channels = 0, steps = 50, tile = 64;
};

struct Bench {
  explicit Bench(const Settings& settings = {})
      : registry(scan({PLUGINS})), services(&stop), sampler(make(settings)) {}

  std::unique_ptr<PluginInstance> make(const Settings& s) {
    const FoundPlugin& found = registry.find(PluginKind::kSampler, "winnow.sit");
    const std::string vae = s.vae.empty() ? "" : files.path(s.vae);
    return std::make_unique<PluginInstance>(
        libraries.load(found),
        use_of(found, {{"cfg_channels", WN_OPT_I64, OptionData(s.cfg_channels)},
                       {"cfg_scale", WN_OPT_F64, OptionData(s.cfg_scale)},
                       {"solver", WN_OPT_STR, OptionData(s.solver)},
                       {"steps", WN_OPT_I64, OptionData(s.steps)},
                       {"threads", WN_OPT_I64, OptionData(int64_t{1})},
                       {"vae", WN_OPT_PATH, OptionData(vae)},
                       {"vae_tile", WN_OPT_I64, OptionData(s.tile)},
                       {"weights", WN_OPT_PATH, OptionData(files.path(s.weights))}}),
        "1.0.0", services);
  }

  void start(const std::vector<int64_t>& classes, const at::Tensor& first) {
    const size_t n = classes.size();
    const SamplerInfo& info = sampler.info(0);
    latents = Tensor(n, info.latent_shape);
    samples = Tensor(n, info.sample_shape);
    carry = Tensor(n, std::vector<int64_t>{static_cast<int64_t>(info.carry_elements)});
    conditions.assign(n, wn_condition{});
    batch.clear();
    for (size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = classes[i];
      batch.conditions.push_back(&conditions[i]);
      batch.noise.push_back(100 + i);
    }
    batch.has_eval.assign(n, 0);
    batch.from_time.assign(n, 1);
    batch.to_time.assign(n, 0);
    batch.stochasticity.assign(n, 0);
    batch.position.assign(n, 0);
    batch.latents = &latents;
    batch.carry = &carry;
    sampler.init(batch, noise);
    put(latents, first);
  }

  static void put(Tensor& into, const at::Tensor& x) {
    const at::Tensor flat = x.contiguous();
    const float* from = flat.const_data_ptr<float>();
    for (size_t i = 0; i < into.items(); ++i) {
      const auto item = into.item(i);
      std::copy_n(from + i * item.size(), item.size(), item.begin());
    }
  }

  void walk() {
    const std::vector<double>& times = sampler.info(0).times;
    for (size_t k = 0; k + 1 < times.size(); ++k) {
      batch.from_time.assign(batch.size(), times[k]);
      batch.to_time.assign(batch.size(), times[k + 1]);
      batch.position.assign(batch.size(), static_cast<uint32_t>(k + 1));
      sampler.step(batch, noise);
    }
  }

  at::Tensor decoded() {
    sampler.decode(batch, samples);
    return tensor_of(samples);
  }

  static at::Tensor tensor_of(const Tensor& tensor) {
    return at::from_blob(const_cast<float*>(tensor.values().data()),
                         {static_cast<int64_t>(tensor.values().size())}, at::kFloat)
        .clone();
  }

  Files files;
  Registry registry;
  LibraryCache libraries;
  std::atomic<wn_status> stop{WN_OK};
  HostServices services;
  Sampler sampler;
  FreshNoise noise;
  Tensor latents, carry, samples;
  std::vector<wn_condition> conditions;
  SamplerBatch batch;
};

void check_trajectory(const Settings& settings, const std::string& key) {
  Bench bench(settings);
  bench.start({7, 207}, hashed("x", {2, 4, kSide, kSide}, 1.7));
  bench.walk();
  check_golden("sit_reference.txt", key, Bench::tensor_of(bench.latents), 1e-4);
}

}  // namespace

TEST_CASE("fifty steps of Euler and Heun equal the reference's", "[golden][sit]") {
  check_trajectory({.solver = "euler"}, "euler");
  check_trajectory({.solver = "heun"}, "heun");
}

TEST_CASE("guidance of the first three channels equals the reference's", "[golden][sit]") {
  check_trajectory({.cfg_scale = 1.5, .cfg_channels = 3, .steps = 10}, "guided");
}

TEST_CASE("latents are divided by their scale, decoded and clamped, each by itself",
          "[golden][sit]") {
  Bench bench({.weights = "small.safetensors", .solver = "euler"});
  CHECK(bench.sampler.info(0).latent_shape == std::vector<int64_t>{4, kSide, kSide});
  CHECK(bench.sampler.info(0).sample_shape == std::vector<int64_t>{3, 2 * kSide, 2 * kSide});
  const at::Tensor x = hashed("x", {2, 4, kSide, kSide}, 0.3);
  bench.start({0, 1}, x);
  const at::Tensor both = bench.decoded();
  const auto decoder = vae::decoder_from_tensors(published_vae({32, 64}, 1, 4));
  const at::Tensor expected = ((vae::decode(decoder, x / 0.18215) + 1) / 2).clamp(0, 1).flatten();
  CHECK((both - expected).abs().max().item<float>() < 1e-5);
  CHECK(both.max().item<float>() == 1);
  bench.start({1}, x.narrow(0, 1, 1));
  CHECK(at::equal(bench.decoded(), both.narrow(0, both.numel() / 2, both.numel() / 2)));
}

TEST_CASE("gradients go back through the decoder", "[golden][sit]") {
  Bench bench({.weights = "small.safetensors", .solver = "heun", .steps = 3});
  const at::Tensor x = hashed("x", {1, 4, kSide, kSide}, 0.3);
  bench.start({2}, x);
  Tensor d_samples(1, bench.sampler.info(0).sample_shape),
      d_latents(1, bench.sampler.info(0).latent_shape);
  const at::Tensor d = hashed("d", {static_cast<int64_t>(d_samples.values().size())}, 1);
  Bench::put(d_samples, d);
  bench.sampler.vjp(bench.batch, bench.noise, d_samples, d_latents);
  const at::Tensor gradient = Bench::tensor_of(d_latents);
  const auto value = [&](const at::Tensor& from) {
    bench.start({2}, from);
    bench.walk();
    return (bench.decoded() * d).sum(at::kDouble).item<double>();
  };
  for (const char* name : {"v", "w"}) {
    const at::Tensor v = hashed(name, x.sizes(), 1);
    const double h = 2e-3;
    const double slope = (value(x + h * v) - value(x - h * v)) / (2 * h);
    const double product = (gradient * v.flatten()).sum(at::kDouble).item<double>();
    CHECK(product == Approx(slope).epsilon(0.02));
    CHECK(std::abs(slope) > 0.1);
  }
}

TEST_CASE("gradients through the decoder do not depend on the neighbours", "[golden][sit]") {
  Bench bench({.weights = "small.safetensors", .solver = "euler", .steps = 2});
  const at::Tensor x = hashed("x", {2, 4, kSide, kSide}, 0.3);
  const at::Tensor d = hashed("d", {2, 3 * 4 * kSide * kSide}, 1);
  const auto gradient = [&](int64_t first, int64_t n) {
    const std::vector<int64_t> classes{0, 1};
    bench.start({classes.begin() + first, classes.begin() + first + n}, x.narrow(0, first, n));
    Tensor d_samples(static_cast<uint64_t>(n), bench.sampler.info(0).sample_shape);
    Tensor d_latents(static_cast<uint64_t>(n), bench.sampler.info(0).latent_shape);
    Bench::put(d_samples, d.narrow(0, first, n));
    bench.sampler.vjp(bench.batch, bench.noise, d_samples, d_latents);
    return Bench::tensor_of(d_latents).view({n, -1});
  };
  const at::Tensor both = gradient(0, 2);
  for (const int64_t i : {0, 1})
    CHECK((gradient(i, 1)[0] - both[i]).abs().max().item<float>() <
          1e-4f * both[i].abs().max().item<float>());
}

TEST_CASE("a network and a decoder that do not fit are refused with both numbers",
          "[golden][sit]") {
  const std::string small = "small.safetensors";
  CHECK_THROWS_WITH(Bench({.weights = small, .vae = ""}),
                    Catch::Contains("works on 4 channels") && Catch::Contains("option vae"));
  CHECK_THROWS_WITH(Bench({.weights = small, .vae = "vae16.safetensors"}),
                    Catch::Contains("latents of 16 channels, the network works on 4"));
  CHECK_THROWS_WITH(Bench({.weights = small, .vae = "small.safetensors"}),
                    Catch::Contains("'decoder.conv_in.weight' is missing"));
  CHECK_THROWS_WITH(Bench({.weights = "pixels.safetensors"}),
                    Catch::Contains("latents of 4 channels, the network works on 3"));
  CHECK_THROWS_WITH(Bench({.weights = small, .cfg_channels = 5}),
                    Catch::Contains("cfg_channels is 5"));
  CHECK_THROWS_WITH(Bench({.weights = small, .tile = 6}),
                    Catch::Contains("vae_tile is 6, expected a multiple of 4"));
}

}  // namespace winnow

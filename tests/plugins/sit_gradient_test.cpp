// sit_gradient_test.cpp: winnow.sit's vjp against central differences of the whole path and
// against closed forms; the FLOPs it states against a count over the weights.
#include <ATen/ATen.h>

#include <atomic>
#include <cmath>

#include "host/guard.hpp"
#include "host/noise.hpp"
#include "plugins/safetensors_torch.hpp"
#include "plugins/samplers/path_gradient.hpp"
#include "plugins/samplers/sit_network.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

class FreshNoise : public NoiseSource {
 public:
  void normal(uint64_t handle, uint32_t position, std::span<float> out) override {
    fill_normal({handle, 0, 0}, position, 0, out);
  }
};

struct Settings {
  std::string solver = "heun";
  double cfg_scale = 1;
  int64_t steps = 4;
  std::string weights = "";  // empty: a small random network
  double spread = 0.15;      // of the layers that training starts at zero
};

std::filesystem::path random_weights(const std::filesystem::path& folder, double spread) {
  const at::Generator random = at::make_generator<at::CPUGeneratorImpl>(5);
  sit::Network net = sit::make_network({2, 32, 2, 4, 1, 1, 8, 3}, random);
  std::map<std::string, at::Tensor> tensors;
  sit::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    if (tensor.abs().max().item<float>() == 0) tensor.normal_(0, spread, random);
    tensors[name] = tensor;
  });
  const auto file = folder / "network.safetensors";
  save_tensors(file.string(), tensors, {{"heads", "2"}});
  return file;
}

// A batch of n items with noises 100, 101, ... and classes 0, 1, 2, 0, ...
struct Gradients {
  explicit Gradients(const Settings& settings)
      : registry(test::scan({PLUGINS})), services(&stop), sampler(make(settings)) {}

  std::unique_ptr<PluginInstance> make(const Settings& s) {
    const std::string weights =
        s.weights.empty() ? random_weights(folder.path(), s.spread).string() : s.weights;
    const FoundPlugin& found = registry.find(PluginKind::kSampler, "winnow.sit");
    std::vector<OptionValue> options = {{"cfg_scale", WN_OPT_F64, OptionData(s.cfg_scale)},
                                        {"search_steps", WN_OPT_I64, OptionData(int64_t{2})},
                                        {"solver", WN_OPT_STR, OptionData(s.solver)},
                                        {"steps", WN_OPT_I64, OptionData(s.steps)},
                                        {"threads", WN_OPT_I64, OptionData(int64_t{1})},
                                        {"weights", WN_OPT_PATH, OptionData(weights)}};
    return std::make_unique<PluginInstance>(
        libraries.load(found), test::use_of(found, std::move(options)), "1.0.0", services);
  }

  void start(size_t n, size_t first = 0) {
    const SamplerInfo& info = sampler.info(0);
    latents = Tensor(n, info.latent_shape);
    samples = Tensor(n, info.sample_shape);
    d_samples = Tensor(n, info.sample_shape);
    d_latents = Tensor(n, info.latent_shape);
    carry = Tensor(n, std::vector<int64_t>{static_cast<int64_t>(info.carry_elements)});
    conditions.assign(n, wn_condition{});
    batch.clear();
    for (size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = static_cast<int64_t>((first + i) % 3);
      batch.conditions.push_back(&conditions[i]);
      batch.noise.push_back(100 + first + i);
      fill_normal({7, first + i, 3}, 0, 0, d_samples.item(i));
    }
    batch.has_eval.assign(n, 0);
    batch.from_time.assign(n, 1);
    batch.to_time.assign(n, 0);
    batch.stochasticity.assign(n, 0);
    batch.position.assign(n, 0);
    batch.latents = &latents;
    batch.carry = &carry;
    sampler.init(batch, noise);
  }

  ItemFailures vjp() { return sampler.vjp(batch, noise, d_samples, d_latents); }

  // sum over elements of d_samples * sample of item i, after the whole path from latents + h v.
  double value(size_t i, const std::vector<float>& v, double h) {
    sampler.init(batch, noise);
    for (size_t e = 0; e < v.size(); ++e)
      latents.item(i)[e] = static_cast<float>(latents.item(i)[e] + h * v[e]);
    const std::vector<double>& times = sampler.info(batch.profile).times;
    for (size_t k = 0; k + 1 < times.size(); ++k) {
      batch.from_time.assign(batch.size(), times[k]);
      batch.to_time.assign(batch.size(), times[k + 1]);
      sampler.step(batch, noise);
    }
    sampler.decode(batch, samples);
    sampler.init(batch, noise);
    double sum = 0;
    for (size_t e = 0; e < v.size(); ++e)
      sum += static_cast<double>(d_samples.item(i)[e]) * samples.item(i)[e];
    return sum;
  }

  std::vector<float> gradient(size_t i) {
    return {d_latents.item(i).begin(), d_latents.item(i).end()};
  }

  test::TemporaryFolder folder;
  Registry registry;
  LibraryCache libraries;
  std::atomic<wn_status> stop{WN_OK};
  HostServices services;
  Sampler sampler;
  FreshNoise noise;
  Tensor latents, carry, samples, d_samples, d_latents;
  std::vector<wn_condition> conditions;
  SamplerBatch batch;
};

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t e = 0; e < a.size(); ++e) sum += static_cast<double>(a[e]) * b[e];
  return sum;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double worst = 0;
  for (size_t e = 0; e < a.size(); ++e) worst = std::max<double>(worst, std::abs(a[e] - b[e]));
  return worst;
}

TEST_CASE("the gradient is that of central differences of the whole path", "[sit]") {
  const Settings settings =
      GENERATE(Settings{"euler", 1, 4}, Settings{"heun", 1, 4}, Settings{"heun", 2.5, 3});
  const uint32_t profile = GENERATE(WN_PROFILE_FINAL, WN_PROFILE_SEARCH);
  CAPTURE(settings.solver, settings.cfg_scale, profile);
  Gradients gradients(settings);
  gradients.start(2);
  gradients.batch.profile = profile;
  const std::vector<float> before(gradients.latents.item(1).begin(),
                                  gradients.latents.item(1).end());
  for (const ItemFailure& failure : gradients.vjp()) REQUIRE(failure.status == WN_OK);
  CHECK(distance(before, {gradients.latents.item(1).begin(), gradients.latents.item(1).end()}) ==
        0);
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<float> g = gradients.gradient(i);
    const double norm = std::sqrt(dot(g, g));
    REQUIRE(norm > 0.1);
    for (uint64_t direction = 0; direction < 4; ++direction) {
      // Along the gradient itself, then along random unit vectors.
      std::vector<float> v = g;
      if (direction > 0) fill_normal({direction, i, 9}, 0, 0, v);
      const double length = std::sqrt(dot(v, v));
      for (float& element : v) element = static_cast<float>(element / length);
      const auto central = [&](double h) {
        return (gradients.value(i, v, h) - gradients.value(i, v, -h)) / (2 * h);
      };
      const double h = 0.005;
      const double difference = (4 * central(h / 2) - central(h)) / 3;  // Richardson
      CAPTURE(i, direction, norm);
      CHECK(dot(g, v) == Approx(difference).margin(2e-3 * norm));
    }
  }
}

TEST_CASE("a network without output leaves half of the gradient, and none beyond black and white",
          "[sit]") {
  Gradients gradients({"heun", 1, 3, "", 0.0});
  gradients.start(1);
  gradients.vjp();
  size_t beyond = 0;
  for (size_t e = 0; e < 64; ++e) {
    const float x = gradients.latents.item(0)[e];
    const bool clamped = x < -1 || x > 1;
    beyond += clamped;
    CHECK(gradients.d_latents.item(0)[e] == (clamped ? 0 : 0.5f * gradients.d_samples.item(0)[e]));
  }
  CHECK(beyond > 5);
}

TEST_CASE("the gradient through a preview is that of central differences of it", "[sit]") {
  const Settings settings = GENERATE(Settings{"heun", 1, 4}, Settings{"euler_maruyama", 2.5, 4});
  const double time = GENERATE(1.0, 0.35);
  CAPTURE(settings.solver, settings.cfg_scale, time);
  Gradients gradients(settings);
  gradients.start(2);
  gradients.batch.from_time.assign(2, time);
  gradients.batch.to_time.assign(2, time);
  for (const ItemFailure& failure : gradients.vjp()) REQUIRE(failure.status == WN_OK);
  for (size_t i = 0; i < 2; ++i) {
    const std::vector<float> g = gradients.gradient(i);
    const double norm = std::sqrt(dot(g, g));
    REQUIRE(norm > 0.1);
    const auto value = [&](double h) {
      Tensor clean(2, gradients.sampler.info(0).latent_shape);
      const std::vector<float> before(gradients.latents.item(i).begin(),
                                      gradients.latents.item(i).end());
      for (size_t e = 0; e < g.size(); ++e)
        gradients.latents.item(i)[e] += static_cast<float>(h * g[e] / norm);
      gradients.batch.has_eval.assign(2, 0);
      gradients.sampler.preview(gradients.batch, gradients.noise, clean);
      std::ranges::copy(before, gradients.latents.item(i).begin());
      double sum = 0;
      for (size_t e = 0; e < g.size(); ++e)
        sum += static_cast<double>(gradients.d_samples.item(i)[e]) *
               std::clamp((clean.item(i)[e] + 1) / 2, 0.0f, 1.0f);
      return sum;
    };
    const auto central = [&](double h) { return (value(h) - value(-h)) / (2 * h); };
    const double difference = (4 * central(0.0025) - central(0.005)) / 3;  // Richardson
    CHECK(norm == Approx(difference).margin(2e-3 * norm));
  }
}

TEST_CASE("the gradient of an item does not depend on its neighbours", "[sit]") {
  Gradients gradients({"heun", 1, 3});
  gradients.start(5);
  gradients.vjp();
  std::vector<std::vector<float>> among;
  for (size_t i = 0; i < 5; ++i) among.push_back(gradients.gradient(i));
  for (size_t i = 0; i < 5; ++i) {
    gradients.start(1, i);
    gradients.vjp();
    CHECK(distance(gradients.gradient(0), among[i]) < 1e-5);
  }
}

TEST_CASE("the gradient of an SDE is refused for its items only", "[sit]") {
  Gradients heun({"heun", 1, 3}), euler({"euler", 1, 3}), sde({"euler_maruyama", 1, 3});
  heun.start(2);
  heun.vjp();
  const auto expected = heun.gradient(1);
  heun.batch.stochasticity = {0.5, 0};
  const ItemFailures failures = heun.vjp();
  CHECK(failures[0].status == WN_E_FAILED_PRECONDITION);
  CHECK_THAT(failures[0].text, Catch::Contains("winnow.sit: the gradient of a path of the SDE"));
  CHECK(failures[1].status == WN_OK);
  CHECK(distance(heun.gradient(1), expected) < 1e-5);

  euler.start(2);
  euler.vjp();
  sde.start(2);
  CHECK(sde.vjp()[1].status == WN_E_FAILED_PRECONDITION);
  sde.batch.stochasticity = {-1, -1};  // its deterministic part is Euler
  for (const ItemFailure& failure : sde.vjp()) CHECK(failure.status == WN_OK);
  CHECK(sde.gradient(1) == euler.gradient(1));
}

TEST_CASE("a stop ends the gradient", "[sit]") {
  Gradients gradients({"heun", 1, 10000});  // some seconds
  gradients.start(1);
  gradients.stop = WN_E_CANCELLED;
  CHECK_THROWS(gradients.vjp());
  CHECK(std::isnan(gradients.gradient(0)[0]));
}

TEST_CASE("a path of linear steps has the product of its factors as gradient, each made twice") {
  const std::vector<double> factors{0.5, -2, 3, 0.25};
  std::vector<size_t> made;
  size_t graphs = 0;
  const auto step = [&](const at::Tensor& x, size_t k) {
    made.push_back(k);
    graphs += x.requires_grad();
    return factors[k] * x + static_cast<double>(k);
  };
  const at::Tensor start = at::full({3}, 2.0f);
  const at::Tensor gradient =
      path_gradient(start, factors.size(), step, [](const at::Tensor& x) { return 2 * x; });
  // x: 2 -> 1 -> -1 -> -1 -> 2.75, gradient at the end 5.5
  CHECK(at::equal(gradient, at::full({3}, 5.5f * 0.5f * -2 * 3 * 0.25f)));
  CHECK(made == std::vector<size_t>{0, 1, 2, 3, 3, 2, 1, 0});
  CHECK(graphs == factors.size());
  CHECK_FALSE(start.requires_grad());
}

TEST_CASE("the sampler states the FLOPs of its network and the price of a gradient", "[sit]") {
  const std::string weights = std::string(MODELS) + "/fashion-sit-b.safetensors";
  Gradients gradients({"heun", 1, 3, weights});
  // Every weight matrix takes part in one multiplication and one addition for each row that it is
  // applied to: the tokens, or the item; attention multiplies queries with keys and weights with
  // values.
  const SafetensorsFile file = read_safetensors(weights);
  double expected = 0, blocks = 0, width = 0;
  const double tokens = 49;
  for (const auto& [name, view] : file.tensors) {
    if (view.shape.size() < 2 || name == "pos_embed" || name.starts_with("y_embedder")) continue;
    double elements = 1;
    for (const int64_t extent : view.shape) elements *= static_cast<double>(extent);
    const bool per_item = name.starts_with("t_embedder") || name.find("adaLN") != name.npos;
    expected += 2 * elements * (per_item ? 1 : tokens);
    blocks += name.ends_with("attn.qkv.weight");
    if (name.ends_with("attn.proj.weight")) width = static_cast<double>(view.shape[0]);
  }
  expected += blocks * 2 * (2 * tokens * tokens * width);
  const SamplerInfo& info = gradients.sampler.info(WN_PROFILE_FINAL);
  CHECK(info.flops == expected);
  CHECK(info.backward_nfe == 2);
  CHECK(info.vjp_forward_nfe == 2);
  CHECK((info.flags & WN_F_VJP) != 0);
}

}  // namespace
}  // namespace winnow

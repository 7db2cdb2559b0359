// exported_bench.hpp: winnow.exported through the host's loader and guard, on bundles in a folder.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "host/guard.hpp"
#include "tests/support/hashed_numbers.hpp"
#include "tests/support/package.hpp"

namespace winnow::test {

// Noise k at position k, the same as in exported.py: item i of a batch has handle i.
class HashedNoise : public NoiseSource {
 public:
  void normal(uint64_t handle, uint32_t position, std::span<float> out) override {
    const std::string name = "noise " + std::to_string(position);
    for (size_t e = 0; e < out.size(); ++e)
      out[e] = static_cast<float>(hashed_number(name, handle * out.size() + e, 1.7));
  }
};

struct ExportedSettings {
  std::string solver = "bundle";
  int64_t steps = 0, search_steps = 0, frames = 0;
  double eta = 0, guidance_scale = -1, churn = 0;
  std::string prompts = "", negative_prompt = "", device = "cpu";
};

struct ExportedBench {
  explicit ExportedBench(const std::filesystem::path& bundle, const ExportedSettings& settings = {})
      : registry(scan({PLUGINS})), services(&stop), sampler(make(bundle, settings)) {}

  std::unique_ptr<PluginInstance> make(const std::filesystem::path& bundle,
                                       const ExportedSettings& s) {
    const FoundPlugin& found = registry.find(PluginKind::kSampler, "winnow.exported");
    return std::make_unique<PluginInstance>(
        libraries.load(found),
        use_of(found, {{"bundle", WN_OPT_PATH, OptionData(bundle.string())},
                       {"churn", WN_OPT_F64, OptionData(s.churn)},
                       {"device", WN_OPT_STR, OptionData(s.device)},
                       {"eta", WN_OPT_F64, OptionData(s.eta)},
                       {"frames", WN_OPT_I64, OptionData(s.frames)},
                       {"guidance_scale", WN_OPT_F64, OptionData(s.guidance_scale)},
                       {"negative_prompt", WN_OPT_STR, OptionData(s.negative_prompt)},
                       {"prompts", WN_OPT_PATH, OptionData(s.prompts)},
                       {"search_steps", WN_OPT_I64, OptionData(s.search_steps)},
                       {"solver", WN_OPT_STR, OptionData(s.solver)},
                       {"steps", WN_OPT_I64, OptionData(s.steps)},
                       {"threads", WN_OPT_I64, OptionData(int64_t{1})}}),
        "1.0.0", services);
  }

  // Item i has noise i, unless another one is given as first.
  ItemFailures start(const std::vector<std::string>& texts, const std::vector<int64_t>& classes,
                     uint64_t first = 0) {
    const size_t n = texts.size();
    prompts = texts;
    latents = Tensor(n, sampler.info(0).latent_shape);
    carry = Tensor(n, std::vector<int64_t>{static_cast<int64_t>(sampler.info(0).carry_elements)});
    conditions.assign(n, wn_condition{});
    batch.clear();
    for (size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = classes[i];
      conditions[i].prompt = {prompts[i].data(), prompts[i].size()};
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
    return sampler.init(batch, noise);
  }

  void step(double from, double to, uint32_t position) {
    batch.from_time.assign(batch.size(), from);
    batch.to_time.assign(batch.size(), to);
    batch.position.assign(batch.size(), position);
    for (const ItemFailure& failure : sampler.step(batch, noise))
      if (failure.status != WN_OK) throw std::runtime_error(failure.text);
  }
  void walk(const std::vector<double>& times) {
    for (size_t k = 0; k + 1 < times.size(); ++k)
      step(times[k], times[k + 1], static_cast<uint32_t>(k + 1));
  }

  std::vector<float> item(size_t i) { return {latents.item(i).begin(), latents.item(i).end()}; }

  Registry registry;
  LibraryCache libraries;
  std::atomic<wn_status> stop{WN_OK};
  HostServices services;
  Sampler sampler;
  HashedNoise noise;
  std::vector<std::string> prompts;
  Tensor latents, carry;
  std::vector<wn_condition> conditions;
  SamplerBatch batch;
};

// The committed bundles, or, for exported_test.py, those it has just made.
inline std::filesystem::path bundles() {
  const char* other = std::getenv("WINNOW_TEST_BUNDLES");
  return other ? other : BUNDLES;
}

}  // namespace winnow::test

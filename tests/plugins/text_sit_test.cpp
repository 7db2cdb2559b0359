// text_sit_test.cpp: winnow.text_sit with a small network of random weights, through the host's
// real loader and guard.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "host/guard.hpp"
#include "host/noise.hpp"
#include "safetensors_torch.hpp"
#include "samplers/text_sit_network.hpp"
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

at::Generator generator() { return at::make_generator<at::CPUGeneratorImpl>(3); }

// Every tensor random, those that begin as zeros too.
text_sit::Network small_network() {
  const text_sit::Config shape{.depth = 2,
                               .width = 32,
                               .heads = 2,
                               .patch = 4,
                               .channels = 3,
                               .size = 16,
                               .words = 0,
                               .length = 8,
                               .text_depth = 1};
  const Vocabulary words({"a", "and", "blue", "circle", "red", "square"});
  text_sit::Network net = text_sit::make_network(shape, words, generator());
  at::Generator random = generator();
  text_sit::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    if (name != "pos_embed") tensor = tensor + at::empty_like(tensor).normal_(0, 0.1, random);
  });
  return net;
}

std::map<std::string, at::Tensor> tensors_of(text_sit::Network net) {
  std::map<std::string, at::Tensor> out;
  text_sit::for_each_tensor(
      net, [&](const std::string& name, at::Tensor& tensor) { out[name] = tensor; });
  return out;
}

OptionValue text(const char* key, const std::string& value, uint32_t type = WN_OPT_STR) {
  return {key, type, OptionData(value)};
}

bool all_went_well(const ItemFailures& failures) {
  return std::all_of(failures.begin(), failures.end(),
                     [](const ItemFailure& f) { return f.status == WN_OK; });
}

struct Settings {
  double cfg_scale = 1;
  std::string precision = "fp32";
};

// A batch with the noises 100, 101, ... and these prompts.
struct Bench {
  explicit Bench(const Settings& settings = {})
      : file((folder / "small.safetensors").string()),
        registry(test::scan({PLUGINS})),
        services(nullptr),
        sampler(make(settings)) {}

  std::unique_ptr<PluginInstance> make(const Settings& settings) {
    const text_sit::Network net = small_network();
    save_tensors(file, tensors_of(net), text_sit::network_metadata(net));
    const FoundPlugin& found = registry.find(PluginKind::kSampler, "winnow.text_sit");
    const PluginUse use{"winnow.text_sit",
                        {{"cfg_scale", WN_OPT_F64, OptionData(settings.cfg_scale)},
                         text("device", "cpu"),
                         text("diffusion", "sigma"),
                         {"noise_strength", WN_OPT_F64, OptionData(1.0)},
                         text("precision", settings.precision),
                         {"search_steps", WN_OPT_I64, OptionData(int64_t{0})},
                         text("solver", "euler"),
                         text("spacing", "uniform"),
                         {"steps", WN_OPT_I64, OptionData(int64_t{4})},
                         {"threads", WN_OPT_I64, OptionData(int64_t{1})},
                         text("weights", file, WN_OPT_PATH)}};
    return std::make_unique<PluginInstance>(libraries.load(found), use, "1.0.0", services);
  }

  ItemFailures start(const std::vector<std::string>& asked) {
    const size_t n = asked.size();
    prompts = asked;
    latents = Tensor(n, sampler.info(0).latent_shape);
    carry = Tensor(n, std::vector<int64_t>{static_cast<int64_t>(sampler.info(0).carry_elements)});
    conditions.assign(n, wn_condition{});
    batch.clear();
    for (size_t i = 0; i < n; ++i) {
      conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
      conditions[i].class_id = -1;
      conditions[i].prompt = {prompts[i].c_str(), prompts[i].size()};
      batch.conditions.push_back(&conditions[i]);
      batch.noise.push_back(100 + i);
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

  // The latents of all items after one step from noise to `to`.
  std::vector<std::vector<float>> walk(const std::vector<std::string>& asked, double to = 0.5) {
    CHECK(all_went_well(start(asked)));
    batch.to_time.assign(batch.size(), to);
    batch.position.assign(batch.size(), 1);
    CHECK(all_went_well(sampler.step(batch, noise)));
    std::vector<std::vector<float>> out;
    for (size_t i = 0; i < asked.size(); ++i)
      out.emplace_back(latents.item(i).begin(), latents.item(i).end());
    return out;
  }

  test::TemporaryFolder folder;
  std::string file;
  Registry registry;
  LibraryCache libraries;
  HostServices services;
  Sampler sampler;
  Tensor latents, carry;
  std::vector<std::string> prompts;
  std::vector<wn_condition> conditions;
  SamplerBatch batch;
  FreshNoise noise;
};

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i)
    out = std::max(out, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return out;
}

std::string refusal(const std::string& path) {
  try {
    text_sit::load_network(path);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a step is what the network says of the prompt, with and without guidance", "[text]") {
  const at::NoGradGuard no_grad;
  const text_sit::Network net = small_network();
  const text_sit::Texts texts =
      text_sit::encode(net, {text_sit::words_of(net, "a Red circle."), {}});
  for (const double scale : {1.0, 3.0}) {
    Bench bench({.cfg_scale = scale});
    CHECK(all_went_well(bench.start({"a red circle"})));
    const at::Tensor x = at::from_blob(bench.latents.item(0).data(), {1, 3, 16, 16}).clone();
    const at::Tensor v =
        text_sit::velocity(net, at::cat({x, x}), at::zeros({2}, at::kFloat), texts);
    // dx/ds for s = 1 - t: half a unit of time towards the data.
    const at::Tensor wanted = x[0] + 0.5 * (v[1] + scale * (v[0] - v[1]));
    const std::vector<float> walked = bench.walk({"a red circle"})[0];
    const at::Tensor found = at::from_blob(const_cast<float*>(walked.data()), {3, 16, 16}).clone();
    CHECK((found - wanted).abs().max().item<double>() < 1e-5);
    CHECK((v[0] - v[1]).abs().max().item<double>() > 1e-2);  // the prompt matters
    CHECK(bench.sampler.info(0).network_passes == (scale == 1 ? 1u : 2u));
  }
}

TEST_CASE("the words of a prompt matter, and their order", "[text]") {
  Bench bench;
  const auto one = bench.walk({"a red circle and a blue square"})[0];
  CHECK(largest_difference(one, bench.walk({"a red circle and a blue square"})[0]) == 0);
  CHECK(largest_difference(one, bench.walk({"A red circle, and a blue square."})[0]) == 0);
  CHECK(largest_difference(one, bench.walk({"a blue circle and a red square"})[0]) > 1e-4);
  CHECK(largest_difference(one, bench.walk({"a red circle"})[0]) > 1e-4);
}

TEST_CASE("the prompts of its neighbours do not matter to an item", "[text]") {
  Bench bench({.cfg_scale = 2});
  const auto together = bench.walk({"a red circle and a blue square", "circle", "a blue square"});
  const auto swapped = bench.walk({"a red circle and a blue square", "a a a a a a a a", "red"});
  CHECK(largest_difference(together[0], swapped[0]) < 1e-5);
  CHECK(largest_difference(together[0], bench.walk({"a red circle and a blue square"})[0]) < 1e-5);
}

TEST_CASE("a prompt that the network cannot read fails its item alone, before any step", "[text]") {
  Bench bench;
  const ItemFailures failures =
      bench.start({"a red circle", "a rad circle", "", "a a a a a a a a a"});
  REQUIRE(failures.size() == 4);
  CHECK(failures[0].status == WN_OK);
  for (size_t i = 1; i < 4; ++i) CHECK(failures[i].status == WN_E_INVALID_ARGUMENT);
  CHECK_THAT(failures[1].text,
             Catch::Contains("the word 'rad' in 'a rad circle' is not in the vocabulary; the "
                             "nearest known words are red, a, and"));
  CHECK_THAT(failures[2].text, Catch::Contains("the task has no prompt"));
  CHECK_THAT(failures[3].text, Catch::Contains("has 9 words, at most 8 are taken"));
  bench.conditions[2].class_id = 3;
  CHECK_THAT(bench.sampler.init(bench.batch, bench.noise)[2].text,
             Catch::Contains("class 3, the model takes prompts"));
}

TEST_CASE("a prompt of 10,000 characters is not repeated in full", "[text]") {
  std::string many, wide;
  for (int i = 0; i < 5000; ++i) many += "a ", wide += "\xC3\xBC";
  Bench bench;
  const ItemFailures failures = bench.start({many, wide});
  CHECK_THAT(failures[0].text, Catch::Contains("...' has 5000 words"));
  CHECK_THAT(failures[1].text, Catch::Contains("\xC3\xBC...' is not in the vocabulary"));
  for (const auto& failure : failures) CHECK(failure.text.size() < 400);
}

TEST_CASE("a network in bfloat16 takes nearly the same step", "[text]") {
  Bench exact({.cfg_scale = 2}), rounded({.cfg_scale = 2, .precision = "bf16"});
  const std::string prompt = "a red circle and a blue square";
  const double off = largest_difference(exact.walk({prompt})[0], rounded.walk({prompt})[0]);
  CHECK(off > 0);
  CHECK(off < 0.1);
}

TEST_CASE("weights that are no text-conditional SiT are one clear sentence", "[text]") {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "broken.safetensors").string();
  const text_sit::Network net = small_network();
  const auto good = tensors_of(net);
  auto metadata = text_sit::network_metadata(net);
  save_tensors(file, good, metadata);
  CHECK(refusal(file).empty());

  auto tensors = good;
  tensors.erase("blocks.1.cross.query.weight");
  save_tensors(file, tensors, metadata);
  CHECK(refusal(file) == file + ": tensor 'blocks.1.cross.query.weight' is missing");
  tensors = good;
  tensors["text.pooled.bias"] = at::zeros({31});
  save_tensors(file, tensors, metadata);
  CHECK(refusal(file) == file + ": tensor 'text.pooled.bias' has the shape [31], expected [32]");
  tensors = good;
  tensors["more"] = at::zeros({1});
  save_tensors(file, tensors, metadata);
  CHECK_THAT(refusal(file), Catch::Contains("1 tensors are not part of a text-conditional SiT"));
  metadata["vocabulary"] = "a and";
  save_tensors(file, good, metadata);
  CHECK(refusal(file) == file + ": its vocabulary has 2 words, text.words has 6");
  metadata.erase("vocabulary");
  save_tensors(file, good, metadata);
  CHECK(refusal(file) == file + ": its metadata has no vocabulary");
}

TEST_CASE("a network that was written and read is the same", "[text]") {
  const at::NoGradGuard no_grad;
  const test::TemporaryFolder folder;
  const std::string file = (folder / "small.safetensors").string();
  const text_sit::Network net = small_network();
  save_tensors(file, tensors_of(net), text_sit::network_metadata(net));
  const text_sit::Network read = text_sit::load_network(file);
  CHECK(read.vocabulary.words() == net.vocabulary.words());
  const auto velocity = [](const text_sit::Network& of) {
    const at::Tensor x = at::ones({1, 3, 16, 16});
    return text_sit::velocity(of, x, at::full({1}, 0.3), text_sit::encode(of, {{0, 4, 3}}));
  };
  CHECK(at::equal(velocity(read), velocity(net)));
}

}  // namespace
}  // namespace winnow

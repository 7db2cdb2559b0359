// Trains the preference model of scenes, for winnow.image_reward, or measures one: choices of
// simulated people (scenes/raters.hpp) between pictures for one prompt, by the likelihood of
// Bradley and Terry (1952).
//
//   train_image_reward --bf16 --folder work/reward --out scenes-image-reward.safetensors
//   train_image_reward --evaluate scenes-image-reward.safetensors
//
// Each prompt has four pictures, each pair of them one choice. Stop it at any time; the same
// command goes on from the last checkpoint in --folder.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "contrastive.hpp"
#include "rank_correlation.hpp"
#include "scene_data.hpp"
#include "scenes/language.hpp"
#include "scenes/match.hpp"
#include "scenes/raters.hpp"
#include "trainer.hpp"
#include "verifiers/reward_network.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

enum Purpose : uint64_t { kInit = 1 };

constexpr int64_t kTries = 4;
constexpr double kMaxAverage = 0.998;
constexpr uint64_t kHeldOut = 1ull << 40;  // a seed that no training has
constexpr uint64_t kRaters = 1ull << 41;   // with a seed: that of the people who choose

reward::Network make_network(uint64_t seed) {
  classifier::Shape image;
  image.size = scenes::kSide, image.channels = scenes::kChannels;
  image.widths = {32, 64, 64}, image.kernels = {5, 3, 3}, image.strides = {2, 2, 1};
  image.flatten = true, image.features = 64, image.classes = 1;
  text_tower::Shape text;
  text.length = 32;
  return reward::make_network(image, text, Vocabulary(scenes::vocabulary()),
                              generator_for(seed, kInit, 0));
}

// One for each picture.
at::Tensor rewards(const reward::Network& net, const TriedBatch& batch) {
  std::vector<std::vector<int64_t>> texts;
  for (const std::string& caption : batch.captions) {
    texts.push_back(text_tower::places_of(net.text, caption));
  }
  const auto n = static_cast<int64_t>(texts.size());
  const at::Tensor row = at::arange(n).repeat_interleave(batch.pictures.size(0) / n);
  return reward::rewards(net, batch.pictures, text_tower::embed(net.text, texts).select(row));
}

std::vector<double> likings(const TriedBatch& batch) {
  const size_t tries = batch.scenes.size() / batch.requests.size();
  std::vector<double> out;
  for (size_t i = 0; i < batch.scenes.size(); ++i) {
    out.push_back(liking(batch.requests[i / tries], batch.scenes[i], batch.damages[i]));
  }
  return out;
}

struct Pairs {
  std::vector<int64_t> chosen, other;  // places of pictures
};
// One choice for each pair of pictures for one prompt.
Pairs choices(const TriedBatch& batch, uint64_t seed, int64_t first) {
  const std::vector<double> liked = likings(batch);
  const auto tries = static_cast<int64_t>(batch.scenes.size() / batch.requests.size());
  Pairs out;
  for (int64_t g = 0; g < static_cast<int64_t>(batch.requests.size()); ++g) {
    scenes::RandomStream random(seed | kRaters, static_cast<uint64_t>(first + g));
    for (int64_t i = g * tries; i < (g + 1) * tries; ++i) {
      for (int64_t j = g * tries; j < i; ++j) {
        const bool is_first =
            chooses_first(liked[static_cast<size_t>(i)], liked[static_cast<size_t>(j)], random);
        out.chosen.push_back(is_first ? i : j);
        out.other.push_back(is_first ? j : i);
      }
    }
  }
  return out;
}

// How much more each chosen picture is worth than the other.
at::Tensor margins(const at::Tensor& rewards, const Pairs& pairs) {
  return rewards.index_select(0, at::tensor(pairs.chosen, at::kLong)) -
         rewards.index_select(0, at::tensor(pairs.other, at::kLong));
}

std::string agreement(const at::Tensor& margins) {
  return accuracy_text(margins.gt(0).sum().item<int64_t>(), margins.numel());
}

int evaluate(const std::string& file) {
  constexpr int64_t kPrompts = 1000, kPictures = 8;
  const at::NoGradGuard no_grad;
  const reward::Network net = reward::load_network(file);
  const TriedBatch batch = tried_batch(kHeldOut, 0, kPrompts, kPictures);
  const std::vector<double> liked = likings(batch);
  std::vector<double> facts, found;
  const at::Tensor out = rewards(net, batch);
  for (size_t i = 0; i < liked.size(); ++i) {
    facts.push_back(scenes::match(batch.requests[i / kPictures], batch.scenes[i]).score());
    found.push_back(out[static_cast<int64_t>(i)].item<double>());
  }
  const Pairs pairs = choices(batch, kHeldOut, 0);
  const Pairs again = choices(batch, kHeldOut + 1, 0);
  const auto n = static_cast<int64_t>(pairs.chosen.size());
  int64_t same = 0;
  for (size_t i = 0; i < pairs.chosen.size(); ++i) {
    same += pairs.chosen[i] == again.chosen[i] ? 1 : 0;
  }
  std::printf(
      "held out: agrees with one person's choice %s; two persons agree %s, a person and the "
      "mean of many %s\n",
      agreement(margins(out, pairs)).c_str(), accuracy_text(same, n).c_str(),
      agreement(margins(at::tensor(liked, at::kDouble), pairs)).c_str());
  std::printf("held out, rank correlation among %lld pictures for a prompt:\n",
              static_cast<long long>(kPictures));
  const auto report = [&](const char* what, const std::vector<double>& a,
                          const std::vector<double>& b) {
    std::printf("  %s: %s\n", what, rank_agreement(a, b, kPictures).c_str());
  };
  report("reward and what people like", found, liked);
  report("reward and scene_match", found, facts);
  report("what people like and scene_match", liked, facts);
  return 0;
}

int train_image_reward(Options& options) {
  const int64_t images = options.integer("images", 400000);
  const int64_t batch = options.integer("batch", 64);  // prompts
  const auto seed = static_cast<uint64_t>(options.integer("seed", 63));
  const double rate = options.number("rate", 1e-3);
  const std::string folder = options.text("folder", "reward");
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const bool bf16 = options.flag("bf16");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  reward::Network net = make_network(seed);
  std::map<std::string, at::Tensor> parameters;
  int64_t count = 0;
  reward::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    parameters[name] = tensor;
    count += tensor.numel();
  });
  std::printf("preference model: %lld parameters\n", static_cast<long long>(count));
  Trainer trainer(parameters, 0.05, kMaxAverage);
  // Not the number of images: a resumed training may be given another end.
  const Loop loop{.schedule = {rate, 200, images / (batch * kTries)},
                  .batch = batch * kTries,
                  .checkpoint = folder + "/checkpoint.safetensors",
                  .identity = {{"program", "train_image_reward"},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  const bool done = train(trainer, loop, [&](int64_t step) {
    const TriedBatch data = tried_batch(seed, step * batch, batch, kTries);
    at::Tensor found;
    {
      const Bfloat16Guard guard(bf16);
      found = rewards(net, data);
    }
    return at::softplus(-margins(found, choices(data, seed, step * batch))).mean();
  });
  if (!done) return 0;
  auto metadata = reward::network_metadata(net);
  metadata["dataset"] = "scenes";
  write_weights(out, trainer.average(), trainer, loop, images, metadata);
  return evaluate(out);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train_image_reward(options);
    options.check_all_used();
    return evaluate(file);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_image_reward: %s\n", e.what());
    return 1;
  }
}

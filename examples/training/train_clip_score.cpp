// Trains the image-text dual encoder of scenes, for winnow.clip_score, or measures one: the
// symmetric contrastive loss of CLIP (Radford et al., 2021) on drawn scenes and their captions.
//
//   train_clip_score --bf16 --folder work/clip --out scenes-clip.safetensors
//   train_clip_score --evaluate scenes-clip.safetensors
//
// Pictures are damaged at random, since what it will judge was generated. Stop it at any time; the
// same command goes on from the last checkpoint in --folder.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>

#include "contrastive.hpp"
#include "rank_correlation.hpp"
#include "scene_data.hpp"
#include "scenes/faults.hpp"
#include "scenes/language.hpp"
#include "scenes/match.hpp"
#include "trainer.hpp"
#include "verifiers/dual_encoder_network.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

enum Purpose : uint64_t { kInit = 1 };

constexpr int64_t kJoint = 64;
constexpr double kMaxAverage = 0.998;
constexpr uint64_t kHeldOut = 1ull << 40;  // a seed that no training has
constexpr uint64_t kDamages = 1ull << 41;  // with a seed: that of the damages

dual::Network make_network(uint64_t seed) {
  classifier::Shape image;
  image.size = scenes::kSide, image.channels = scenes::kChannels;
  image.widths = {32, 64, 96}, image.kernels = {5, 3, 3}, image.strides = {2, 2, 1};
  image.flatten = true, image.features = 192, image.classes = kJoint;
  text_tower::Shape text;
  text.length = 32;
  return dual::make_network(image, text, Vocabulary(scenes::vocabulary()),
                            generator_for(seed, kInit, 0));
}

void damage_all(const at::Tensor& pictures, uint64_t seed, int64_t first) {
  constexpr int64_t kNumbers = scenes::kChannels * scenes::kPixels;
  for (int64_t i = 0; i < pictures.size(0); ++i) {
    scenes::RandomStream random(seed | kDamages, static_cast<uint64_t>(first + i));
    damage({pictures.data_ptr<float>() + i * kNumbers, kNumbers}, draw_damage(random), random);
  }
}

// The request with the looks of its first two groups exchanged, or its relation turned round: what
// a bag of words cannot tell from the original. Nullopt: there is nothing to exchange.
std::optional<scenes::Request> twisted(scenes::Request request) {
  if (request.links.size() > 1 || request.groups.size() < 2) return std::nullopt;
  scenes::Group &a = request.groups[0], &b = request.groups[1];
  if (request.links.size() == 1) {
    std::swap(a, b);
  } else if (a.colour && b.colour && a.colour != b.colour) {
    std::swap(a.colour, b.colour);
  } else if (a.texture && b.texture && a.texture != b.texture) {
    std::swap(a.texture, b.texture);
  } else {
    return std::nullopt;
  }
  return request;
}

int evaluate(const std::string& file) {
  const at::NoGradGuard no_grad;
  const dual::Network net = dual::load_network(file);
  constexpr int64_t kCount = 1000, kOf = 100;
  constexpr int kTries = 8;
  const SceneBatch batch = scene_batch(kHeldOut, 0, kCount);
  const at::Tensor images = dual::embed_images(net, batch.pictures);
  const at::Tensor texts = dual::embed_texts(net, batch.captions);
  int64_t found = 0;
  for (int64_t at = 0; at < kCount; at += kOf) {
    const at::Tensor cosines = at::matmul(images.narrow(0, at, kOf), texts.narrow(0, at, kOf).t());
    found += cosines.argmax(1).eq(at::arange(kOf)).sum().item<int64_t>();
  }
  std::printf("held out: the caption of a picture found among %lld: %s\n",
              static_cast<long long>(kOf), accuracy_text(found, kCount).c_str());
  int64_t right = 0, pairs = 0;
  for (int64_t i = 0; i < kCount; ++i) {
    const auto other = twisted(batch.requests[static_cast<size_t>(i)]);
    if (!other) continue;
    scenes::RandomStream random(kHeldOut + 1, static_cast<uint64_t>(i));
    const at::Tensor text = dual::embed_texts(net, {scenes::describe(*other, random)})[0];
    const auto cosine = [&](const at::Tensor& t) { return at::dot(images[i], t).item<double>(); };
    right += cosine(texts[i]) > cosine(text) ? 1 : 0;
    ++pairs;
  }
  std::printf("held out: the caption preferred to one with looks or places exchanged: %s\n",
              accuracy_text(right, pairs).c_str());
  const TriedBatch tried = tried_batch(kHeldOut, 0, kCount, kTries);
  const at::Tensor cosines =
      at::sum(dual::embed_images(net, tried.pictures) *
                  dual::embed_texts(net, tried.captions).repeat_interleave(kTries, 0),
              1);
  std::vector<double> scores, facts;
  for (size_t i = 0; i < tried.scenes.size(); ++i) {
    scores.push_back(cosines[static_cast<int64_t>(i)].item<double>());
    facts.push_back(scenes::match(tried.requests[i / kTries], tried.scenes[i]).score());
  }
  std::printf("held out, rank correlation with scene_match among %d pictures for a prompt: %s\n",
              kTries, rank_agreement(scores, facts, kTries).c_str());
  return 0;
}

int train_clip(Options& options) {
  const int64_t images = options.integer("images", 400000);
  const int64_t batch = options.integer("batch", 256);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 61));
  const double rate = options.number("rate", 1e-3);
  const std::string folder = options.text("folder", "clip");
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const bool bf16 = options.flag("bf16");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  dual::Network net = make_network(seed);
  std::map<std::string, at::Tensor> parameters;
  int64_t count = 0;
  dual::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    parameters[name] = tensor;
    count += tensor.numel();
  });
  std::printf("dual encoder: %lld parameters, %zu words\n", static_cast<long long>(count),
              net.text.vocabulary.words().size());
  Trainer trainer(parameters, 0.05, kMaxAverage);
  // Not the number of images: a resumed training may be given another end.
  const Loop loop{.schedule = {rate, 100, images / batch},
                  .batch = batch,
                  .checkpoint = folder + "/checkpoint.safetensors",
                  .identity = {{"program", "train_clip_score"},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  const bool done = train(trainer, loop, [&](int64_t step) {
    const SceneBatch data = scene_batch(seed, step * batch, batch);
    damage_all(data.pictures, seed, step * batch);
    at::Tensor of_images, of_texts;
    {
      const Bfloat16Guard guard(bf16);
      of_images = dual::embed_images(net, data.pictures);
      of_texts = dual::embed_texts(net, data.captions);
    }
    return contrastive_loss(of_images, of_texts, net.scale());
  });
  if (!done) return 0;
  auto metadata = dual::network_metadata(net);
  metadata["dataset"] = "scenes";
  write_weights(out, trainer.average(), trainer, loop, images, metadata);
  return evaluate(out);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train_clip(options);
    options.check_all_used();
    return evaluate(file);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_clip_score: %s\n", e.what());
    return 1;
  }
}

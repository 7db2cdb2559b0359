// Fits the head of winnow.aesthetic, or measures one: ratings of pictures of scenes by simulated
// people (scenes/raters.hpp), as a linear function of the features of the encoder of clip_score.
//
//   train_aesthetic --encoder scenes-clip.safetensors --out scenes-aesthetic.safetensors
//   train_aesthetic --evaluate scenes-aesthetic.safetensors
//
// Least squares with a small ridge: no steps, the same result for the same features.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "rank_correlation.hpp"
#include "safetensors_torch.hpp"
#include "scene_data.hpp"
#include "scenes/match.hpp"
#include "scenes/raters.hpp"
#include "trainer.hpp"
#include "verifiers/dual_encoder_network.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

constexpr const char* kArchitecture = "aesthetic";
constexpr int64_t kBatch = 500;
constexpr double kRidge = 1e-3;            // times the number of pictures
constexpr uint64_t kHeldOut = 1ull << 40;  // a seed that no training has
constexpr uint64_t kRaters = 1ull << 41;   // with a seed: that of the raters

struct Rated {
  at::Tensor features;                  // [n, width]
  std::vector<double> ratings, beauty;  // [n]: of one person; without the noise
  std::vector<double> facts;            // [n]: scene_match's
};

Rated rate(const classifier::Network& net, uint64_t seed, int64_t count, int64_t tries) {
  Rated out;
  std::vector<at::Tensor> features;
  for (int64_t at = 0; at < count; at += kBatch) {
    const TriedBatch batch = tried_batch(seed, at, std::min(kBatch, count - at), tries);
    features.push_back(classifier::features(net, batch.pictures));
    for (size_t i = 0; i < batch.scenes.size(); ++i) {
      scenes::RandomStream random(seed | kRaters,
                                  static_cast<uint64_t>(at * tries) + static_cast<uint64_t>(i));
      out.ratings.push_back(rating(batch.scenes[i], batch.damages[i], random));
      out.beauty.push_back(beauty(batch.scenes[i], batch.damages[i]));
      out.facts.push_back(
          scenes::match(batch.requests[i / static_cast<size_t>(tries)], batch.scenes[i]).score());
    }
  }
  out.features = at::cat(features);
  return out;
}

// Weights [1, width] and bias [1] of the smallest squared error.
classifier::Layer fit(const Rated& rated) {
  const int64_t n = rated.features.size(0);
  const at::Tensor x = rated.features.to(at::kDouble);
  const at::Tensor y = at::tensor(rated.ratings, at::kDouble);
  const at::Tensor mean = x.mean(0), centred = x - mean, level = y.mean();
  const at::Tensor ridge = kRidge * static_cast<double>(n) * at::eye(x.size(1), at::kDouble);
  const at::Tensor weight =
      at::linalg_solve(at::matmul(centred.t(), centred) + ridge, at::mv(centred.t(), y - level));
  const at::Tensor bias = level - at::dot(weight, mean);
  return {weight.view({1, -1}).to(at::kFloat), bias.view({1}).to(at::kFloat)};
}

void evaluate(const std::string& file) {
  constexpr int64_t kPrompts = 1000, kTries = 8;
  const classifier::Network net = classifier::load_network(file, kArchitecture);
  const Rated rated = rate(net, kHeldOut, kPrompts, kTries);
  const at::Tensor out = at::linear(rated.features, net.head.weight, net.head.bias).flatten();
  std::vector<double> found;
  for (int64_t i = 0; i < out.numel(); ++i) found.push_back(out[i].item<double>());
  std::printf("held out: correlation with one person's rating %.3f, with the mean of many %.3f\n",
              correlation(found, rated.ratings), correlation(found, rated.beauty));
  std::printf(
      "held out, rank correlation among %lld pictures for a prompt: %s with the mean of "
      "many, %s with scene_match\n",
      static_cast<long long>(kTries), rank_agreement(found, rated.beauty, kTries).c_str(),
      rank_agreement(found, rated.facts, kTries).c_str());
}

int train_aesthetic(Options& options) {
  const std::string encoder = options.text("encoder", "");
  const std::string out = options.text("out", "aesthetic.safetensors");
  const int64_t images = options.integer("images", 40000);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 62));
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();

  classifier::Network net = dual::load_network(encoder).image;
  net.head = fit(rate(net, seed, images, 1));
  std::map<std::string, at::Tensor> tensors;
  classifier::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    tensors[name] = tensor.to(at::kHalf);
  });
  auto metadata = classifier::network_metadata(net, kArchitecture);
  metadata["program"] = "train_aesthetic";
  metadata["seed"] = std::to_string(seed);
  metadata["images"] = std::to_string(images);
  metadata["dataset"] = "scenes";
  save_tensors(out, tensors, metadata);
  std::printf("wrote %s\n", out.c_str());
  evaluate(out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const at::NoGradGuard no_grad;
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train_aesthetic(options);
    options.check_all_used();
    evaluate(file);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_aesthetic: %s\n", e.what());
    return 1;
  }
}

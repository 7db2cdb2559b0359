// Trains a text-conditional SiT on scenes (linear interpolant, velocity prediction), its text tower
// along with it.
//
//   train_text_sit --size S --images 800000 --seed 1 --bf16 --folder work/scenes-s
//
//   train_text_sit ... --export     # writes the weights of the last checkpoint, trains no further
//
// Scenes stand on a grid; the first --anywhere images of them do not.
// Stop it at any time; the same command goes on from the last checkpoint in --folder. Scenes are
// made as they are needed: no picture is seen twice.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "samplers/text_sit_network.hpp"
#include "scene_data.hpp"
#include "scenes/language.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

enum Purpose : uint64_t { kInit = 1, kStep = 2 };

constexpr double kTextDropout = 0.1;
constexpr double kMaxAverage = 0.9995;
// Noise levels near 1, where it is decided what stands where, come more often than those near 0:
// t' = k t / (1 + (k - 1) t) for a uniform t (Esser et al., 2024, arXiv:2403.03206, eq. 23).
constexpr double kNoiseShift = 2;

text_sit::Config config_for(const std::string& size) {
  text_sit::Config c;
  if (size == "XS") {
    c.width = 96, c.depth = 4, c.heads = 3;
  } else if (size == "L") {
    c.width = 192, c.depth = 8, c.heads = 6;
  } else if (size != "S") {
    throw std::runtime_error("--size must be XS, S or L, not '" + size + "'");
  }
  return c;
}

at::Tensor loss_of_batch(const text_sit::Network& net, const SceneBatch& batch,
                         at::Generator generator) {
  const at::Tensor data = batch.pictures * 2 - 1;
  const int64_t n = data.size(0);
  const at::Tensor noise = at::randn(data.sizes(), generator, at::kFloat);
  // Stratified over the batch: the same law with a calmer loss.
  const at::Tensor t =
      (at::arange(n, at::kFloat) + at::rand({n}, generator, at::kFloat)) / static_cast<double>(n);
  const at::Tensor s = 1 - kNoiseShift * t / (1 + (kNoiseShift - 1) * t);
  const at::Tensor drop = at::rand({n}, generator, at::kFloat) < kTextDropout;
  std::vector<std::vector<int64_t>> texts;
  for (int64_t i = 0; i < n; ++i) {
    texts.emplace_back();
    if (drop[i].item<bool>()) continue;
    texts.back() = text_sit::words_of(net, batch.captions[static_cast<size_t>(i)]);
  }
  const at::Tensor x = at::lerp(noise, data, s.view({n, 1, 1, 1}));
  const at::Tensor out = text_sit::velocity(net, x, s, text_sit::encode(net, texts)).to(at::kFloat);
  return at::mse_loss(out, data - noise);
}

int run(Options& options) {
  const std::string size = options.text("size", "S");
  const int64_t images = options.integer("images", 900000);
  const int64_t batch = options.integer("batch", 64);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  const int64_t anywhere = options.integer("anywhere", 0);
  const double rate = options.number("rate", 1e-3);
  const std::string folder = options.text("folder", "scenes-" + size);
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  const bool bf16 = options.flag("bf16"), only_export = options.flag("export");
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  text_sit::Network net = text_sit::make_network(config_for(size), Vocabulary(scenes::vocabulary()),
                                                 generator_for(seed, kInit, 0));
  std::map<std::string, at::Tensor> parameters;
  int64_t count = 0;
  text_sit::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    if (name == "pos_embed") return;
    parameters[name] = tensor;
    count += tensor.numel();
  });
  // Not the number of images: a resumed training may be given another end.
  const Loop loop{.schedule = {rate, 1000, images / batch},
                  .batch = batch,
                  .checkpoint = folder + "/checkpoint.safetensors",
                  .identity = {{"program", "train_text_sit"},
                               {"size", size},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  std::printf("text SiT-%s: %lld parameters, %lld steps of %lld images\n", size.c_str(),
              static_cast<long long>(count), static_cast<long long>(loop.schedule.total_steps),
              static_cast<long long>(batch));
  Trainer trainer(parameters, 0.01, kMaxAverage);
  if (only_export) {
    if (!trainer.load(loop.checkpoint, loop.identity)) {
      throw std::runtime_error("there is no checkpoint " + loop.checkpoint);
    }
  } else {
    const bool done = training::train(trainer, loop, [&](int64_t step) {
      const auto layout = step * batch < anywhere ? scenes::Layout::kFree : scenes::Layout::kGrid;
      const SceneBatch scenes = scene_batch(seed, step * batch, batch, layout);
      const auto generator = generator_for(seed, kStep, static_cast<uint64_t>(step));
      const Bfloat16Guard guard(bf16);
      return loss_of_batch(net, scenes, generator);
    });
    if (!done) return 0;
  }

  auto weights = trainer.average();
  weights["pos_embed"] = net.position;
  auto metadata = text_sit::network_metadata(net);
  metadata["dataset"] = "scenes";
  write_weights(out, weights, trainer, loop, trainer.steps() * batch, metadata);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_text_sit: %s\n", e.what());
    return 1;
  }
}

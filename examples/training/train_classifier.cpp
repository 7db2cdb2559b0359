// Trains the two classifiers of the Fashion-MNIST world, or measures one.
//
//   train_classifier --model classifier --seed 11 --folder work/classifier --out
//   fashion-classifier.safetensors train_classifier --model judge --seed 22 --folder work/judge
//   --out fashion-judge.safetensors train_classifier --evaluate fashion-judge.safetensors
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "contrastive.hpp"
#include "fashion_mnist.hpp"
#include "safetensors_torch.hpp"
#include "trainer.hpp"
#include "verifiers/classifier_network.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

enum Purpose : uint64_t { kInit = 1, kStep = 2 };

constexpr int64_t kMaxShift = 1;
constexpr double kMaxAverage = 0.999;
constexpr int64_t kEvaluateBatch = 500;

classifier::Shape shape_for(const std::string& model) {
  classifier::Shape s;
  if (model == "classifier") {
    s.widths = {32, 64, 96}, s.kernels = {5, 3, 3}, s.strides = {2, 1, 2};
    s.flatten = true, s.features = 96;
  } else if (model == "judge") {
    s.widths = {32, 80}, s.kernels = {5, 3}, s.strides = {2, 2};
    s.mixers = 3, s.token_hidden = 48, s.channel_hidden = 160;
    s.flatten = true, s.features = 64;
  } else {
    throw std::runtime_error("--model must be classifier or judge, not '" + model + "'");
  }
  return s;
}

// Every image moved by up to one pixel and mirrored half the time. [n, 1, 28, 28] in [0, 1].
at::Tensor augment(const at::Tensor& images, at::Generator generator) {
  const int64_t n = images.size(0);
  const at::Tensor padded =
      at::constant_pad_nd(images, {kMaxShift, kMaxShift, kMaxShift, kMaxShift});
  const at::Tensor shift = at::randint(2 * kMaxShift + 1, {n, 2}, generator, at::kLong);
  at::Tensor out = at::empty(images.sizes(), at::kFloat);
  const auto by = shift.accessor<int64_t, 2>();
  for (int64_t i = 0; i < n; ++i) {
    out[i].copy_(padded[i].narrow(1, by[i][0], kSide).narrow(2, by[i][1], kSide));
  }
  const at::Tensor mirror = at::rand({n, 1, 1, 1}, generator, at::kFloat) < 0.5;
  return at::where(mirror, out.flip(3), out) / 255.0;
}

struct Quality {
  double accuracy = 0, nll = 0;
  double calibration = 0;  // expected calibration error over 15 equal bins of confidence
};

Quality evaluate(const classifier::Network& net, const LabelledImages& test) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (int64_t at = 0; at < test.pixels.size(0); at += kEvaluateBatch) {
    const int64_t n = std::min(kEvaluateBatch, test.pixels.size(0) - at);
    const at::Tensor images = test.pixels.narrow(0, at, n).to(at::kFloat) / 255.0;
    parts.push_back(at::log_softmax(classifier::classify(net, images).logits, 1));
  }
  const at::Tensor logs = at::cat(parts);
  const auto [confidence, guess] = at::max(logs.exp(), 1);
  const at::Tensor right = guess.eq(test.labels).to(at::kDouble);
  Quality q;
  q.accuracy = right.mean().item<double>();
  q.nll = at::nll_loss(logs, test.labels).item<double>();
  constexpr int64_t bins = 15;
  const at::Tensor bin = (confidence * bins).floor().clamp(0, bins - 1);
  for (int64_t b = 0; b < bins; ++b) {
    const at::Tensor in = bin.eq(b);
    if (!in.any().item<bool>()) continue;
    const double gap = right.masked_select(in).mean().item<double>() -
                       confidence.masked_select(in).to(at::kDouble).mean().item<double>();
    q.calibration += std::abs(gap) * in.to(at::kDouble).mean().item<double>();
  }
  return q;
}

void print(const Quality& q) {
  std::printf("test set: accuracy %.4f  nll %.4f  calibration error %.4f\n", q.accuracy, q.nll,
              q.calibration);
}

int train(Options& options) {
  const std::string model = options.text("model", "classifier");
  const int64_t images = options.integer("images", 600000);
  const int64_t batch = options.integer("batch", 100);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 11));
  const double rate = options.number("rate", 2e-3);
  const std::string folder = options.text("folder", model);
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const std::string data_folder = options.text("data", kDefaultData);
  const bool bf16 = options.flag("bf16");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  const LabelledImages data = load_labelled(data_folder, "train");
  const LabelledImages test = load_labelled(data_folder, "t10k");
  classifier::Network net =
      classifier::make_network(shape_for(model), generator_for(seed, kInit, 0));
  std::map<std::string, at::Tensor> parameters;
  int64_t count = 0;
  classifier::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    parameters[name] = tensor;
    count += tensor.numel();
  });
  std::printf("%s: %lld parameters\n", model.c_str(), static_cast<long long>(count));
  Trainer trainer(parameters, 0.05, kMaxAverage);
  // Not the number of images: a resumed training may be given another end.
  const Loop loop{.schedule = {rate, 300, images / batch},
                  .batch = batch,
                  .checkpoint = folder + "/checkpoint.safetensors",
                  .identity = {{"program", "train_classifier"},
                               {"model", model},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  Shuffler shuffler(data.pixels.size(0), batch, seed);
  const bool done = training::train(trainer, loop, [&](int64_t step) {
    const at::Tensor index = shuffler.batch(step);
    const auto generator = generator_for(seed, kStep, static_cast<uint64_t>(step));
    const at::Tensor x = augment(data.pixels.index_select(0, index).to(at::kFloat), generator);
    at::Tensor logits;
    {
      const Bfloat16Guard guard(bf16);
      logits = classifier::classify(net, x).logits;
    }
    return at::cross_entropy_loss(logits.to(at::kFloat), data.labels.index_select(0, index));
  });
  if (!done) return 0;

  write_weights(out, trainer.average(), trainer, loop, images, classifier::network_metadata(net));
  print(evaluate(classifier::load_network(out), test));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train(options);
    const std::string data_folder = options.text("data", kDefaultData);
    options.check_all_used();
    print(evaluate(classifier::load_network(file), load_labelled(data_folder, "t10k")));
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_classifier: %s\n", e.what());
    return 1;
  }
}

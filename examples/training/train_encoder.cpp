// Trains the self-supervised encoder of the Fashion-MNIST world and a linear head on it, or
// measures them.
//
//   train_encoder --bf16 --folder work/encoder --out fashion-encoder.safetensors
//   train_encoder --evaluate fashion-encoder.safetensors
//
// The encoder sees no label: two random views of a picture must find each other among all pictures
// of the batch (SimCLR, Chen et al., 2020; without the negatives of the same view). Of SimCLR,
// VICReg and Barlow Twins it has the fewest constants to set, and its loss is that of the dual
// encoder. The head is multinomial logistic regression on the frozen features of the training
// pictures.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

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

enum Purpose : uint64_t { kInit = 1, kViews = 2, kProjector = 3 };

// Width against height hardly changes, so that features still tell long garments from wide ones.
constexpr Views kFar = {
    .zoom = 1.3, .aspect = 1.1, .shift = 2, .rotation = 0.12, .contrast = 0.4, .erase = 0.25};
constexpr double kScale = 5;  // 1 / temperature 0.2
constexpr int64_t kProjection = 128;
constexpr double kMaxAverage = 0.995;
constexpr int64_t kEvaluateBatch = 500;
constexpr int64_t kHeadBatch = 500, kHeadEpochs = 25;

classifier::Shape encoder_shape() {
  classifier::Shape s;
  s.widths = {32, 64, 128}, s.kernels = {5, 3, 3}, s.strides = {2, 2, 2};
  s.flatten = true, s.features = 384;
  return s;
}

// What the loss sees of the features; thrown away after the training.
struct Projector {
  classifier::Layer hidden, out;
  at::Tensor operator()(const at::Tensor& features) const {
    const at::Tensor x = at::relu(at::linear(features, hidden.weight, hidden.bias));
    return at::linear(x, out.weight, out.bias);
  }
};

Projector make_projector(int64_t width, at::Generator generator) {
  const auto random = [&](int64_t to, int64_t from) {
    at::Tensor weight = at::empty({to, from}, at::kFloat);
    weight.normal_(0.0, std::sqrt(1.0 / static_cast<double>(from)), generator);
    return classifier::Layer{weight, at::zeros({to}, at::kFloat)};
  };
  return {random(width, width), random(kProjection, width)};
}

// [count, features]
at::Tensor all_features(const classifier::Network& net, const at::Tensor& pixels) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> parts;
  for (int64_t at = 0; at < pixels.size(0); at += kEvaluateBatch) {
    const int64_t n = std::min(kEvaluateBatch, pixels.size(0) - at);
    parts.push_back(classifier::features(net, pixels.narrow(0, at, n).to(at::kFloat) / 255.0));
  }
  return at::cat(parts);
}

// Logistic regression on standardised features, with the standardisation folded into the weights. A
// feature that hardly moves is not blown up: float16 could not hold its weight.
classifier::Layer fit_head(const at::Tensor& features, const at::Tensor& labels, uint64_t seed) {
  const at::Tensor mean = features.mean(0), own = features.std(0);
  const at::Tensor spread = at::maximum(own, 0.1 * own.mean());
  const at::Tensor x = (features - mean) / spread;
  classifier::Layer head{at::zeros({kClasses, x.size(1)}, at::kFloat),
                         at::zeros({kClasses}, at::kFloat)};
  Trainer trainer({{"weight", head.weight}, {"bias", head.bias}}, 0, 0.999);
  const Schedule schedule{1e-2, 100, kHeadEpochs * x.size(0) / kHeadBatch};
  Shuffler shuffler(x.size(0), kHeadBatch, seed);
  while (trainer.steps() < schedule.total_steps) {
    const int64_t step = trainer.steps();
    const at::Tensor index = shuffler.batch(step);
    const at::Tensor logits = at::linear(x.index_select(0, index), head.weight, head.bias);
    at::cross_entropy_loss(logits, labels.index_select(0, index)).backward();
    trainer.step(schedule.at(step));
  }
  const at::Tensor weight = trainer.average().at("weight") / spread;
  return {weight, trainer.average().at("bias") - at::mv(weight, mean)};
}

void evaluate(const std::string& file, const std::string& data_folder) {
  const classifier::Network net = classifier::load_network(file, "encoder");
  const LabelledImages test = load_labelled(data_folder, "t10k");
  const at::NoGradGuard no_grad;
  const at::Tensor features = all_features(net, test.pixels);
  const at::Tensor logs = at::log_softmax(at::linear(features, net.head.weight, net.head.bias), 1);
  const int64_t right = logs.argmax(1).eq(test.labels).sum().item<int64_t>();
  std::printf("test set: accuracy of the linear head %s, nll %.3f\n",
              accuracy_text(right, test.labels.size(0)).c_str(),
              at::nll_loss(logs, test.labels).item<double>());
}

// Rounds the encoder to float16 first, so that the head is fitted to the features that are shipped.
void finish(classifier::Network& net, const Trainer& trainer, const std::string& data_folder,
            const std::string& out, uint64_t seed, const Loop& loop, int64_t images) {
  const at::NoGradGuard no_grad;
  classifier::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    const auto found = trainer.average().find(name);
    if (found != trainer.average().end()) tensor = found->second.to(at::kHalf).to(at::kFloat);
  });
  const LabelledImages data = load_labelled(data_folder, "train");
  const at::Tensor features = all_features(net, data.pixels);
  {
    const at::AutoGradMode with_gradient(true);
    net.head = fit_head(features, data.labels, seed);
  }
  std::map<std::string, at::Tensor> weights;
  classifier::for_each_tensor(
      net, [&](const std::string& name, at::Tensor& tensor) { weights[name] = tensor; });
  write_weights(out, weights, trainer, loop, images, classifier::network_metadata(net, "encoder"));
}

int train_encoder(Options& options) {
  const int64_t images = options.integer("images", 250000);
  const int64_t batch = options.integer("batch", 250);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 31));
  const double rate = options.number("rate", 2e-3);
  const std::string folder = options.text("folder", "encoder");
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const std::string data_folder = options.text("data", kDefaultData);
  const bool bf16 = options.flag("bf16");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  const at::Tensor pixels = load_labelled(data_folder, "train").pixels;
  classifier::Network net =
      classifier::make_network(encoder_shape(), generator_for(seed, kInit, 0));
  const Projector projector =
      make_projector(net.feature.bias.size(0), generator_for(seed, kProjector, 0));
  std::map<std::string, at::Tensor> parameters = {
      {"projector.hidden.weight", projector.hidden.weight},
      {"projector.hidden.bias", projector.hidden.bias},
      {"projector.out.weight", projector.out.weight},
      {"projector.out.bias", projector.out.bias}};
  int64_t count = 0;
  classifier::for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    count += tensor.numel();
    if (name.rfind("head.", 0) != 0) parameters[name] = tensor;
  });
  std::printf("encoder: %lld parameters with the head\n", static_cast<long long>(count));
  Trainer trainer(parameters, 0.05, kMaxAverage);
  // Not the number of images: a resumed training may be given another end.
  const Loop loop{.schedule = {rate, 100, images / batch},
                  .batch = batch,
                  .checkpoint = folder + "/checkpoint.safetensors",
                  .identity = {{"program", "train_encoder"},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  Shuffler shuffler(pixels.size(0), batch, seed);
  const at::Tensor scale = at::full({}, kScale, at::kFloat);
  const bool done = train(trainer, loop, [&](int64_t step) {
    const at::Tensor x = pixels.index_select(0, shuffler.batch(step)).to(at::kFloat) / 255.0;
    const at::Tensor both = random_views(at::cat({x, x}), kFar,
                                         generator_for(seed, kViews, static_cast<uint64_t>(step)));
    at::Tensor projected;
    {
      const Bfloat16Guard guard(bf16);
      projected = projector(classifier::features(net, both));
    }
    return contrastive_loss(projected.narrow(0, 0, batch), projected.narrow(0, batch, batch),
                            scale);
  });
  if (!done) return 0;
  finish(net, trainer, data_folder, out, seed, loop, images);
  evaluate(out, data_folder);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train_encoder(options);
    const std::string data_folder = options.text("data", kDefaultData);
    options.check_all_used();
    evaluate(file, data_folder);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_encoder: %s\n", e.what());
    return 1;
  }
}

// Trains the image-text dual encoder of the Fashion-MNIST world, or measures one.
//
//   train_dual_encoder --bf16 --folder work/dual --out fashion-dual-encoder.safetensors
//   train_dual_encoder --evaluate fashion-dual-encoder.safetensors
//
// Pictures and captions of one batch must find each other (CLIP, Radford et al., 2021). Captions
// with the same words in one batch count as wrong answers for each other, as they do in CLIP: what
// is learned is still how much more likely a text is beside this picture than by itself.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <filesystem>

#include "captions.hpp"
#include "contrastive.hpp"
#include "fashion_mnist.hpp"
#include "safetensors_torch.hpp"
#include "trainer.hpp"
#include "verifiers/dual_encoder_network.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

enum Purpose : uint64_t { kInit = 1, kViews = 2, kCaptions = 3 };

// Near: brightness and shape are what captions tell of.
constexpr Views kNear = {.shift = 2, .rotation = 0.05};
constexpr int64_t kJoint = 64;
constexpr double kMaxAverage = 0.995;
constexpr int64_t kEvaluateBatch = 500;

dual::Network make_network(uint64_t seed) {
  classifier::Shape image;
  image.widths = {32, 64, 64}, image.kernels = {5, 3, 3}, image.strides = {2, 2, 1};
  image.flatten = true, image.features = 128, image.classes = kJoint;
  dual::Network net =
      dual::make_network(image, {}, Vocabulary(caption_words()), generator_for(seed, kInit, 0));
  net.prompts = held_out_prompts();
  net.class_words = first_class_words();
  return net;
}

at::Tensor all_embeddings(const dual::Network& net, const at::Tensor& pixels) {
  std::vector<at::Tensor> parts;
  for (int64_t at = 0; at < pixels.size(0); at += kEvaluateBatch) {
    const int64_t n = std::min(kEvaluateBatch, pixels.size(0) - at);
    parts.push_back(dual::embed_images(net, pixels.narrow(0, at, n).to(at::kFloat) / 255.0));
  }
  return at::cat(parts);
}

// How often a picture's own class word with the right one of two opposite looks is nearer than with
// the other, over the pictures that have the look.
void evaluate_looks(const dual::Network& net, const LabelledImages& test,
                    const at::Tensor& embeddings, const at::Tensor& looks) {
  for (size_t a = 0; a < attributes().size(); ++a) {
    const auto classes_with = [&](const std::string& look) {
      std::vector<std::string> words;
      for (const std::string& word : net.class_words) words.push_back(look + " " + word);
      const at::Tensor texts = dual::embed_classes(net, net.prompts, words);
      return at::sum(embeddings * texts.index_select(0, test.labels), 1);
    };
    const at::Tensor look = looks.select(1, static_cast<int64_t>(a));
    const at::Tensor margin =
        classes_with(attributes()[a].high[0]) - classes_with(attributes()[a].low[0]);
    const auto right = (margin * look).gt(0).sum().item<int64_t>();
    std::printf("test set: %s or %s, told apart %s\n", attributes()[a].low[0].c_str(),
                attributes()[a].high[0].c_str(),
                accuracy_text(right, look.ne(0).sum().item<int64_t>()).c_str());
  }
}

void evaluate(const std::string& file, const std::string& data_folder) {
  const at::NoGradGuard no_grad;
  const dual::Network net = dual::load_network(file);
  const LabelledImages test = load_labelled(data_folder, "t10k");
  const Captions captions(measure_attributes(load_labelled(data_folder, "train").pixels));
  const at::Tensor embeddings = all_embeddings(net, test.pixels);
  const at::Tensor classes = dual::embed_classes(net, net.prompts, net.class_words);
  const at::Tensor logs = at::log_softmax(net.scale() * at::matmul(embeddings, classes.t()), 1);
  std::printf(
      "test set: zero-shot accuracy %s, nll %.3f\n",
      accuracy_text(logs.argmax(1).eq(test.labels).sum().item<int64_t>(), test.labels.size(0))
          .c_str(),
      at::nll_loss(logs, test.labels).item<double>());
  evaluate_looks(net, test, embeddings, captions.looks(measure_attributes(test.pixels)));
}

std::vector<std::string> draw_captions(const Captions& captions, const at::Tensor& labels,
                                       const at::Tensor& looks, at::Generator generator) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < labels.size(0); ++i)
    out.push_back(captions.draw(labels[i].item<int64_t>(), looks[i], generator));
  return out;
}

int train_dual_encoder(Options& options) {
  const int64_t images = options.integer("images", 400000);
  const int64_t batch = options.integer("batch", 250);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 41));
  const double rate = options.number("rate", 2e-3);
  const std::string folder = options.text("folder", "dual");
  const std::string out = options.text("out", folder + "/weights.safetensors");
  const std::string data_folder = options.text("data", kDefaultData);
  const bool bf16 = options.flag("bf16");
  const int64_t stop_after = options.integer("stop-after-steps", 0);
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::filesystem::create_directories(folder);

  const LabelledImages data = load_labelled(data_folder, "train");
  const at::Tensor measures = measure_attributes(data.pixels);
  const Captions captions(measures);
  const at::Tensor looks = captions.looks(measures);
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
                  .identity = {{"program", "train_dual_encoder"},
                               {"seed", std::to_string(seed)},
                               {"batch", std::to_string(batch)},
                               {"rate", std::to_string(rate)},
                               {"precision", bf16 ? "bf16 autocast" : "fp32"}},
                  .stop_after_steps = stop_after};
  Shuffler shuffler(data.pixels.size(0), batch, seed);
  const bool done = train(trainer, loop, [&](int64_t step) {
    const auto at = static_cast<uint64_t>(step);
    const at::Tensor index = shuffler.batch(step);
    const at::Tensor x = random_views(data.pixels.index_select(0, index).to(at::kFloat) / 255.0,
                                      kNear, generator_for(seed, kViews, at));
    const auto texts =
        draw_captions(captions, data.labels.index_select(0, index), looks.index_select(0, index),
                      generator_for(seed, kCaptions, at));
    at::Tensor of_images, of_texts;
    {
      const Bfloat16Guard guard(bf16);
      of_images = dual::embed_images(net, x);
      of_texts = dual::embed_texts(net, texts);
    }
    return contrastive_loss(of_images, of_texts, net.scale());
  });
  if (!done) return 0;

  write_weights(out, trainer.average(), trainer, loop, images, dual::network_metadata(net));
  evaluate(out, data_folder);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    const std::string file = options.text("evaluate", "");
    if (file.empty()) return train_dual_encoder(options);
    const std::string data_folder = options.text("data", kDefaultData);
    options.check_all_used();
    evaluate(file, data_folder);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "train_dual_encoder: %s\n", e.what());
    return 1;
  }
}

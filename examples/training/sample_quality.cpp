#include "sample_quality.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "fashion_mnist.hpp"
#include "trainer.hpp"

namespace winnow::training {
namespace {

constexpr int64_t kBatch = 500;
constexpr int64_t kRounds = 1000;
constexpr uint64_t kBootstrapSeed = 1;
constexpr uint64_t kDrawReal = 3000;

classifier::Output classify_all(const classifier::Network& net, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> features, logits;
  for (int64_t at = 0; at < images.size(0); at += kBatch) {
    const int64_t n = std::min(kBatch, images.size(0) - at);
    const classifier::Output out = classifier::classify(net, images.narrow(0, at, n));
    features.push_back(out.features);
    logits.push_back(out.logits);
  }
  return {at::cat(features), at::cat(logits)};
}

}  // namespace

std::string table_header() {
  return "| samples | n | Inception Score (95 %) | Fréchet distance | judge's accuracy (95 %) |\n"
         "|---|---|---|---|---|\n";
}

std::string table_row(const std::string& name, const SampleQuality& q) {
  char text[256];
  std::snprintf(text, sizeof text,
                " | %lld | %.3f (%.3f to %.3f) | %.3f | %.1f %% (%.1f to %.1f) |\n",
                static_cast<long long>(q.count), q.inception_score, q.inception_interval.low,
                q.inception_interval.high, q.frechet, 100 * q.judge_accuracy,
                100 * q.judge_interval.low, 100 * q.judge_interval.high);
  return "| " + name + text;
}

Ruler::Ruler(const std::string& classifier, const std::string& judge, const std::string& data)
    : classifier_(classifier::load_network(classifier)), judge_(classifier::load_network(judge)) {
  const FashionMnist test = load_fashion_mnist(data, "t10k");
  test_images_ =
      at::tensor(test.pixels, at::kByte).view({test.count, 1, kSide, kSide}).to(at::kFloat) / 255.0;
  test_labels_ = at::tensor(test.labels, at::kByte).to(at::kLong);
  reference_ = feature_statistics(classify_all(classifier_, test_images_).features);
}

SampleQuality Ruler::measure(const at::Tensor& images, const at::Tensor& labels) const {
  const classifier::Output seen = classify_all(classifier_, images);
  const at::Tensor probabilities = at::softmax(seen.logits.to(at::kDouble), 1);
  const at::Tensor right = classify_all(judge_, images).logits.argmax(1).eq(labels).to(at::kDouble);
  SampleQuality q;
  q.count = images.size(0);
  q.inception_score = inception_score(probabilities);
  q.inception_interval =
      bootstrap(q.count, kRounds, kBootstrapSeed, q.inception_score, [&](const at::Tensor& index) {
        return inception_score(probabilities.index_select(0, index));
      });
  q.frechet = frechet_distance(feature_statistics(seen.features), reference_);
  q.judge_accuracy = right.mean().item<double>();
  q.judge_interval = bootstrap(
      q.count, kRounds, kBootstrapSeed, q.judge_accuracy,
      [&](const at::Tensor& index) { return right.index_select(0, index).mean().item<double>(); });
  return q;
}

SampleQuality Ruler::measure_real(int64_t n, uint64_t seed) const {
  const at::Tensor index = at::randperm(test_labels_.size(0), generator_for(seed, kDrawReal, 0))
                               .narrow(0, 0, std::min(n, test_labels_.size(0)));
  return measure(test_images_.index_select(0, index), test_labels_.index_select(0, index));
}

}  // namespace winnow::training

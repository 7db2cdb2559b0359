// Measures a set of Fashion-MNIST samples with the two shipped classifiers.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "set_metrics.hpp"
#include "verifiers/classifier_network.hpp"

namespace winnow::training {

struct SampleQuality {
  int64_t count = 0;
  double inception_score = 0;
  Interval inception_interval;  // 95 %, bootstrap
  double frechet = 0;           // to all test images, on the classifier's features
  double judge_accuracy = 0;    // share of samples that the judge takes for the class asked for
  Interval judge_interval;
};

std::string table_header();
std::string table_row(const std::string& name, const SampleQuality& quality);

class Ruler {
 public:
  // `data`: the folder of Fashion-MNIST, whose test part is the reference.
  Ruler(const std::string& classifier, const std::string& judge, const std::string& data);

  // images [n, 1, 28, 28] in [0, 1], labels int64 [n]: the classes that were asked for; n >= 2.
  SampleQuality measure(const at::Tensor& images, const at::Tensor& labels) const;

  // The same for `n` test images drawn by `seed`: what a perfect model would get with so few
  // samples.
  SampleQuality measure_real(int64_t n, uint64_t seed) const;

 private:
  classifier::Network classifier_, judge_;
  at::Tensor test_images_, test_labels_;
  FeatureStatistics reference_;
};

}  // namespace winnow::training

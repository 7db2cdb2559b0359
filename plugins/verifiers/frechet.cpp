// winnow.frechet: how close a set of samples comes to the statistics of real ones when this one
// joins it.
//
//   score = -Frechet distance(reference, accepted set and the sample)
//
// The "FID" oracle of Ma et al., 2025 (arXiv:2501.09732, section 3): tasks are decided one after
// the other, each takes the sample that lowers the distance most, and that sample joins the
// accepted set. A set-level verifier: the host scores and accepts in task order. The covariance of
// the set is divided by n (see frechet_set.hpp). The statistics come from
//
//   winnow stats FOLDER --features winnow.class_probability weights=FILE --out STATISTICS
//
// and must have been made with the same weights.
//
//   [[verifier]]
//   plugin = "winnow.frechet"
//   weights = "examples/models/fashion-classifier.safetensors"
//   statistics = "examples/models/fashion-test-statistics.safetensors"
#include <c10/core/InferenceMode.h>

#include <cstring>
#include <stdexcept>

#include "verifiers/class_verifier.hpp"
#include "verifiers/frechet_set.hpp"
#include "verifiers/weights_hash.hpp"

namespace {

using winnow::FrechetSet;
using winnow::SafetensorsFile;

std::string metadata(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

std::vector<double> doubles(const SafetensorsFile& file, const std::string& name,
                            const std::vector<int64_t>& shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end() || found->second.dtype != "F64" || found->second.shape != shape)
    throw std::runtime_error(file.path + ": there is no tensor '" + name + "' of float64 and " +
                             std::to_string(shape[0]) +
                             " features; expected a file made by 'winnow stats'");
  std::vector<double> out(found->second.bytes / sizeof(double));
  std::memcpy(out.data(), found->second.data, found->second.bytes);
  return out;
}

FrechetSet load_set(const std::string& statistics, const std::string& weights, int64_t width) {
  const SafetensorsFile file = winnow::read_safetensors(statistics);
  const std::string made_by = metadata(file, "network"), ours = winnow::weights_hash(weights);
  if (made_by != ours)
    throw std::runtime_error(statistics + ": these statistics were made by the network '" +
                             made_by + "', but the weights " + weights + " are the network '" +
                             ours + "'; make them again with 'winnow stats'");
  const std::vector<double> mean = doubles(file, "mean", {width});
  return FrechetSet(mean, doubles(file, "covariance", {width, width}));
}

class Frechet {
 public:
  static constexpr const char* kId = "winnow.frechet";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_FRECHET;

  explicit Frechet(const wn::Options& options)
      : net_(load_net(options.path("weights").string())), set_(load(options, net_)) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC, .preferred_batch = 256}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const at::Tensor features = features_of(batch);
    for (size_t i = 0; i < batch.size(); ++i)
      scores[i] = static_cast<float>(-set_.distance_with(row(features, i)));
  }

  void reset() { set_.clear(); }
  void accept(const wn::VerifierBatch& batch) {
    const at::Tensor features = features_of(batch);
    for (size_t i = 0; i < batch.size(); ++i) set_.add(row(features, i));
  }

  std::string save() const { return set_.save(); }
  void load(std::string_view bytes) {
    try {
      set_.load(bytes);
    } catch (const std::invalid_argument& error) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
    }
  }

 private:
  static winnow::classifier::Network load_net(const std::string& weights) {
    std::string architecture;
    try {
      architecture = metadata(winnow::read_safetensors(weights), "architecture");
    } catch (const std::runtime_error& error) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
    }
    return winnow::classifier::load_for_plugin(
        weights, architecture == "encoder" ? "encoder" : "classifier");
  }

  static FrechetSet load(const wn::Options& options, const winnow::classifier::Network& net) {
    try {
      return load_set(options.path("statistics").string(), options.path("weights").string(),
                      net.feature.weight.size(0));
    } catch (const std::exception& error) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
    }
  }

  // [n, width] float32, contiguous
  at::Tensor features_of(const wn::VerifierBatch& batch) const {
    const c10::InferenceMode guard;
    const at::Tensor samples = winnow::classifier::images_of(batch.samples_raw(), net_);
    return winnow::classifier::classify(net_, samples).features.contiguous();
  }

  static std::span<const float> row(const at::Tensor& features, size_t i) {
    const auto width = static_cast<size_t>(features.size(1));
    return {features.const_data_ptr<float>() + i * width, width};
  }

  winnow::classifier::Network net_;
  FrechetSet set_;
};

}  // namespace

WN_EXPORT_PLUGINS(Frechet)

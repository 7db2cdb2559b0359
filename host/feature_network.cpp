// feature_network.cpp: see feature_network.hpp.
#include "host/feature_network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/condition.hpp"
#include "host/config_merge.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kDefaultBatch = 64;

std::string those_with_features(const Registry& registry) {
  std::vector<std::string> ids;
  for (const FoundPlugin& found : registry.plugins()) {
    const auto& provides = found.plugin().provides;
    if (found.skipped.empty() && std::ranges::count(provides, WN_VERIFIER_FEATURES_1) > 0)
      ids.push_back(found.plugin().id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids.empty() ? "no installed plugin has"
                     : list_of(ids) + (ids.size() > 1 ? " have" : " has");
}

void fail_on_first(const ItemFailures& failures, const ImageSet& images, std::uint64_t begin) {
  for (std::size_t i = 0; i < failures.size(); ++i)
    if (failures[i].status != WN_OK)
      throw Error(Exit::kPlugin, fmt::format("'{}': {}", images.name(begin + i), failures[i].text));
}

}  // namespace

PluginUse verifier_use(const Registry& registry, const std::string& id,
                       const std::vector<std::string>& options) {
  const PluginManifest& plugin = registry.find(PluginKind::kVerifier, id).plugin();
  Diagnostics diagnostics;
  PluginUse use;
  use.id = plugin.id;
  const toml::table table = overrides_table(options, diagnostics);
  diagnostics.throw_if_any();
  use.options = check_options(table, {}, plugin.options, plugin.id, diagnostics);
  diagnostics.throw_if_any();
  return use;
}

FeatureNetwork::FeatureNetwork(const Registry& registry, const PluginUse& use) {
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, use.id);
  auto instance = std::make_unique<PluginInstance>(provider_.code(found, use), use,
                                                   found.package->version, services_);
  verifier_ =
      std::make_unique<Verifier>(std::move(instance), VerifierUse{.use = use, .name = use.id});
  if (!verifier_->has_features())
    throw Error(Exit::kPlugin, fmt::format("{} has no features ({}); {}", use.id,
                                           WN_VERIFIER_FEATURES_1, those_with_features(registry)));
}

FeatureSet FeatureNetwork::features(const ImageSet& images, std::uint32_t batch) {
  FeatureSet set;
  set.n = images.size();
  set.n_features = info().n_features;
  set.n_classes = info().n_classes;
  set.network = info().network;
  set.features.resize(set.n * set.n_features);
  set.log_probabilities.resize(set.n * set.n_classes);
  const wn_verifier_info& verifier = verifier_->info();
  std::uint64_t size = batch ? batch : verifier.preferred_batch;
  if (size == 0) size = kDefaultBatch;
  if (verifier.max_batch) size = std::min<std::uint64_t>(size, verifier.max_batch);
  size = std::min(size, set.n);
  const Condition nothing(TaskSpec{}, 0);
  Tensor samples(size, images.shape(), verifier_->memory());
  for (std::uint64_t begin = 0; begin < set.n; begin += size) {
    const std::uint64_t n = std::min(size, set.n - begin);
    samples.resize(n);
    for (std::uint64_t i = 0; i < n; ++i) images.read(begin + i, samples.item(i));
    const VerifierBatch rows{.samples = &samples,
                             .conditions = std::vector(n, &nothing.table),
                             .candidates = std::vector<std::uint64_t>(n, 0)};
    const auto part = [&](std::vector<float>& all, std::uint64_t width) {
      return std::span(all).subspan(begin * width, n * width);
    };
    fail_on_first(verifier_->features(rows, part(set.features, set.n_features),
                                      part(set.log_probabilities, set.n_classes)),
                  images, begin);
  }
  return set;
}

}  // namespace winnow

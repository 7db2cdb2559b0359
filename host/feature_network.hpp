// feature_network.hpp: a verifier that offers wn.verifier.features/1, and the features of a set of
// pictures by it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/guard.hpp"
#include "host/image_set.hpp"
#include "host/plugin_provider.hpp"
#include "host/set_metrics.hpp"

namespace winnow {

// A verifier and its options from the words of a command line ("weights=FILE", the right side as
// TOML or plain text), checked against its manifest. Throws Error(Exit::kUsage) with all mistakes,
// Error(Exit::kPlugin) when there is no such verifier.
PluginUse verifier_use(const Registry& registry, const std::string& id,
                       const std::vector<std::string>& options);

// Not thread-safe, not movable.
class FeatureNetwork {
 public:
  // Throws Error(Exit::kPlugin) when the plugin cannot be made or has no features; then with those
  // installed that have.
  FeatureNetwork(const Registry& registry, const PluginUse& use);
  FeatureNetwork(const FeatureNetwork&) = delete;

  const std::string& plugin() const { return verifier_->id(); }
  const FeaturesInfo& info() const { return verifier_->features_info(); }

  // In batches of at most `batch` (0: the plugin's preferred one); conditions are empty ones. The
  // first sample that fails ends it: Error(Exit::kPlugin) with its name.
  FeatureSet features(const ImageSet& images, std::uint32_t batch = 0);

 private:
  HostServices services_{nullptr};
  PluginProvider provider_{Isolation{}};
  std::unique_ptr<Verifier> verifier_;
};

}  // namespace winnow

// assembly.hpp: from a checked config to living plugins.
#pragma once

#include <memory>
#include <vector>

#include "host/config.hpp"
#include "host/guard.hpp"
#include "host/plugin_provider.hpp"
#include "host/scorer.hpp"
#include "host/task.hpp"

namespace winnow {

// Loads and creates what a config names, and checks that the parts fit each other. Not movable; the
// engine borrows from it.
class Assembly {
 public:
  // Throws Error(Exit::kPlugin) for plugins that do not load or fit, Error(Exit::kUsage) for a
  // config they refuse.
  Assembly(const RunConfig& config, const Registry& registry, const std::atomic<wn_status>* stop);
  ~Assembly();
  Assembly(const Assembly&) = delete;

  Frame& frame() { return *frame_; }
  Sampler& sampler() { return *sampler_; }
  Scorer& scorer() { return *scorer_; }
  std::uint32_t batch() const { return batch_; }
  bool stopped() const { return stop_ && *stop_ != WN_OK; }  // the run was asked to stop
  std::unique_ptr<Search> make_search();
  bool fixed_cost() const { return fixed_cost_; }  // the search's cost does not depend on scores

  // Shows every distinct condition to the sampler's init, so that an impossible one (a class it
  // does not know) is refused before anything is spent: Error(Exit::kUsage) that names the task.
  void check_conditions();

  // Tries every verifier on one gray sample (those that ask for the network excepted: what they say
  // may cost money), so that one that refuses samples of this shape is found out before anything is
  // spent: Error(Exit::kUsage).
  void check_verifiers();

  // lock.json: hashes of this program, the plugins' libraries and every file an option names.
  std::string lock_json() const;

 private:
  std::unique_ptr<PluginInstance> instance(PluginKind kind, const PluginUse& use);
  std::string no_gradient_because() const;
  void check_fit() const;

  const RunConfig& config_;
  const Registry& registry_;
  const std::atomic<wn_status>* stop_;
  HostServices services_;
  PluginProvider provider_;
  std::unique_ptr<Sampler> sampler_;
  std::unique_ptr<Scorer> scorer_;
  std::unique_ptr<LegTable> legs_;
  std::unique_ptr<Selection> selection_;
  std::unique_ptr<Frame> frame_;
  std::uint32_t batch_ = 1;
  bool fixed_cost_ = false;
};

}  // namespace winnow

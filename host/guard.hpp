// guard.hpp: the only way from the host into plugin tables. Checks counts, statuses, times and
// finite numbers, and turns every failure into one sentence that names the plugin.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/config.hpp"
#include "host/host_services.hpp"
#include "host/plugin_code.hpp"
#include "host/tensor.hpp"

namespace winnow {

// Thrown instead of Error when a plugin gave its call up because the run was asked to stop: not a
// failure.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped on request"; }
};

// Per item of a batch: an empty text means success.
struct ItemFailure {
  wn_status status = WN_OK;
  std::string text;
};
using ItemFailures = std::vector<ItemFailure>;

// One created instance; keeps its code. Not thread-safe.
class PluginInstance {
 public:
  // Throws Error(Exit::kPlugin) with the plugin's text when create() fails.
  PluginInstance(std::shared_ptr<PluginCode> code, const PluginUse& use, const std::string& version,
                 HostServices& services);
  PluginInstance(std::shared_ptr<PluginLibrary> library, const PluginUse& use,
                 const std::string& version, HostServices& services)
      : PluginInstance(code_of(std::move(library), use.id), use, version, services) {}
  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;

  const std::string& id() const { return id_; }
  HostServices& services() const { return services_; }
  wn_instance* get() const { return instance_; }
  // Null when the plugin does not offer it.
  const void* interface(const char* name) const { return code_->interface(name); }
  // For the tensors of batches; null: the heap.
  std::shared_ptr<TensorMemory> memory() const { return code_->memory(); }
  void set_trial(bool on) { code_->set_trial(on); }  // see PluginCode
  // Throws Error(Exit::kPlugin): "<id> <version>: <function> failed: <text>".
  [[noreturn]] void fail(const char* function, wn_status status, const std::string& text) const;

 private:
  std::shared_ptr<PluginCode> code_;
  std::string id_, version_;
  HostServices& services_;
  PluginHost host_;
  wn_instance* instance_ = nullptr;
};

// Throws Error(Exit::kPlugin) when the plugin does not offer it.
template <typename Table>
const Table* required_interface(const PluginInstance& instance, const char* name) {
  const auto* table = static_cast<const Table*>(instance.interface(name));
  if (!table) throw Error(Exit::kPlugin, instance.id() + ": does not offer the interface " + name);
  return table;
}

struct SamplerInfo {  // a checked copy of wn_sampler_info
  std::uint32_t flags = 0;
  std::uint32_t preferred_batch = 1, max_batch = 0;
  std::vector<std::int64_t> latent_shape, sample_shape;
  std::uint64_t latent_elements = 0, sample_elements = 0, carry_elements = 0;
  std::vector<double> times, nfe;   // [n_steps + 1], [n_steps]
  std::vector<double> noise_scale;  // [n_steps] or empty
  double preview_nfe = 0, preview_credit = 0, backward_nfe = 0, network_passes = 1;
  double vjp_forward_nfe = 0, flops = 0;
};

struct Leg {
  std::vector<double> times, nfe;  // [steps + 1], [steps]
  double total() const;
};

// One batch for a sampler, as columns. Item i of `latents` is [i, latent_shape].
struct SamplerBatch {
  std::uint32_t profile = WN_PROFILE_FINAL;
  std::vector<const wn_condition*> conditions;
  Tensor* latents = nullptr;
  Tensor* carry = nullptr;  // may be null
  std::vector<std::uint8_t> has_eval;
  std::vector<double> from_time, to_time, stochasticity;
  std::vector<std::uint64_t> noise;
  std::vector<std::uint32_t> position;
  std::size_t size() const { return conditions.size(); }
  void clear();
};

class Sampler {
 public:
  explicit Sampler(std::unique_ptr<PluginInstance> instance);
  const std::string& id() const { return instance_->id(); }
  const SamplerInfo& info(std::uint32_t profile) const { return info_[profile]; }
  bool can_renoise() const { return renoise_ != nullptr; }
  bool can_vjp() const { return vjp_ != nullptr; }
  // For latents, carry and samples; null: the heap.
  std::shared_ptr<TensorMemory> memory() const { return instance_->memory(); }

  // Throws Error(Exit::kPlugin) when the plugin refuses.
  Leg leg(std::uint32_t profile, double from, double to, double stochasticity,
          std::uint32_t steps) const;
  ItemFailures init(SamplerBatch& batch, NoiseSource& noise);
  ItemFailures step(SamplerBatch& batch, NoiseSource& noise);
  ItemFailures renoise(SamplerBatch& batch, NoiseSource& noise);
  ItemFailures preview(SamplerBatch& batch, NoiseSource& noise, Tensor& clean);
  ItemFailures decode(SamplerBatch& batch, Tensor& samples);
  // d score / d initial latent of the deterministic path from the latents at time 1. can_vjp()
  // only.
  ItemFailures vjp(SamplerBatch& batch, NoiseSource& noise, const Tensor& d_samples,
                   Tensor& d_latents);
  double seconds() const { return seconds_; }

 private:
  using Function = wn_status (*)(wn_instance*, const wn_call*, const wn_sampler_batch*, wn_status*);
  ItemFailures call(
      const char* name, SamplerBatch& batch, NoiseSource* noise,
      const std::function<wn_status(const wn_call*, const wn_sampler_batch*, wn_status*)>& body);

  std::unique_ptr<PluginInstance> instance_;
  const wn_sampler_1* table_;
  const wn_sampler_renoise_1* renoise_;
  const wn_sampler_vjp_1* vjp_;
  SamplerInfo info_[2];
  double seconds_ = 0;
};

// What is judged, as columns. Item i of `samples` belongs to conditions[i].
struct VerifierBatch {
  const Tensor* samples = nullptr;  // as many items as conditions
  std::vector<const wn_condition*> conditions;
  std::vector<std::uint64_t> candidates;
  const Tensor* previews = nullptr;  // as samples; null unless the verifier wants them
};

struct FeaturesInfo {
  std::uint32_t n_features = 0, n_classes = 0;
  std::string network;  // names the weights
};

// Failures name the plugin. NaN or infinite numbers fail their item.
class Verifier {
 public:
  Verifier(std::unique_ptr<PluginInstance> instance, VerifierUse use);
  const std::string& id() const { return instance_->id(); }
  const VerifierUse& use() const { return use_; }
  const wn_verifier_info& info() const { return info_; }
  bool wants_previews() const { return info_.preview_time >= 0; }
  // For samples and previews; null: the heap.
  std::shared_ptr<TensorMemory> memory() const { return instance_->memory(); }
  bool set_level() const { return set_ != nullptr; }
  bool has_grad() const { return grad_ != nullptr; }
  bool has_features() const { return features_ != nullptr; }
  const FeaturesInfo& features_info() const { return features_info_; }  // has_features() only

  // Tries score: why it refuses the whole batch as wrong arguments (samples of another shape, say);
  // empty: it does not, whatever else may fail.
  std::string refusal(const VerifierBatch& batch);
  // scores[n * n_heads].
  ItemFailures score(const VerifierBatch& batch, std::span<float> scores);
  // d head 0 / d sample, shaped as the samples. has_grad() only.
  ItemFailures grad(const VerifierBatch& batch, Tensor& d_samples);
  // features[n * n_features], log_probabilities[n * n_classes] or empty. has_features() only.
  ItemFailures features(const VerifierBatch& batch, std::span<float> features,
                        std::span<float> log_probabilities);
  // set_level() only. Throw Error(Exit::kPlugin).
  void reset();
  void accept(const VerifierBatch& batch);
  double seconds() const { return seconds_; }

 private:
  using Body =
      std::function<wn_status(const wn_call*, const wn_verifier_batch*, wn_status* status)>;
  void read_features_info();
  ItemFailures call(const char* name, const VerifierBatch& batch, const Body& body);
  ItemFailures named(ItemFailures failures) const;

  std::unique_ptr<PluginInstance> instance_;
  VerifierUse use_;
  const wn_verifier_1* table_;
  const wn_verifier_grad_1* grad_;
  const wn_verifier_set_1* set_;
  const wn_verifier_features_1* features_;
  wn_verifier_info info_{};
  FeaturesInfo features_info_;
  double seconds_ = 0;
};

// What a search may do during ask. Implementations may throw winnow::Error.
class ProposalSink {
 public:
  virtual ~ProposalSink() = default;
  virtual wn_status noise(const wn_noise_recipe& recipe) = 0;  // OK or UNIMPLEMENTED
  virtual wn_status candidate(const wn_candidate& candidate) = 0;
  virtual double cost(std::span<const wn_candidate* const> candidates) = 0;
  virtual double left() = 0;
  virtual void forget(std::span<const std::uint64_t> ids) = 0;
};

class Search {
 public:
  explicit Search(std::unique_ptr<PluginInstance> instance);
  const std::string& id() const { return instance_->id(); }
  void begin(const wn_problem& problem);
  // WN_OK, WN_WAIT or WN_DONE. What `sink` threw is thrown on, after the plugin's frame is left.
  wn_status ask(std::uint64_t max_n, ProposalSink& sink);
  void tell(std::span<const wn_result* const> results);
  std::vector<std::uint64_t> best(std::uint64_t max_n);

 private:
  std::unique_ptr<PluginInstance> instance_;
  const wn_search_1* table_;
};

}  // namespace winnow

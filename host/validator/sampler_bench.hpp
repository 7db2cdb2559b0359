// sampler_bench.hpp: a sampler's tables, and items on their way through it.
#pragma once

#include <functional>
#include <set>

#include "host/validator/bench.hpp"
#include "host/validator/memory.hpp"
#include "host/validator/verifier_bench.hpp"

namespace winnow::validator {

// Items of one batch, as columns; `noise` names the noise of each, whatever its place in the batch.
struct Items {
  std::uint32_t profile = WN_PROFILE_SEARCH;
  std::vector<float> latents, carry;
  std::vector<std::uint8_t> has_eval;
  std::vector<double> from, to, stochasticity;
  std::vector<std::uint64_t> noise;
  std::vector<std::uint32_t> position;
  std::vector<std::int64_t> classes;
  std::vector<std::string> failures;  // by item; empty: none
  std::size_t size() const { return noise.size(); }
};

// Ends the test when one of them failed.
void must_be_sound(const Items& items);

struct Steps {
  std::vector<double> times, nfe;
};

class SamplerBench : NoiseSource {
 public:
  explicit SamplerBench(Instance& instance);

  const wn_sampler_info& info(std::uint32_t profile = WN_PROFILE_SEARCH) const {
    return info_[profile];
  }
  bool has(std::uint32_t flag) const { return (info().flags & flag) != 0; }
  std::size_t latent_size() const { return latent_size_; }
  std::size_t sample_size() const { return sample_size_; }
  std::size_t at_most(std::size_t n) const {
    return info().max_batch ? std::min<std::size_t>(n, info().max_batch) : n;
  }

  // Items with these noises at time 1, not yet initialised, of classes that the sampler takes.
  // Noise k and k + kSameClass have the same one.
  static constexpr std::uint64_t kSameClass = 1000;
  Items items(const std::vector<std::uint64_t>& noises) const;
  Items chosen(const Items& items, const std::vector<std::size_t>& which) const;
  void set_times(Items& items, double from, double to, std::uint32_t position) const;
  // Each ends the test when the whole call fails or a number is not finite; items may fail.
  void init(Items& items);
  void step(Items& items);
  std::vector<float> preview(Items& items);
  std::vector<float> decode(const Items& items);
  void renoise(Items& items);
  std::vector<float> vjp(Items& items, const std::vector<float>& d_samples);
  // Samples of whole paths: along the schedule (steps 0), or in `steps` steps of its own spacing.
  std::vector<float> path(Items& items, std::uint32_t steps);
  // Status and text of the plugin; `room`: how many steps may be written.
  wn_status leg(double from, double to, double stochasticity, std::uint32_t steps,
                std::uint32_t room, Steps& out, std::uint32_t profile = WN_PROFILE_SEARCH) const;
  Steps must_leg(double from, double to, double stochasticity, std::uint32_t steps) const;

  // What was drawn since the last forget_draws(): noise and position.
  const std::set<std::pair<std::uint64_t, std::uint32_t>>& draws() const { return draws_; }
  void forget_draws() { draws_.clear(); }
  void read_only_inputs(bool on) { read_only_inputs_ = on; }

 private:
  void find_classes();
  using Body = std::function<wn_status(const wn_call*, const wn_sampler_batch*, wn_status*)>;
  void call(const char* function, Items& items, bool latents_are_input, const Body& body);
  std::vector<wn_condition> conditions_of(const Items& items) const;
  void look_at_items(const char* function, Items& items, const wn_status* statuses,
                     Call& call) const;
  std::vector<float> call_for(const char* function, Items& items, bool latents_are_input,
                              std::vector<std::int64_t> shape,
                              const std::function<wn_status(const wn_call*, const wn_sampler_batch*,
                                                            wn_tensor*, wn_status*)>& body);
  void normal(std::uint64_t handle, std::uint32_t position, std::span<float> out) override;

  Instance& instance_;
  const wn_sampler_1& table_;
  wn_sampler_info info_[2]{};
  std::size_t latent_size_ = 0, sample_size_ = 0, carry_size_ = 0;
  std::vector<std::int64_t> classes_;
  const Items* drawing_ = nullptr;
  std::set<std::pair<std::uint64_t, std::uint32_t>> draws_;
  std::string foreign_draw_;
  bool read_only_inputs_ = false;
};

std::string use_sampler(Instance& instance);

}  // namespace winnow::validator

// sampler.hpp: a sampler (a generative model and its solver, cut at every step) as a C++ class.
//
//   struct MySampler {
//     static constexpr const char* kId = "org.example.sampler";
//     MySampler(const wn::Host&, const wn::Options&);   // or (host, options, const wn::Call&)
//     wn_sampler_info info(std::uint32_t profile);      // times etc. stay the instance's
//     wn::Leg leg(std::uint32_t profile, double from, double to, double stochasticity,
//                 std::uint32_t steps);                 // cheap and pure
//     void init(const wn::SamplerBatch&);               // latents at time 1 from noise(0)
//     void step(const wn::SamplerBatch&);               // one solver step, from_time -> to_time
//     void preview(const wn::SamplerBatch&, const wn_tensor& clean);
//     void decode(const wn::SamplerBatch&, const wn_tensor& samples);
//     void renoise(const wn::SamplerBatch&);            // optional: back towards noise
//     void vjp(const wn::SamplerBatch&, const wn_tensor& d_samples, const wn_tensor& d_latents);
//   };                                                  // vjp is optional
// One call at a time per instance, from any thread. winnow.h says what each call must do. The flags
// WN_F_RENOISE and WN_F_VJP are set from the members; struct_size need not be set.
#pragma once

#include "winnow/verifier.hpp"

namespace wn::inline v1_0_rc1 {

// A stretch of the schedule or with steps of its own: times[k] -> times[k + 1] costs nfe[k].
struct Leg {
  std::vector<double> times;  // one more than steps, falling
  std::vector<double> nfe;    // exact, for one candidate
};

// Items to be worked on in place; they may stand at different times when the sampler has
// WN_F_MIXED_TIMES. Valid during the call.
class SamplerBatch {
 public:
  SamplerBatch(const Host& host, const wn_call* call, const wn_sampler_batch* raw,
               wn_status* status)
      : host_(host), call_(call), raw_(raw), status_(status) {}
  const wn_sampler_batch& raw() const { return *raw_; }
  Call call() const { return Call(call_); }
  std::size_t size() const { return raw_->n; }
  std::uint32_t profile() const { return raw_->profile; }

  const wn_condition& condition(std::size_t i) const { return *raw_->conditions[i]; }
  std::string_view prompt(std::size_t i) const { return view(condition(i).prompt); }
  std::int64_t class_id(std::size_t i) const { return condition(i).class_id; }  // -1: none

  // [n, latent_shape]; latents() needs CPU memory, see winnow_torch.hpp for a device.
  wn_tensor& latents_raw() const { return *raw_->latents; }
  Tensor<float> latents() const { return Tensor<float>(*raw_->latents); }
  // [n, carry_elems] what travels with the latent; null when info() asked for none.
  wn_tensor* carry_raw() const { return raw_->carry; }
  Tensor<float> carry() const { return Tensor<float>(*raw_->carry); }
  // [n] in and out: the carry holds the evaluation at this latent.
  std::span<std::uint8_t> has_eval() const { return span(raw_->has_eval); }
  std::span<const double> from_time() const { return span(raw_->from_time); }
  std::span<const double> to_time() const { return span(raw_->to_time); }
  std::span<const double> stochasticity() const { return span(raw_->stochasticity); }
  std::span<const std::uint64_t> noise() const { return span(raw_->noise); }
  std::span<const std::uint32_t> position() const { return span(raw_->position); }

  // Fills out[n, latent_shape] float32 with each item's noise at the position it arrives at.
  void step_noise(wn_tensor& out) const { host_.normal(call(), noise(), position(), out); }
  // The same with noise(0): what init and renoise consume.
  void initial_noise(wn_tensor& out) const {
    host_.normal(call(), noise(), std::vector<std::uint32_t>(size(), 0), out);
  }

  // Item i fails, and this is why; the others count.
  void fail(std::size_t i, wn_status status, std::string_view text) const {
    if (status_) status_[i] = status;
    if (call_ && call_->errors && call_->errors->set_item)
      call_->errors->set_item(call_->errors->ctx, i, status, text.data(), text.size());
  }

 private:
  template <class T>
  std::span<T> span(T* first) const {
    return first ? std::span<T>(first, raw_->n) : std::span<T>{};
  }

  Host host_;
  const wn_call* call_;
  const wn_sampler_batch* raw_;
  wn_status* status_;
};

template <class T>
concept Sampler = requires(T& t, const SamplerBatch& batch, const wn_tensor& tensor,
                           std::uint32_t u, double d) {
  { t.info(u) } -> std::same_as<wn_sampler_info>;
  { t.leg(u, d, d, d, u) } -> std::same_as<Leg>;
  t.init(batch);
  t.step(batch);
  t.preview(batch, tensor);
  t.decode(batch, tensor);
};
template <class T>
concept HasRenoise = requires(T& t, const SamplerBatch& batch) {
  t.renoise(batch);
};
template <class T>
concept HasVjp = requires(T& t, const SamplerBatch& batch, const wn_tensor& tensor) {
  t.vjp(batch, tensor, tensor);
};

namespace detail {

template <class T>
wn_sampler_info sampler_info(T& t, std::uint32_t profile) {
  wn_sampler_info out = t.info(profile);
  if constexpr (HasRenoise<T>) out.flags |= WN_F_RENOISE;
  if constexpr (HasVjp<T>) out.flags |= WN_F_VJP;
  return out;
}

template <class T>
wn_status copy_leg(T& t, std::uint32_t profile, double from, double to, double stochasticity,
                   std::uint32_t steps, std::uint32_t max_steps, double* times, double* nfe,
                   std::uint32_t* steps_out) {
  const Leg leg = t.leg(profile, from, to, stochasticity, steps);
  if (leg.times.size() != leg.nfe.size() + 1)
    throw Error(WN_E_INTERNAL, "leg() gave " + std::to_string(leg.times.size()) + " times for " +
                                   std::to_string(leg.nfe.size()) + " steps");
  *steps_out = static_cast<std::uint32_t>(leg.nfe.size());
  if (*steps_out > max_steps) return WN_E_RESOURCE_EXHAUSTED;
  std::copy(leg.times.begin(), leg.times.end(), times);
  std::copy(leg.nfe.begin(), leg.nfe.end(), nfe);
  return WN_OK;
}

template <class T>
struct SamplerTables {
  template <class Body>
  static wn_status run(wn_instance* instance, const wn_call* call, const wn_sampler_batch* batch,
                       wn_status* status, Body&& body) noexcept {
    return fence(call, [&] {
      body(self<T>(instance), SamplerBatch(box<T>(instance).host, call, batch, status));
    });
  }

  static constexpr wn_sampler_1 kMain = {
      [](wn_instance* instance, std::uint32_t profile, wn_sampler_info* out) noexcept -> wn_status {
        return fence(nullptr,
                     [&] { fill_growable(out, sampler_info<T>(self<T>(instance), profile)); });
      },
      [](wn_instance* instance, std::uint32_t profile, double from, double to, double stochasticity,
         std::uint32_t steps, std::uint32_t max_steps, double* times, double* nfe,
         std::uint32_t* steps_out) noexcept -> wn_status {
        return fence(nullptr, [&] {
          return copy_leg<T>(self<T>(instance), profile, from, to, stochasticity, steps, max_steps,
                             times, nfe, steps_out);
        });
      },
      [](wn_instance* i, const wn_call* c, const wn_sampler_batch* b,
         wn_status* s) noexcept -> wn_status {
        return run(i, c, b, s, [](T& t, const SamplerBatch& batch) { t.init(batch); });
      },
      [](wn_instance* i, const wn_call* c, const wn_sampler_batch* b,
         wn_status* s) noexcept -> wn_status {
        return run(i, c, b, s, [](T& t, const SamplerBatch& batch) { t.step(batch); });
      },
      [](wn_instance* i, const wn_call* c, const wn_sampler_batch* b, wn_tensor* clean,
         wn_status* s) noexcept -> wn_status {
        return run(i, c, b, s, [&](T& t, const SamplerBatch& batch) { t.preview(batch, *clean); });
      },
      [](wn_instance* i, const wn_call* c, const wn_sampler_batch* b, wn_tensor* samples,
         wn_status* s) noexcept -> wn_status {
        return run(i, c, b, s, [&](T& t, const SamplerBatch& batch) { t.decode(batch, *samples); });
      }};

  static const void* find(std::string_view id) {
    if (id == WN_SAMPLER_1) return &kMain;
    if constexpr (HasRenoise<T>) {
      static constexpr wn_sampler_renoise_1 kRenoise = {[](wn_instance* i, const wn_call* c,
                                                           const wn_sampler_batch* b,
                                                           wn_status* s) noexcept -> wn_status {
        return run(i, c, b, s, [](T& t, const SamplerBatch& batch) { t.renoise(batch); });
      }};
      if (id == WN_SAMPLER_RENOISE_1) return &kRenoise;
    }
    if constexpr (HasVjp<T>) {
      static constexpr wn_sampler_vjp_1 kVjp = {
          [](wn_instance* i, const wn_call* c, const wn_sampler_batch* b,
             const wn_tensor* d_samples, wn_tensor* d_latents, wn_status* s) noexcept -> wn_status {
            return run(i, c, b, s, [&](T& t, const SamplerBatch& batch) {
              t.vjp(batch, *d_samples, *d_latents);
            });
          }};
      if (id == WN_SAMPLER_VJP_1) return &kVjp;
    }
    return nullptr;
  }
};

}  // namespace detail
}  // namespace wn::inline v1_0_rc1

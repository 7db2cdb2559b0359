// verifier.hpp: a verifier as a plain C++ class.
//
//   struct Brightness {
//     static constexpr const char* kId = "org.example.brightness";  // as in the manifest
//     // Without options leave this line out.
//     static constexpr const char* kOptions = WINNOW_OPTIONS_ORG_EXAMPLE_BRIGHTNESS;
//     Brightness(const wn::Host&, const wn::Options& options);  // throws on failure
//     wn::VerifierInfo info() const;                            // optional
//     void score(const wn::VerifierBatch& batch, std::span<float> scores);
//   };
//   WN_EXPORT_PLUGINS(Brightness)
//
// No base class. Optional members add optional tables (a member with another signature does not):
//
//   // d head 0 / d samples, in place
//   void grad(const wn::VerifierBatch& batch, const wn_tensor& d_samples);
//   // of sets (FID)
//   void reset();
//   void accept(const wn::VerifierBatch& batch);
//   // a feature network
//   wn::FeaturesInfo features_info() const;
//   void features(const wn::VerifierBatch& batch, std::span<float> features,
//                 std::span<float> log_probabilities);
//   // state
//   std::string save() const;
//   void load(std::string_view bytes);
//
// Calls come one at a time per instance, from any thread; with WN_F_REENTRANT concurrently.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstring>

#include "winnow/plugin.hpp"

namespace wn::inline v1_0_rc1 {

struct VerifierInfo {
  std::uint32_t flags = 0;            // WN_F_REENTRANT, BATCH_INVARIANT, DETERMINISTIC; GRAD is set
                                      // when the class has grad()
  std::uint32_t n_heads = 1;          // numbers per sample; head 0 is what selection uses
  std::uint32_t preferred_batch = 0;  // 0: no wish
  std::uint32_t max_batch = 0;        // 0: no limit
  double preview_time = -1;           // in [0, 1]: also wants the preview near this time; -1: not
};

struct FeaturesInfo {
  std::uint32_t n_features = 0;  // numbers per sample
  std::uint32_t n_classes = 0;   // 0: the network is no classifier
  std::string_view network;      // names the weights, as by their SHA-256; lives in the instance
};

// What is to be judged. Read-only, valid during the call.
class VerifierBatch {
 public:
  VerifierBatch(const wn_call* call, const wn_verifier_batch* raw, wn_status* status)
      : call_(call), raw_(raw), status_(status) {}
  const wn_verifier_batch& raw() const { return *raw_; }
  Call call() const { return Call(call_); }
  std::size_t size() const { return raw_->n; }

  // [n, C, H, W] float32, in [0, 1] unless the sampler's manifest says otherwise. samples() and
  // sample() need CPU memory; for a tensor on a device see samples_raw() and winnow_torch.hpp.
  const wn_tensor& samples_raw() const { return *raw_->samples; }
  Tensor<const float> samples() const { return Tensor<const float>(*raw_->samples); }
  std::span<const float> sample(std::size_t i) const { return samples().item(i); }
  // The previews, shaped as the samples; only when info() asked for a preview_time.
  bool has_previews() const { return raw_->previews != nullptr; }
  const wn_tensor& previews_raw() const { return *raw_->previews; }
  Tensor<const float> previews() const { return Tensor<const float>(*raw_->previews); }

  const wn_condition& condition(std::size_t i) const { return *raw_->conditions[i]; }
  std::string_view prompt(std::size_t i) const { return view(condition(i).prompt); }
  std::int64_t class_id(std::size_t i) const { return condition(i).class_id; }  // -1: none
  std::uint64_t candidate_id(std::size_t i) const { return raw_->candidate_ids[i]; }

  // Item i has no score, and this is why; the others count. Its scores need not be written.
  void fail(std::size_t i, wn_status status, std::string_view text) const {
    if (status_) status_[i] = status;
    if (call_ && call_->errors && call_->errors->set_item)
      call_->errors->set_item(call_->errors->ctx, i, status, text.data(), text.size());
  }

 private:
  const wn_call* call_;
  const wn_verifier_batch* raw_;
  wn_status* status_;
};

template <class T>
concept Verifier = requires(T& t, const VerifierBatch& batch, std::span<float> scores) {
  t.score(batch, scores);
};
template <class T>
concept HasGrad = requires(T& t, const VerifierBatch& batch, const wn_tensor& d_samples) {
  t.grad(batch, d_samples);
};
template <class T>
concept HasSet = requires(T& t, const VerifierBatch& batch) {
  t.reset();
  t.accept(batch);
};

template <class T>
concept HasFeatures = requires(T& t, const VerifierBatch& batch, std::span<float> out) {
  { t.features_info() } -> std::same_as<FeaturesInfo>;
  t.features(batch, out, out);
};

namespace detail {

template <class T>
wn_verifier_info verifier_info(const T& t) {
  wn_verifier_info out{};
  VerifierInfo info;
  if constexpr (requires {
                  { t.info() } -> std::same_as<wn_verifier_info>;
                }) {
    out = t.info();
  } else {
    if constexpr (requires { t.info(); }) info = t.info();
    out.flags = info.flags;
    out.n_heads = info.n_heads;
    out.preferred_batch = info.preferred_batch;
    out.max_batch = info.max_batch;
    out.preview_time = info.preview_time;
  }
  if constexpr (HasGrad<T>) out.flags |= WN_F_GRAD;
  return out;
}

template <class T>
struct VerifierTables {
  static constexpr wn_verifier_1 kMain = {
      [](wn_instance* instance, wn_verifier_info* out) noexcept -> wn_status {
        return fence(nullptr, [&] { fill_growable(out, verifier_info<T>(self<T>(instance))); });
      },
      [](wn_instance* instance, const wn_call* call, const wn_verifier_batch* batch, float* scores,
         wn_status* status) noexcept -> wn_status {
        return fence(call, [&] {
          T& t = self<T>(instance);
          t.score(VerifierBatch(call, batch, status),
                  std::span<float>(scores, batch->n * verifier_info<T>(t).n_heads));
        });
      }};

  static const void* find(std::string_view id) {
    if (id == WN_VERIFIER_1) return &kMain;
    if constexpr (HasGrad<T>) {
      static constexpr wn_verifier_grad_1 kGrad = {
          [](wn_instance* instance, const wn_call* call, const wn_verifier_batch* batch,
             wn_tensor* d_samples, wn_status* status) noexcept -> wn_status {
            return fence(call, [&] {
              self<T>(instance).grad(VerifierBatch(call, batch, status), *d_samples);
            });
          }};
      if (id == WN_VERIFIER_GRAD_1) return &kGrad;
    }
    if constexpr (HasSet<T>) {
      static constexpr wn_verifier_set_1 kSet = {
          [](wn_instance* instance) noexcept -> wn_status {
            return fence(nullptr, [&] { self<T>(instance).reset(); });
          },
          [](wn_instance* instance, const wn_call* call,
             const wn_verifier_batch* batch) noexcept -> wn_status {
            return fence(call,
                         [&] { self<T>(instance).accept(VerifierBatch(call, batch, nullptr)); });
          }};
      if (id == WN_VERIFIER_SET_1) return &kSet;
    }
    if constexpr (HasFeatures<T>) {
      static constexpr wn_verifier_features_1 kFeatures = {
          [](wn_instance* instance, wn_features_info* out) noexcept -> wn_status {
            return fence(nullptr, [&] {
              const FeaturesInfo info = self<T>(instance).features_info();
              wn_features_info raw{};
              raw.n_features = info.n_features;
              raw.n_classes = info.n_classes;
              raw.network = {info.network.data(), info.network.size()};
              fill_growable(out, raw);
            });
          },
          [](wn_instance* instance, const wn_call* call, const wn_verifier_batch* batch,
             float* features, float* log_probabilities, wn_status* status) noexcept -> wn_status {
            return fence(call, [&] {
              T& t = self<T>(instance);
              const FeaturesInfo info = t.features_info();
              t.features(VerifierBatch(call, batch, status),
                         std::span<float>(features, batch->n * info.n_features),
                         std::span<float>(log_probabilities,
                                          log_probabilities ? batch->n * info.n_classes : 0));
            });
          }};
      if (id == WN_VERIFIER_FEATURES_1) return &kFeatures;
    }
    return nullptr;
  }
};

}  // namespace detail
}  // namespace wn::inline v1_0_rc1

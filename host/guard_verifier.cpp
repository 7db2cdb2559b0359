// guard_verifier.cpp: the calls into a verifier's tables; see guard.hpp.
#include <spdlog/spdlog.h>

#include <limits>

#include "host/guard_call.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kMaxHeads = 4096;
constexpr std::uint32_t kMaxFeatures = 1 << 20;

wn_verifier_batch raw_batch(const VerifierBatch& batch, const wn_tensor& samples,
                            const wn_tensor* previews) {
  return {.struct_size = WN_SIZE(wn_verifier_batch, previews),
          .reserved0 = 0,
          .n = batch.conditions.size(),
          .samples = &samples,
          .conditions = batch.conditions.data(),
          .candidate_ids = batch.candidates.data(),
          .previews = previews};
}

void require_finite(ItemFailures& failures, std::span<const float> numbers, const char* what) {
  const std::size_t each = failures.empty() ? 0 : numbers.size() / failures.size();
  for (std::size_t i = 0; i < failures.size(); ++i)
    if (failures[i].status == WN_OK && !all_finite(numbers.subspan(i * each, each)))
      failures[i] = {WN_E_INTERNAL, std::string(what) + " is not finite"};
}

class Trial {
 public:
  explicit Trial(PluginInstance& instance) : instance_(instance) { instance_.set_trial(true); }
  ~Trial() { instance_.set_trial(false); }
  Trial(const Trial&) = delete;

 private:
  PluginInstance& instance_;
};

}  // namespace

Verifier::Verifier(std::unique_ptr<PluginInstance> instance, VerifierUse use)
    : instance_(std::move(instance)),
      use_(std::move(use)),
      table_(required_interface<wn_verifier_1>(*instance_, WN_VERIFIER_1)),
      grad_(static_cast<const wn_verifier_grad_1*>(instance_->interface(WN_VERIFIER_GRAD_1))),
      set_(static_cast<const wn_verifier_set_1*>(instance_->interface(WN_VERIFIER_SET_1))),
      features_(static_cast<const wn_verifier_features_1*>(
          instance_->interface(WN_VERIFIER_FEATURES_1))) {
  info_.struct_size = WN_SIZE(wn_verifier_info, preview_time);
  info_.preview_time = -1;
  const wn_status status = table_->info(instance_->get(), &info_);
  if (status != WN_OK) instance_->fail("info", status, "no description");
  if (info_.n_heads == 0 || info_.n_heads > kMaxHeads)
    instance_->fail("info", WN_E_INTERNAL,
                    fmt::format("{} heads; expected 1 to {}", info_.n_heads, kMaxHeads));
  if (!(info_.preview_time == -1 || (info_.preview_time >= 0 && info_.preview_time <= 1)))
    instance_->fail("info", WN_E_INTERNAL,
                    fmt::format("a preview time of {}; expected -1 or 0 to 1", info_.preview_time));
  if (features_) read_features_info();
}

void Verifier::read_features_info() {
  wn_features_info raw{};
  raw.struct_size = WN_SIZE(wn_features_info, network);
  const wn_status status = features_->info(instance_->get(), &raw);
  if (status != WN_OK) instance_->fail("features info", status, "no description");
  if (raw.n_features == 0 || raw.n_features > kMaxFeatures || raw.n_classes > kMaxFeatures)
    instance_->fail("features info", WN_E_INTERNAL,
                    fmt::format("{} features and {} classes; expected 1 to {} features",
                                raw.n_features, raw.n_classes, kMaxFeatures));
  if (!raw.network.data || raw.network.size == 0)
    instance_->fail("features info", WN_E_INTERNAL, "a network without a name");
  features_info_ = {raw.n_features, raw.n_classes, {raw.network.data, raw.network.size}};
}

std::string Verifier::refusal(const VerifierBatch& batch) {
  const wn_tensor samples = batch.samples->view();
  wn_tensor previews{};
  if (batch.previews) previews = batch.previews->view();
  const wn_verifier_batch raw = raw_batch(batch, samples, batch.previews ? &previews : nullptr);
  std::vector<float> scores(batch.conditions.size() * info_.n_heads);
  std::vector<wn_status> items(batch.conditions.size(), WN_OK);
  CallContext context(instance_->services());
  const Trial trial(*instance_);
  wn_status status = WN_OK;
  try {
    status = table_->score(instance_->get(), context.table(), &raw, scores.data(), items.data());
  } catch (const Error& error) {  // of a process; samples may agree with it better
    spdlog::warn("a gray sample was tried: {}", error.what());
  }
  throw_if_stopped(instance_->services(), status);
  return status == WN_E_INVALID_ARGUMENT ? blame(status, context.errors().text()) : "";
}

ItemFailures Verifier::call(const char* name, const VerifierBatch& batch, const Body& body) {
  const wn_tensor samples = batch.samples->view();
  wn_tensor previews{};
  if (batch.previews) previews = batch.previews->view();
  const wn_verifier_batch raw = raw_batch(batch, samples, batch.previews ? &previews : nullptr);
  std::vector<wn_status> status(batch.conditions.size(), WN_OK);
  CallContext context(instance_->services());
  Stopwatch watch(seconds_);
  const wn_status result = body(context.table(), &raw, status.data());
  if (result != WN_OK) instance_->fail(name, result, context.errors().text());
  for (wn_status item : status) throw_if_stopped(instance_->services(), item);
  return failures_of(status, context.errors());
}

ItemFailures Verifier::named(ItemFailures failures) const {
  for (ItemFailure& failure : failures)
    if (failure.status != WN_OK) failure.text = instance_->id() + ": " + failure.text;
  return failures;
}

ItemFailures Verifier::score(const VerifierBatch& batch, std::span<float> scores) {
  // What is never written must not look like a score.
  std::ranges::fill(scores, std::numeric_limits<float>::quiet_NaN());
  ItemFailures failures = call("score", batch, [&](auto* c, auto* b, auto* status) {
    return table_->score(instance_->get(), c, b, scores.data(), status);
  });
  require_finite(failures, scores, "the score");
  return named(std::move(failures));
}

ItemFailures Verifier::grad(const VerifierBatch& batch, Tensor& d_samples) {
  d_samples.fill(std::numeric_limits<float>::quiet_NaN());
  ItemFailures failures = call("grad", batch, [&](auto* c, auto* b, auto* status) {
    wn_tensor out = d_samples.view();
    return grad_->grad(instance_->get(), c, b, &out, status);
  });
  require_finite(failures, d_samples.values(), "the gradient");
  return named(std::move(failures));
}

ItemFailures Verifier::features(const VerifierBatch& batch, std::span<float> features,
                                std::span<float> log_probabilities) {
  std::ranges::fill(features, std::numeric_limits<float>::quiet_NaN());
  std::ranges::fill(log_probabilities, std::numeric_limits<float>::quiet_NaN());
  ItemFailures failures = call("features", batch, [&](auto* c, auto* b, auto* status) {
    return features_->features(instance_->get(), c, b, features.data(),
                               log_probabilities.empty() ? nullptr : log_probabilities.data(),
                               status);
  });
  require_finite(failures, features, "a feature");
  require_finite(failures, log_probabilities, "a log-probability");
  return named(std::move(failures));
}

void Verifier::reset() {
  const wn_status status = set_->reset(instance_->get());
  if (status != WN_OK) instance_->fail("reset", status, "");
}

void Verifier::accept(const VerifierBatch& batch) {
  call("accept", batch,
       [&](auto* c, auto* b, auto*) { return set_->accept(instance_->get(), c, b); });
}

}  // namespace winnow

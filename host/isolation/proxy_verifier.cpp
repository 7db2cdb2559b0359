// proxy_verifier.cpp: the verifier's tables over another process.
#include <fmt/format.h>

#include "host/error.hpp"
#include "host/isolation/proxy_batch.hpp"

namespace winnow {
namespace {

// A plain array as a column: [n, width] of float32.
class Numbers {
 public:
  Numbers(float* values, std::uint64_t n, std::uint64_t width)
      : shape_{static_cast<std::int64_t>(n), static_cast<std::int64_t>(width)},
        table_{values, {1, 0}, 2, {2, 32, 1}, shape_, nullptr, 0} {}
  Numbers(const Numbers&) = delete;
  const wn_tensor* table() const { return table_.data ? &table_ : nullptr; }

 private:
  std::int64_t shape_[2];
  wn_tensor table_;
};

// A tensor of one item and its values.
struct OneItem {
  explicit OneItem(const wn_tensor& from)
      : shape(from.shape, from.shape + from.ndim),
        values(static_cast<const char*>(data_of(from)),
               static_cast<const char*>(data_of(from)) + size_of(from)),
        dtype(from.dtype) {}
  wn_tensor table() {
    return {values.data(), {1, 0}, static_cast<std::int32_t>(shape.size()), dtype, shape.data(),
            nullptr,       0};
  }
  std::vector<std::int64_t> shape;
  std::vector<char> values;
  wn_dtype dtype;
};

struct Accepted {
  OneItem sample;
  std::unique_ptr<OneItem> preview;
  std::string columns;
};

void write_columns(Writer& writer, const wn_verifier_batch& batch, Rows rows) {
  write_conditions(writer, batch.conditions, rows);
  std::vector<std::uint64_t> ids;
  for (std::uint64_t row : rows) ids.push_back(batch.candidate_ids[row]);
  writer.array(ids);
}

class VerifierProxy final : public Proxy {
 public:
  using Proxy::Proxy;

  wn_status info(wn_verifier_info* out) {
    const auto take = [&](Reader& reader) { *out = info_ = reader.get<wn_verifier_info>(); };
    return twice(Message::kVerifierInfo, "", take).status;
  }

  wn_status features_info(wn_features_info* out) {
    const auto take = [&](Reader& reader) {
      features_ = reader.get<wn_features_info>();
      network_ = reader.text();
      features_.network = {network_.data(), network_.size()};
      *out = features_;
    };
    return twice(Message::kFeaturesInfo, "", take).status;
  }

  wn_status score(const wn_call* call, const wn_verifier_batch* batch, float* scores,
                  wn_status* status) {
    const Numbers out(scores, batch->n, info_.n_heads);
    return run(Message::kScore, call, *batch, {{out.table(), true}}, status);
  }

  wn_status grad(const wn_call* call, const wn_verifier_batch* batch, wn_tensor* d_samples,
                 wn_status* status) {
    return run(Message::kGrad, call, *batch, {{d_samples, true}}, status);
  }

  wn_status features(const wn_call* call, const wn_verifier_batch* batch, float* features,
                     float* log_probabilities, wn_status* status) {
    const Numbers first(features, batch->n, features_.n_features);
    const Numbers second(log_probabilities, batch->n, features_.n_classes);
    return run(Message::kFeatures, call, *batch, {{first.table(), true}, {second.table(), true}},
               status);
  }

  wn_status reset() {
    accepted_.clear();
    return twice(Message::kReset, "").status;
  }

  // What was accepted is the instance's state; a fresh process is told all of it again.
  wn_status accept(const wn_call* call, const wn_verifier_batch* batch) {
    Writer columns;
    const std::uint64_t first[] = {0};
    write_columns(columns, *batch, first);
    Accepted one{OneItem(*batch->samples), nullptr, columns.bytes()};
    if (batch->previews) one.preview = std::make_unique<OneItem>(*batch->previews);
    Reply reply;
    try {
      reply = tell_accepted(call, one);
    } catch (const Died& death) {
      process().spend_restart(death.how);
      reply = tell_again(call, one);
    }
    forward(reply, call);
    if (reply.status == WN_OK) accepted_.push_back(std::move(one));
    return reply.status;
  }

 private:
  wn_status run(Message message, const wn_call* call, const wn_verifier_batch& batch,
                std::vector<BatchCall::Column> outputs, wn_status* status) {
    BatchCall wanted{.message = message, .call = call, .n = batch.n};
    wanted.columns = {{batch.samples}, {batch.previews}};
    wanted.columns.insert(wanted.columns.end(), outputs.begin(), outputs.end());
    wanted.write = [&](Writer& writer, Rows rows) { write_columns(writer, batch, rows); };
    return run_batch(*this, wanted, status);
  }

  Reply tell_accepted(const wn_call* call, Accepted& one) {
    const wn_tensor sample = one.sample.table();
    wn_tensor preview{};
    if (one.preview) preview = one.preview->table();
    BatchCall wanted{.message = Message::kAccept, .call = call, .n = 1};
    wanted.columns = {{&sample}, {one.preview ? &preview : nullptr}};
    wanted.write = [&](Writer& writer, Rows) { writer.append(one.columns); };
    return run_batch_once(*this, wanted);
  }

  Reply tell_again(const wn_call* call, Accepted& one) {
    try {
      return tell_accepted(call, one);
    } catch (const Died& death) {
      give_up(death);
    }
  }

  Reply restore(const wn_call* call) override {
    for (Accepted& one : accepted_)
      if (Reply reply = tell_accepted(call, one); reply.status != WN_OK) {
        reply.text = "refuses what it had accepted: " + reply.text;
        return reply;
      }
    return {};
  }

  wn_verifier_info info_{};
  wn_features_info features_{};
  std::string network_;
  std::vector<Accepted> accepted_;
};

VerifierProxy& verifier(wn_instance* self) { return static_cast<VerifierProxy&>(Proxy::of(self)); }

constexpr wn_verifier_1 kVerifier{
    [](wn_instance* self, wn_verifier_info* out) { return verifier(self).info(out); },
    [](wn_instance* self, const wn_call* call, const wn_verifier_batch* batch, float* scores,
       wn_status* status) { return verifier(self).score(call, batch, scores, status); }};
constexpr wn_verifier_grad_1 kGrad{
    [](wn_instance* self, const wn_call* call, const wn_verifier_batch* batch, wn_tensor* d_samples,
       wn_status* status) { return verifier(self).grad(call, batch, d_samples, status); }};
constexpr wn_verifier_set_1 kSet{
    [](wn_instance* self) { return verifier(self).reset(); },
    [](wn_instance* self, const wn_call* call, const wn_verifier_batch* batch) {
      return verifier(self).accept(call, batch);
    }};
constexpr wn_verifier_features_1 kFeatures{
    [](wn_instance* self, wn_features_info* out) { return verifier(self).features_info(out); },
    [](wn_instance* self, const wn_call* call, const wn_verifier_batch* batch, float* features,
       float* log_probabilities, wn_status* status) {
      return verifier(self).features(call, batch, features, log_probabilities, status);
    }};

}  // namespace

std::unique_ptr<Proxy> make_verifier_proxy(std::shared_ptr<PluginProcess> process,
                                           const wn_host* host, std::string options) {
  return std::make_unique<VerifierProxy>(std::move(process), host, std::move(options));
}

const void* proxied_verifier_table(std::string_view interface) {
  if (interface == WN_VERIFIER_1) return &kVerifier;
  if (interface == WN_VERIFIER_GRAD_1) return &kGrad;
  if (interface == WN_VERIFIER_SET_1) return &kSet;
  if (interface == WN_VERIFIER_FEATURES_1) return &kFeatures;
  return nullptr;
}

}  // namespace winnow

// proxy_sampler.cpp: the sampler's tables over another process.
#include <fmt/format.h>

#include <algorithm>

#include "host/error.hpp"
#include "host/host_services.hpp"
#include "host/isolation/proxy_batch.hpp"

namespace winnow {
namespace {

template <typename T>
void write_rows(Writer& writer, const T* values, Rows rows) {
  std::vector<T> chosen;
  for (std::uint64_t row : rows) chosen.push_back(values[row]);
  writer.array(chosen);
}

void write_columns(Writer& writer, const wn_sampler_batch& batch, Rows rows) {
  writer.put(batch.profile);
  write_conditions(writer, batch.conditions, rows);
  write_rows(writer, batch.has_eval, rows);
  write_rows(writer, batch.from_time, rows);
  write_rows(writer, batch.to_time, rows);
  write_rows(writer, batch.stochasticity, rows);
  write_rows(writer, batch.noise, rows);
  write_rows(writer, batch.position, rows);
}

// Noise that the plugin asks for while it works: into its own tensors where they are shared, else
// into a piece of the arena, until it asks again or returns.
class NoiseAnswers {
 public:
  // `latents`: bytes of those of the batch.
  NoiseAnswers(Arena& exchange, const wn_host* host, const wn_call* call, std::uint64_t latents)
      : exchange_(exchange), host_(host), call_(*call), most_(kMostNoise * latents) {}
  ~NoiseAnswers() { drop(); }
  NoiseAnswers(const NoiseAnswers&) = delete;

  std::string operator()(Message message, Reader& reader) {
    if (message != Message::kNormal) throw Malformed();
    const auto handles = reader.array<std::uint64_t>();
    const auto positions = reader.array<std::uint32_t>();
    const auto elements = reader.get<std::uint64_t>();
    const auto there = reader.get<std::uint64_t>();
    const std::uint64_t n = handles.size();
    if (positions.size() != n || n == 0 || elements > most_ / sizeof(float) / n) throw Malformed();
    const std::uint64_t bytes = n * elements * sizeof(float);
    drop();
    if (there == kElsewhere) piece_ = exchange_.allocate(bytes);
    void* data = piece_ ? piece_ : exchange_.at(there, bytes);
    if (!data || (!piece_ && there % sizeof(float) != 0)) throw Malformed();
    std::int64_t shape[] = {static_cast<std::int64_t>(n), static_cast<std::int64_t>(elements)};
    wn_tensor out{data, {1, 0}, 2, {2, 32, 1}, shape, nullptr, 0};
    const auto* noise =
        static_cast<const wn_host_noise_1*>(host_->get_interface(host_, WN_HOST_NOISE_1));
    const ErrorSink errors;
    call_.errors = errors.table();
    Writer writer;
    writer.put(noise->normal(host_, &call_, handles.data(), positions.data(), n, &out));
    writer.text(errors.text());
    writer.put(*exchange_.offset_of(data, bytes));
    return writer.bytes();
  }

 private:
  void drop() {
    if (piece_) exchange_.release(piece_);
    piece_ = nullptr;
  }

  static constexpr std::uint64_t kMostNoise = 16;  // times the latents, in one question

  Arena& exchange_;
  const wn_host* host_;
  wn_call call_;
  std::uint64_t most_;
  void* piece_ = nullptr;
};

double elements_of(const std::int64_t* shape, std::uint32_t dimensions) {
  double count = 1;
  for (std::uint32_t d = 0; d < std::min(dimensions, 6u); ++d)
    count *= static_cast<double>(shape[d]);
  return count;
}

class SamplerProxy final : public Proxy {
 public:
  using Proxy::Proxy;
  using Columns = std::vector<BatchCall::Column>;

  wn_status info(std::uint32_t profile, wn_sampler_info* out) {
    Writer writer;
    writer.put(profile);
    const auto take = [&](Reader& reader) {
      info_[profile] = OwnedSamplerInfo(reader);
      check_size(info_[profile].table);
      *out = info_[profile].lent();
    };
    return twice(Message::kSamplerInfo, writer.bytes(), take).status;
  }

  wn_status leg(std::uint32_t profile, double from, double to, double stochasticity,
                std::uint32_t steps, std::uint32_t room, double* times, double* nfe,
                std::uint32_t* steps_out) {
    Writer writer;
    writer.put(profile);
    writer.put(from);
    writer.put(to);
    writer.put(stochasticity);
    writer.put(steps);
    writer.put(room);
    const auto take = [&](Reader& reader) {
      *steps_out = reader.get<std::uint32_t>();
      const auto all_times = reader.array<double>(), all_nfe = reader.array<double>();
      if (all_times.size() > room + 1ull || all_nfe.size() > room) throw Malformed();
      std::ranges::copy(all_times, times);
      std::ranges::copy(all_nfe, nfe);
    };
    return twice(Message::kLeg, writer.bytes(), take).status;
  }

  wn_status run(Message message, const wn_call* call, const wn_sampler_batch& batch,
                bool latents_written, const Columns& more, wn_status* status) {
    NoiseAnswers noise(*process().exchange(), host(), call, size_of(*batch.latents));
    BatchCall wanted{.message = message, .call = call, .n = batch.n};
    wanted.columns = {{batch.latents, latents_written, message != Message::kInit},
                      {batch.carry, latents_written}};
    wanted.columns.insert(wanted.columns.end(), more.begin(), more.end());
    wanted.write = [&](Writer& writer, Rows rows) { write_columns(writer, batch, rows); };
    wanted.take = [&](Reader& reader, Rows rows) {
      const auto has_eval = reader.array<std::uint8_t>();
      if (has_eval.size() != batch.n) throw Malformed();
      for (std::uint64_t row : rows) batch.has_eval[row] = has_eval[row];
    };
    wanted.answers = [&](Message asked, Reader& reader) { return noise(asked, reader); };
    return run_batch(*this, wanted, status);
  }

 private:
  // The host makes these tensors, and the limit of the process does not hold for it.
  void check_size(const wn_sampler_info& info) const {
    const double bytes = sizeof(float) * (elements_of(info.latent_shape, info.latent_ndim) +
                                          elements_of(info.sample_shape, info.sample_ndim) +
                                          static_cast<double>(info.carry_elems));
    if (bytes > static_cast<double>(process().memory()))
      throw Error(Exit::kPlugin,
                  fmt::format("{}: info: {:g} bytes for one item, more than the {} of [execution] "
                              "plugin_memory",
                              process().id(), bytes, process().memory()));
  }

  OwnedSamplerInfo info_[2];
};

SamplerProxy& sampler(wn_instance* self) { return static_cast<SamplerProxy&>(Proxy::of(self)); }

template <Message message>
wn_status in_place(wn_instance* self, const wn_call* call, const wn_sampler_batch* batch,
                   wn_status* status) {
  return sampler(self).run(message, call, *batch, true, {}, status);
}

constexpr wn_sampler_1 kSampler{
    [](wn_instance* self, uint32_t profile, wn_sampler_info* out) {
      return sampler(self).info(profile, out);
    },
    [](wn_instance* self, uint32_t profile, double from, double to, double stochasticity,
       uint32_t steps, uint32_t room, double* times, double* nfe, uint32_t* steps_out) {
      return sampler(self).leg(profile, from, to, stochasticity, steps, room, times, nfe,
                               steps_out);
    },
    in_place<Message::kInit>,
    in_place<Message::kStep>,
    [](wn_instance* self, const wn_call* call, const wn_sampler_batch* batch, wn_tensor* clean,
       wn_status* status) {
      return sampler(self).run(Message::kPreview, call, *batch, true, {{clean, true, false}},
                               status);
    },
    [](wn_instance* self, const wn_call* call, const wn_sampler_batch* batch, wn_tensor* samples,
       wn_status* status) {
      return sampler(self).run(Message::kDecode, call, *batch, false, {{samples, true, false}},
                               status);
    }};
constexpr wn_sampler_renoise_1 kRenoise{in_place<Message::kRenoise>};
constexpr wn_sampler_vjp_1 kVjp{[](wn_instance* self, const wn_call* call,
                                   const wn_sampler_batch* batch, const wn_tensor* d_samples,
                                   wn_tensor* d_latents, wn_status* status) {
  return sampler(self).run(Message::kVjp, call, *batch, false, {{d_samples}, {d_latents, true}},
                           status);
}};

}  // namespace

std::unique_ptr<Proxy> make_sampler_proxy(std::shared_ptr<PluginProcess> process,
                                          const wn_host* host, std::string options) {
  return std::make_unique<SamplerProxy>(std::move(process), host, std::move(options));
}

const void* proxied_sampler_table(std::string_view interface) {
  if (interface == WN_SAMPLER_1) return &kSampler;
  if (interface == WN_SAMPLER_RENOISE_1) return &kRenoise;
  if (interface == WN_SAMPLER_VJP_1) return &kVjp;
  return nullptr;
}

}  // namespace winnow

// host_services.cpp: see host_services.hpp. Every function here is called by plugins, so nothing
// may throw out of it.
#include "host/host_services.hpp"

#include <spdlog/spdlog.h>

#include <bit>
#include <cstdlib>
#include <cstring>

#include "host/noise.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr std::uint64_t kMaxText = 64 << 10;  // of one message
constexpr std::size_t kMaxItems = 1 << 16;    // with a text, per call

std::string clipped(const char* text, std::uint64_t size) {
  if (!text) return {};
  std::string clip(text, std::min(size, kMaxText));
  // What is not UTF-8 would break the journal and the summary, which are JSON.
  for (std::size_t bad; (bad = first_bad_utf8(clip)) < clip.size();) clip[bad] = '?';
  return clip;
}

const PluginHost& plugin_host(const wn_host* host) {
  return *static_cast<const PluginHost*>(host->ctx);
}

spdlog::level::level_enum level_of(std::int32_t severity) {
  switch (severity) {
    case WN_LOG_DEBUG:
      return spdlog::level::debug;
    case WN_LOG_INFO:
      return spdlog::level::info;
    case WN_LOG_WARNING:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

int32_t log_enabled(const wn_host*, int32_t severity) {
  return spdlog::should_log(level_of(severity)) ? 1 : 0;
}

void log_message(const wn_host* host, int32_t severity, const char* text, uint64_t size) try {
  spdlog::log(level_of(severity), "{}: {}", plugin_host(host).plugin_id, clipped(text, size));
} catch (...) {  // a message that cannot be written is lost; the plugin cannot help it
}

constexpr wn_host_log_1 kLog{log_enabled, log_message};

std::uint64_t element_count(const wn_tensor& tensor) {
  std::uint64_t count = 1;
  for (int d = 0; d < tensor.ndim; ++d) count *= static_cast<std::uint64_t>(tensor.shape[d]);
  return count;
}

wn_status alloc_tensor(const wn_host*, const wn_call*, const wn_tensor* prototype,
                       wn_tensor** out) {
  if (!prototype || !out || prototype->device.type != 1) return WN_E_UNIMPLEMENTED;
  const std::uint64_t bytes = element_count(*prototype) * prototype->dtype.bits / 8;
  auto* tensor = static_cast<wn_tensor*>(std::malloc(sizeof(wn_tensor)));
  auto* shape = static_cast<std::int64_t*>(
      std::malloc(sizeof(std::int64_t) * static_cast<std::size_t>(prototype->ndim + 1)));
  void* data = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (!tensor || !shape || !data) {
    std::free(tensor);
    std::free(shape);
    std::free(data);
    return WN_E_RESOURCE_EXHAUSTED;
  }
  *tensor = *prototype;
  std::memcpy(shape, prototype->shape,
              sizeof(std::int64_t) * static_cast<std::size_t>(prototype->ndim));
  tensor->data = data;
  tensor->shape = shape;
  tensor->strides = nullptr;
  tensor->byte_offset = 0;
  *out = tensor;
  return WN_OK;
}

void release_tensor(const wn_host*, wn_tensor* tensor) {
  if (!tensor) return;
  std::free(tensor->data);
  std::free(tensor->shape);
  std::free(tensor);
}

void* scratch(const wn_host*, const wn_call* call, uint64_t bytes, uint64_t align) try {
  return static_cast<CallContext*>(call->ctx)->scratch(bytes, align);
} catch (...) {
  return nullptr;
}

constexpr wn_host_alloc_1 kAlloc{alloc_tensor, release_tensor, scratch};

wn_status noise_normal(const wn_host* host, const wn_call* call, const uint64_t* noise,
                       const uint32_t* position, uint64_t n, wn_tensor* out) try {
  NoiseSource* source = plugin_host(host).services.noise_source();
  if (!source) return WN_E_FAILED_PRECONDITION;
  if (n == 0) return WN_OK;
  const std::uint64_t elements = element_count(*out) / n;
  if (out->strides || out->dtype.code != 2 || out->dtype.bits != 32 || out->device.type != 1 ||
      elements * n != element_count(*out))
    return WN_E_INVALID_ARGUMENT;
  auto* data = reinterpret_cast<float*>(static_cast<char*>(out->data) + out->byte_offset);
  source->normals({noise, n}, {position, n}, {data, elements * n});
  return WN_OK;
} catch (const std::exception& error) {
  if (call && call->errors)
    call->errors->set(call->errors->ctx, WN_E_INTERNAL, error.what(), std::strlen(error.what()));
  return WN_E_INTERNAL;
}

wn_status noise_uniform(const wn_host*, const wn_noise_addr* addr, uint32_t position,
                        uint64_t first, uint64_t n, uint32_t* out) {
  if (!addr || !out || addr->domain > 255 || position >= 1u << 24) return WN_E_INVALID_ARGUMENT;
  fill_uniform({addr->seed, addr->stream, addr->domain}, position, first, {out, n});
  return WN_OK;
}

constexpr wn_host_noise_1 kNoise{noise_normal, noise_uniform};

// Serial on purpose: LibTorch's own threads already use the cores while a plugin computes.
wn_status for_range(const wn_host*, const wn_call*, uint64_t n, uint64_t,
                    void (*body)(void*, uint64_t, uint64_t), void* user) {
  if (!body) return WN_E_INVALID_ARGUMENT;
  if (n) body(user, 0, n);
  return WN_OK;
}

constexpr wn_host_parallel_1 kParallel{for_range};

struct Interface {
  const char* id;
  const void* table;
};
constexpr Interface kInterfaces[] = {{WN_HOST_LOG_1, &kLog},
                                     {WN_HOST_ALLOC_1, &kAlloc},
                                     {WN_HOST_NOISE_1, &kNoise},
                                     {WN_HOST_PARALLEL_1, &kParallel}};

const void* get_interface(const wn_host*, const char* id) {
  for (const Interface& entry : kInterfaces)
    if (id && std::strcmp(id, entry.id) == 0) return entry.table;
  return nullptr;
}

void set_text(std::string& into, const char* text, std::uint64_t size) {
  if (into.size() >= kMaxText) return;
  if (!into.empty()) into += "; ";
  into += clipped(text, size);
}

}  // namespace

std::vector<std::string> HostServices::interfaces() {
  std::vector<std::string> ids;
  for (const Interface& entry : kInterfaces) ids.emplace_back(entry.id);
  return ids;
}

PluginHost::PluginHost(HostServices& run, std::string id, std::uint32_t minor)
    : table{WN_SIZE(wn_host, get_interface), minor, this, get_interface},
      services(run),
      plugin_id(std::move(id)) {}

ErrorSink::ErrorSink()
    : table_{WN_SIZE(wn_errors, set_item), 0, this, ErrorSink::set, ErrorSink::set_item} {}

void ErrorSink::set(void* self, wn_status, const char* text, std::uint64_t size) noexcept try {
  ErrorSink& sink = *static_cast<ErrorSink*>(self);
  const std::lock_guard lock(sink.mutex_);
  set_text(sink.text_, text, size);
} catch (...) {  // no memory for a text: the status remains
}

void ErrorSink::set_item(void* self, std::uint64_t item, wn_status, const char* text,
                         std::uint64_t size) noexcept try {
  ErrorSink& sink = *static_cast<ErrorSink*>(self);
  const std::lock_guard lock(sink.mutex_);
  if (sink.items_.size() < kMaxItems) sink.items_.emplace_back(item, clipped(text, size));
} catch (...) {
}

std::string ErrorSink::item_text(std::uint64_t item) const {
  std::string text;
  for (const auto& [index, words] : items_)
    if (index == item) set_text(text, words.data(), words.size());
  return text;
}

CallContext::CallContext(HostServices& services) : services_(services) {
  table_ = {.struct_size = WN_SIZE(wn_call, memory_budget),
            .flags = 0,
            .ctx = this,
            .errors = errors_.table(),
            .device = {1, 0},
            .stream = nullptr,
            .request_id = 0,
            .should_stop =
                [](const wn_call* call) {
                  return static_cast<CallContext*>(call->ctx)->services_.should_stop();
                },
            .progress = [](const wn_call*, double, double, const char*, uint64_t) {},
            .memory_budget = 0};
}

void* CallContext::scratch(std::uint64_t bytes, std::uint64_t align) {
  if (!std::has_single_bit(align) || bytes > SIZE_MAX - align) return nullptr;
  scratch_.push_back(std::make_unique<char[]>(bytes + align));
  const auto address = reinterpret_cast<std::uintptr_t>(scratch_.back().get());
  return reinterpret_cast<void*>((address + align - 1) / align * align);
}

}  // namespace winnow

// plugin.hpp: what all kinds of plugins share: errors, the exception fence, options, the host's
// services and tensors.
//
// Depends on the standard library and winnow.h only. Everything here is a thin view: it owns
// nothing unless it says so, and it is valid as long as the C object it was made from (winnow.h
// says how long that is).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "winnow/winnow.h"

namespace wn::inline v1_0_rc1 {

inline std::string_view view(const wn_str& text) {
  return text.size == 0 ? std::string_view{} : std::string_view(text.data, text.size);
}

// Throw it from anywhere in a plugin: the call fails with this status and this text. Text: lower
// case, no final stop, what was found and what was expected.
class Error : public std::runtime_error {
 public:
  Error(wn_status status, const std::string& text) : std::runtime_error(text), status_(status) {}
  wn_status status() const noexcept { return status_; }

 private:
  wn_status status_;
};

// ---- the exception fence ----------------------------------------------------------------------

// Puts the reason of a failure into the call's error sink; without a call the text is lost.
inline wn_status report(const wn_call* call, wn_status status, std::string_view text) noexcept {
  if (call && call->errors && call->errors->set)
    call->errors->set(call->errors->ctx, status, text.data(), text.size());
  return status;
}

// Runs body(), which returns void (WN_OK) or a wn_status, and lets no exception pass. Every
// function of every table made by this SDK goes through here. `call` may be null.
template <class Body>
wn_status fence(const wn_call* call, Body&& body) noexcept {
  try {
    if constexpr (std::is_void_v<decltype(body())>) {
      body();
      return WN_OK;
    } else {
      return body();
    }
  } catch (const Error& error) {
    return report(call, error.status() == WN_OK ? WN_E_INTERNAL : error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return report(call, WN_E_RESOURCE_EXHAUSTED, "out of memory");
  } catch (const std::exception& error) {
    return report(call, WN_E_INTERNAL, error.what());
  } catch (...) {
    return report(call, WN_E_INTERNAL, "an exception that is no std::exception");
  }
}

// ---- one call ---------------------------------------------------------------------------------

// The context of one call. Never keep it longer than the call.
class Call {
 public:
  explicit Call(const wn_call* raw) : raw_(raw) {}
  const wn_call* raw() const { return raw_; }
  wn_device device() const { return raw_ ? raw_->device : wn_device{1, 0}; }
  bool on_cpu() const { return device().type == 1; }
  void* stream() const { return raw_ ? raw_->stream : nullptr; }  // cudaStream_t; null on the CPU
  std::uint64_t memory_budget() const { return raw_ ? raw_->memory_budget : 0; }  // 0: not stated

  // Leaves the call by an Error when the host has cancelled it or its time is over. Poll at least
  // every 100 ms; costs nanoseconds. [any-thread, but throws on the caller's]
  void check_stop() const {
    if (!raw_ || !raw_->should_stop) return;
    if (const wn_status status = raw_->should_stop(raw_); status != WN_OK)
      throw Error(status, status == WN_E_DEADLINE ? "the deadline has passed" : "cancelled");
  }
  // `done` of `total` in any unit; `what` names the stage.
  void progress(double done, double total, std::string_view what) const {
    if (raw_ && raw_->progress) raw_->progress(raw_, done, total, what.data(), what.size());
  }

 private:
  const wn_call* raw_;
};

// ---- options ----------------------------------------------------------------------------------

// The plugin's options by key, already checked against the manifest's table with defaults filled
// in. Valid during the constructor of the plugin only; what is returned is a copy. Asking for a
// key or a type that the manifest does not declare is a mistake of the plugin and throws.
class Options {
 public:
  Options(const wn_option* const* items, std::uint64_t n) : items_(items, n) {}

  // False when the manifest gives no default and the user no value.
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool boolean(std::string_view key) const { return get(key, WN_OPT_BOOL, "bool").i != 0; }
  std::int64_t i64(std::string_view key) const { return get(key, WN_OPT_I64, "i64").i; }
  double f64(std::string_view key) const { return get(key, WN_OPT_F64, "f64").f; }
  std::string str(std::string_view key) const {
    return std::string(view(get(key, WN_OPT_STR, "str").s));
  }
  std::filesystem::path path(std::string_view key) const {  // absolute
    return std::filesystem::path(std::string(view(get(key, WN_OPT_PATH, "path").s)));
  }
  std::vector<std::int64_t> i64_list(std::string_view key) const {
    return list<std::int64_t>(get(key, WN_OPT_I64_LIST, "i64[]"));
  }
  std::vector<double> f64_list(std::string_view key) const {
    return list<double>(get(key, WN_OPT_F64_LIST, "f64[]"));
  }
  std::vector<std::string> str_list(std::string_view key) const {
    std::vector<std::string> out;
    for (const wn_str& text : list<wn_str>(get(key, WN_OPT_STR_LIST, "str[]")))
      out.emplace_back(view(text));
    return out;
  }

 private:
  const wn_option* find(std::string_view key) const {
    for (const wn_option* item : items_)
      if (view(item->key) == key) return item;
    return nullptr;
  }
  const wn_option& get(std::string_view key, std::uint32_t type, const char* type_name) const {
    const wn_option* found = find(key);
    if (!found)
      throw Error(WN_E_NOT_FOUND, "option \"" + std::string(key) + "\" has neither value nor " +
                                      "default, or is not declared in the manifest");
    if (found->type != type)
      throw Error(WN_E_INTERNAL, "option \"" + std::string(key) + "\" is not declared as " +
                                     type_name + " in the manifest");
    return *found;
  }
  template <class T>
  static std::vector<T> list(const wn_option& option) {
    const T* first = static_cast<const T*>(option.list);
    return option.list_len == 0 ? std::vector<T>{} : std::vector<T>(first, first + option.list_len);
  }

  std::span<const wn_option* const> items_;
};

// ---- tensors ----------------------------------------------------------------------------------

template <class T>
constexpr wn_dtype dtype_of() {
  using U = std::remove_const_t<T>;
  static_assert(std::is_arithmetic_v<U>);
  const std::uint8_t code = std::is_floating_point_v<U> ? 2 : std::is_signed_v<U> ? 0 : 1;
  return {code, static_cast<std::uint8_t>(8 * sizeof(U)), 1};
}

inline std::string describe(const wn_tensor& tensor) {  // "float32 [2, 1, 28, 28] on the CPU"
  static constexpr const char* kCodes[] = {"int", "uint", "float", "handle", "bfloat"};
  std::string text = tensor.dtype.code < 5 ? kCodes[tensor.dtype.code] : "dtype?";
  text += std::to_string(tensor.dtype.bits) + " [";
  for (std::int32_t d = 0; d < tensor.ndim; ++d)
    text += (d ? ", " : "") + std::to_string(tensor.shape[d]);
  return text + (tensor.device.type == 1 ? "] on the CPU" : "] on a device");
}

inline bool is_compact(const wn_tensor& tensor) {
  if (!tensor.strides) return true;
  std::int64_t expected = 1;
  for (std::int32_t d = tensor.ndim - 1; d >= 0; --d) {
    if (tensor.shape[d] != 1 && tensor.strides[d] != expected) return false;
    expected *= tensor.shape[d];
  }
  return true;
}

// A compact (row-major) tensor in CPU memory as spans of T; T is `const float` where the plugin
// may only read. The first dimension counts the items of a batch.
template <class T>
class Tensor {
 public:
  // Throws INVALID_ARGUMENT when the tensor lies elsewhere, has strides or another element type.
  explicit Tensor(const wn_tensor& raw) : raw_(&raw) {
    const wn_dtype want = dtype_of<T>();
    if (raw.device.type != 1 || raw.dtype.code != want.code || raw.dtype.bits != want.bits ||
        raw.dtype.lanes != 1 || !is_compact(raw))
      throw Error(WN_E_INVALID_ARGUMENT, "found a tensor " + describe(raw) +
                                             ", expected compact elements of another type, on the "
                                             "CPU");
  }
  const wn_tensor& raw() const { return *raw_; }
  std::span<const std::int64_t> shape() const {
    return {raw_->shape, static_cast<std::size_t>(raw_->ndim)};
  }
  std::int64_t dim(std::size_t d) const { return shape()[d]; }
  std::size_t items() const { return raw_->ndim == 0 ? 1 : static_cast<std::size_t>(dim(0)); }
  std::size_t item_size() const {  // elements of one item
    std::size_t n = 1;
    for (std::int32_t d = 1; d < raw_->ndim; ++d) n *= static_cast<std::size_t>(raw_->shape[d]);
    return n;
  }
  std::span<T> values() const {
    return {reinterpret_cast<T*>(static_cast<char*>(raw_->data) + raw_->byte_offset),
            items() * item_size()};
  }
  std::span<T> item(std::size_t i) const { return values().subspan(i * item_size(), item_size()); }

 private:
  const wn_tensor* raw_;
};

// ---- the host's services ----------------------------------------------------------------------

// Copy it freely; valid until the plugin's instance is destroyed. Each service is optional for a
// host: what is missing throws UNIMPLEMENTED (parallel runs on the caller's thread, log is silent).
class Host {
 public:
  explicit Host(const wn_host* raw) : raw_(raw) {}
  const wn_host* raw() const { return raw_; }
  template <class Table>
  const Table* find(const char* id) const {
    return raw_ ? static_cast<const Table*>(raw_->get_interface(raw_, id)) : nullptr;
  }

  void log(std::int32_t severity, std::string_view text) const {
    const auto* table = find<wn_host_log_1>(WN_HOST_LOG_1);
    if (table && table->enabled(raw_, severity))
      table->log(raw_, severity, text.data(), text.size());
  }

  // out[n, ...] float32: item i is noise handle `noise[i]` at `position[i]`. Handles come with a
  // batch and die with it. Works on the device where `out` lies.
  void normal(const Call& call, std::span<const std::uint64_t> noise,
              std::span<const std::uint32_t> position, wn_tensor& out) const {
    if (noise.size() != position.size())
      throw Error(WN_E_INVALID_ARGUMENT, "as many noises as positions are needed");
    check(need<wn_host_noise_1>(WN_HOST_NOISE_1)
              .normal(raw_, call.raw(), noise.data(), position.data(), noise.size(), &out),
          "the host could not make the noise");
  }
  // Uniform words first, first + 1, ... at an address; a domain of 128..255 is the plugin's own.
  void uniform_u32(const wn_noise_addr& addr, std::uint32_t position, std::uint64_t first,
                   std::span<std::uint32_t> out) const {
    check(need<wn_host_noise_1>(WN_HOST_NOISE_1)
              .uniform_u32(raw_, &addr, position, first, out.size(), out.data()),
          "the host could not make the random words");
  }

  // body(begin, end) for disjoint ranges that cover [0, n). An exception of body is rethrown here
  // as INTERNAL after all ranges are done.
  template <class Body>
  void parallel(const Call& call, std::uint64_t n, std::uint64_t grain, Body&& body) const {
    const auto* table = find<wn_host_parallel_1>(WN_HOST_PARALLEL_1);
    if (!table) {
      if (n > 0) body(std::uint64_t{0}, n);
      return;
    }
    using Plain = std::remove_reference_t<Body>;
    struct Shared {
      Plain* body;
      bool failed;
    } shared{std::addressof(body), false};
    check(table->for_range(
              raw_, call.raw(), n, grain,
              [](void* user, std::uint64_t begin, std::uint64_t end) noexcept {
                auto& mine = *static_cast<Shared*>(user);
                try {
                  (*mine.body)(begin, end);
                } catch (...) {
                  __atomic_store_n(&mine.failed, true, __ATOMIC_RELAXED);
                }
              },
              &shared),
          "the host could not run a parallel loop");
    if (shared.failed) throw Error(WN_E_INTERNAL, "a parallel loop of the plugin failed");
  }

  struct Release {
    const wn_host* host;
    const wn_host_alloc_1* table;
    void operator()(wn_tensor* tensor) const { table->release(host, tensor); }
  };
  using OwnedTensor = std::unique_ptr<wn_tensor, Release>;
  // Host memory that may outlive the call: compact, like `prototype`, contents unset. Owned by the
  // caller.
  OwnedTensor tensor(const Call& call, const wn_tensor& prototype) const {
    const auto& table = need<wn_host_alloc_1>(WN_HOST_ALLOC_1);
    wn_tensor* out = nullptr;
    check(table.tensor(raw_, call.raw(), &prototype, &out), "the host has no memory for a tensor");
    return OwnedTensor(out, Release{raw_, &table});
  }

 private:
  template <class Table>
  const Table& need(const char* id) const {
    const auto* table = find<Table>(id);
    if (!table) throw Error(WN_E_UNIMPLEMENTED, std::string("the host does not offer ") + id);
    return *table;
  }
  static void check(wn_status status, const char* text) {
    if (status != WN_OK) throw Error(status, text);
  }

  const wn_host* raw_;
};

// ---- for the tables of this SDK ---------------------------------------------------------------

namespace detail {

// What the host's opaque wn_instance is: the author's object and the host that made it.
template <class T>
struct Box {
  Host host;
  T object;
};
template <class T>
Box<T>& box(wn_instance* instance) {
  return *reinterpret_cast<Box<T>*>(instance);
}
template <class T>
T& self(wn_instance* instance) {
  return box<T>(instance).object;
}

// Fills a growable struct that the host made: only the fields the host knows, never its size.
template <class T>
void fill_growable(T* out, const T& mine) {
  const std::size_t size = std::min<std::size_t>(out->struct_size, sizeof(T));
  if (size <= sizeof(out->struct_size)) return;
  std::memcpy(reinterpret_cast<char*>(out) + sizeof(out->struct_size),
              reinterpret_cast<const char*>(&mine) + sizeof(out->struct_size),
              size - sizeof(out->struct_size));
}

}  // namespace detail
}  // namespace wn::inline v1_0_rc1

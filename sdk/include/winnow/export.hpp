// export.hpp: the descriptor of each plugin class and the one exported symbol.
//
// In one source file of the package, outside every namespace:
//
//   WN_EXPORT_PLUGINS(Brightness, Contrast)
//
// Each class names itself by `static constexpr const char* kId` and, if the manifest declares
// options, `static constexpr const char* kOptions = WINNOW_OPTIONS_<ID>;` (the id in upper case,
// every other character _). Both kOptions and WINNOW_PACKAGE_VERSION come from winnow_manifest.h,
// which winnow_add_plugin() generates from winnow-plugin.toml; it is included here. The kind
// follows from the members: score() makes a verifier, step() and leg() a sampler, the base
// wn::Search a search. A class is built from the first of these that fits:
//   (const wn::Host&, const wn::Options&, const wn::Call&)   (const wn::Host&, const wn::Options&)
//   (const wn::Options&)   ()
#pragma once

#include <array>

#include "winnow/sampler.hpp"
#include "winnow/search.hpp"
#include "winnow/verifier.hpp"
#if __has_include("winnow_manifest.h")
#include "winnow_manifest.h"
#endif

namespace wn::inline v1_0_rc1::detail {

template <class T>
consteval const char* kind_of() {
  static_assert(std::derived_from<T, Search> + Verifier<T> + Sampler<T> == 1,
                "a plugin class is a wn::Search, or has score(batch, scores), or has all the "
                "functions of a sampler, and only one of these: see search.hpp, verifier.hpp, "
                "sampler.hpp for the exact signatures");
  return std::derived_from<T, Search> ? "search" : Verifier<T> ? "verifier" : "sampler";
}

template <class T>
const char* options_of() {
  if constexpr (requires { T::kOptions; })
    return T::kOptions;
  else
    return nullptr;
}

template <class T>
Box<T>* make(const Host& host, const Options& options, const Call& call) {
  if constexpr (std::constructible_from<T, const Host&, const Options&, const Call&>)
    return new Box<T>{host, T(host, options, call)};
  else if constexpr (std::constructible_from<T, const Host&, const Options&>)
    return new Box<T>{host, T(host, options)};
  else if constexpr (std::constructible_from<T, const Options&>)
    return new Box<T>{host, T(options)};
  else
    return new Box<T>{host, T()};
}

template <class T>
concept HasState = requires(T& t, std::string_view bytes) {
  { t.save() } -> std::convertible_to<std::string>;
  t.load(bytes);
};

template <class T>
struct StateTable {
  static constexpr wn_state_1 kState = {
      [](wn_instance* instance, const wn_call* call, const wn_sink* sink) noexcept -> wn_status {
        return fence(call, [&] {
          const std::string bytes = self<T>(instance).save();
          for (std::size_t done = 0; done < bytes.size();) {
            const auto taken = sink->write(sink->ctx, bytes.data() + done, bytes.size() - done);
            if (taken <= 0) throw Error(WN_E_INTERNAL, "the host took no more of the state");
            done += static_cast<std::size_t>(taken);
          }
        });
      },
      [](wn_instance* instance, const wn_call* call,
         const wn_source* source) noexcept -> wn_status {
        return fence(call, [&] {
          std::string bytes;
          for (char part[4096];;) {
            const auto given = source->read(source->ctx, part, sizeof part);
            if (given < 0) throw Error(WN_E_INTERNAL, "the host could not read the state");
            if (given == 0) break;
            bytes.append(part, static_cast<std::size_t>(given));
          }
          self<T>(instance).load(bytes);
        });
      }};
};

template <class T>
const void* find_interface(const char* id) noexcept {
  if constexpr (HasState<T>)
    if (std::string_view(id) == WN_STATE_1) return &StateTable<T>::kState;
  if constexpr (std::derived_from<T, Search>)
    return SearchTables<T>::find(id);
  else if constexpr (Verifier<T>)
    return VerifierTables<T>::find(id);
  else
    return SamplerTables<T>::find(id);
}

template <class T>
wn_plugin_1 descriptor(const char* version) {
  return {T::kId,
          kind_of<T>(),
          version,
          options_of<T>(),
          [](const wn_host* host, const wn_option* const* options, std::uint64_t n,
             const wn_call* call, wn_instance** out) noexcept -> wn_status {
            return fence(call, [&] {
              *out = reinterpret_cast<wn_instance*>(
                  make<T>(Host(host), Options(options, n), Call(call)));
            });
          },
          [](wn_instance* instance) noexcept {
            if constexpr (std::derived_from<T, Search>) SearchAccess::stop(self<T>(instance));
            delete &box<T>(instance);
          },
          [](const char* id) noexcept { return find_interface<T>(id); }};
}

// The handshake. The plugin needs a host that knows WN_TARGET_MINOR, which is 0 unless defined
// before the first include.
template <class... Types>
wn_status negotiate(const wn_loader* in, wn_library* out, const char* version) noexcept {
  return fence(nullptr, [&]() -> wn_status {
    if (const wn_status status = wn_negotiate(in, out, WN_TARGET_MINOR); status != WN_OK)
      return status;
    static const std::array<wn_plugin_1, sizeof...(Types)> plugins = {
        descriptor<Types>(version)...};
    static const auto list = [] {
      std::array<const wn_plugin_1*, sizeof...(Types)> pointers{};
      for (std::size_t i = 0; i < pointers.size(); ++i) pointers[i] = &plugins[i];
      return pointers;
    }();
    out->n_plugins = static_cast<std::uint32_t>(list.size());
    out->plugins = list.data();
    return WN_OK;
  });
}

}  // namespace wn::inline v1_0_rc1::detail

#define WN_EXPORT_PLUGINS(...)                                                       \
  extern "C" WN_EXPORT wn_status WN_CALL wn_plugin_negotiate_v1(const wn_loader* in, \
                                                                wn_library* out) {   \
    return wn::detail::negotiate<__VA_ARGS__>(in, out, WINNOW_PACKAGE_VERSION);      \
  }

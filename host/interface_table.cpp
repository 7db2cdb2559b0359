// interface_table.cpp: see interface_table.hpp.
#include "host/interface_table.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstring>

#include "host/error.hpp"

namespace winnow {
namespace {

// Tables are frozen, and nothing but functions.
template <typename Table>
constexpr std::size_t kFunctions = sizeof(Table) / sizeof(void*);
struct Known {
  const char* interface;
  std::size_t functions;
};
constexpr Known kKnown[] = {{WN_SAMPLER_1, kFunctions<wn_sampler_1>},
                            {WN_SAMPLER_RENOISE_1, kFunctions<wn_sampler_renoise_1>},
                            {WN_SAMPLER_VJP_1, kFunctions<wn_sampler_vjp_1>},
                            {WN_VERIFIER_1, kFunctions<wn_verifier_1>},
                            {WN_VERIFIER_GRAD_1, kFunctions<wn_verifier_grad_1>},
                            {WN_VERIFIER_SET_1, kFunctions<wn_verifier_set_1>},
                            {WN_VERIFIER_FEATURES_1, kFunctions<wn_verifier_features_1>},
                            {WN_SEARCH_1, kFunctions<wn_search_1>}};

}  // namespace

const void* complete_interface(const wn_plugin_1& plugin, const char* name) {
  const void* table = plugin.get_interface(name);
  for (const Known& known : kKnown) {
    if (!table || std::strcmp(known.interface, name) != 0) continue;
    for (std::size_t i = 0; i < known.functions; ++i) {
      void* function;
      std::memcpy(&function, static_cast<const char*>(table) + i * sizeof function,
                  sizeof function);
      if (!function)
        throw Error(Exit::kPlugin,
                    fmt::format("{}: function {} of its {} is NULL", plugin.id, i, name));
    }
  }
  return table;
}

}  // namespace winnow

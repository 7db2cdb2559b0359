// plugin_code.hpp: the functions of one plugin, wherever they run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "host/plugin_library.hpp"
#include "host/tensor.hpp"

namespace winnow {

// What wn_plugin_1 is for code in this process; its functions have no context, so code elsewhere
// needs this. Calls as winnow.h says; functions here and in the tables may throw Error as well.
class PluginCode {
 public:
  virtual ~PluginCode() = default;
  virtual std::uint32_t minor() const = 0;  // negotiated
  virtual wn_status create(const wn_host* host, std::span<const wn_option* const> options,
                           const wn_call* call, wn_instance** out) = 0;
  virtual void destroy(wn_instance* instance) = 0;
  // After create(): exactly the interfaces that the plugin offers.
  virtual const void* interface(const char* name) const = 0;
  // After create(): where the tensors of batches should lie so that they need not be copied. Null:
  // anywhere.
  virtual std::shared_ptr<TensorMemory> memory() const { return nullptr; }
  // After create(): while on, calls are only tried. A process that dies of one costs no restart,
  // and the call is not repeated: it throws Error.
  virtual void set_trial(bool) {}
};

// The plugin `id` of a library of this process. Throws as PluginLibrary::plugin does.
std::shared_ptr<PluginCode> code_of(std::shared_ptr<PluginLibrary> library, const std::string& id);

}  // namespace winnow

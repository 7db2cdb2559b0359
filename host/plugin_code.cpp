// plugin_code.cpp: the code of this process.
#include "host/plugin_code.hpp"

#include "host/interface_table.hpp"

namespace winnow {
namespace {

class OwnCode final : public PluginCode {
 public:
  OwnCode(std::shared_ptr<PluginLibrary> library, const std::string& id)
      : library_(std::move(library)), plugin_(library_->plugin(id)) {}

  std::uint32_t minor() const override { return library_->minor(); }
  wn_status create(const wn_host* host, std::span<const wn_option* const> options,
                   const wn_call* call, wn_instance** out) override {
    return plugin_.create(host, options.data(), options.size(), call, out);
  }
  void destroy(wn_instance* instance) override { plugin_.destroy(instance); }
  const void* interface(const char* name) const override {
    return complete_interface(plugin_, name);
  }

 private:
  std::shared_ptr<PluginLibrary> library_;
  const wn_plugin_1& plugin_;
};

}  // namespace

std::shared_ptr<PluginCode> code_of(std::shared_ptr<PluginLibrary> library, const std::string& id) {
  return std::make_shared<OwnCode>(std::move(library), id);
}

}  // namespace winnow

// isolated_code.cpp: see isolated_code.hpp.
#include "host/isolation/isolated_code.hpp"

#include <algorithm>

#include "host/isolation/proxy.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> paths_among(std::span<const wn_option* const> options) {
  std::vector<fs::path> paths;
  for (const wn_option* option : options)
    if (option->type == WN_OPT_PATH && option->s.size)
      paths.emplace_back(std::string(option->s.data, option->s.size));
  std::sort(paths.begin(), paths.end());
  return paths;
}

class IsolatedCode final : public PluginCode {
 public:
  IsolatedCode(const FoundPlugin& found, const Isolation& isolation, ProcessPool& pool)
      : found_(found), isolation_(isolation), pool_(pool) {}

  std::uint32_t minor() const override { return WN_ABI_MINOR; }

  wn_status create(const wn_host* host, std::span<const wn_option* const> options,
                   const wn_call* call, wn_instance** out) override {
    process_ = pool_.process(found_, paths_among(options), isolation_);
    Writer writer;
    write_options(writer, options);
    const auto make = kind() == PluginKind::kSampler    ? make_sampler_proxy
                      : kind() == PluginKind::kVerifier ? make_verifier_proxy
                                                        : make_search_proxy;
    auto proxy = make(process_, host, writer.bytes());
    const Reply reply = proxy->create(call);
    forward(reply, call);
    if (reply.status == WN_OK) *out = proxy.release()->handle();
    return reply.status;
  }

  void destroy(wn_instance* instance) override { delete &Proxy::of(instance); }

  const void* interface(const char* name) const override {
    if (!process_->offers(name)) return nullptr;
    return kind() == PluginKind::kSampler    ? proxied_sampler_table(name)
           : kind() == PluginKind::kVerifier ? proxied_verifier_table(name)
                                             : proxied_search_table(name);
  }

  // Verifiers only read; the kernel sees to it. Samplers write in place.
  std::shared_ptr<TensorMemory> memory() const override {
    return kind() == PluginKind::kVerifier ? process_->inputs() : process_->exchange();
  }

  void set_trial(bool on) override { process_->set_trial(on); }

 private:
  PluginKind kind() const { return found_.plugin().kind; }

  FoundPlugin found_;
  Isolation isolation_;
  ProcessPool& pool_;
  std::shared_ptr<PluginProcess> process_;
};

}  // namespace

std::shared_ptr<PluginProcess> ProcessPool::process(const FoundPlugin& found,
                                                    const std::vector<fs::path>& options,
                                                    const Isolation& isolation) {
  if (isolation.mode == Isolate::kInstance)
    return std::make_shared<PluginProcess>(found, options, isolation);
  std::string key = found.plugin().id;
  for (const fs::path& path : options) key += '\n' + path.string();
  auto& process = shared_[key];
  if (!process) process = std::make_shared<PluginProcess>(found, options, isolation);
  return process;
}

std::shared_ptr<PluginCode> isolated_code(const FoundPlugin& found, const Isolation& isolation,
                                          ProcessPool& pool) {
  return std::make_shared<IsolatedCode>(found, isolation, pool);
}

}  // namespace winnow

// proxy.hpp: an instance that lives in another process: to the guard a wn_instance like any other.
#pragma once

#include <memory>
#include <string>

#include "host/isolation/process.hpp"

namespace winnow {

// What wn_instance* of an isolated plugin points to. A kind's proxy adds what must be remembered
// so that a fresh process can be brought to the same state.
class Proxy {
 public:
  Proxy(std::shared_ptr<PluginProcess> process, const wn_host* host, std::string options)
      : process_(std::move(process)), host_(host), options_(std::move(options)) {}
  virtual ~Proxy();
  Proxy(const Proxy&) = delete;

  PluginProcess& process() const { return *process_; }
  const wn_host* host() const { return host_; }
  wn_instance* handle() { return reinterpret_cast<wn_instance*>(this); }
  static Proxy& of(wn_instance* instance) { return *reinterpret_cast<Proxy*>(instance); }

  // Makes the instance; what create() said.
  Reply create(const wn_call* call);
  // One call. In a process that was started since the last one, the instance is made again first.
  // Throws Died.
  Reply once(Message message, std::string_view payload, const wn_call* call,
             const Answers& answers = {}, const Take& take = {});
  // The same, and a second time when the process dies. Throws Error(Exit::kPlugin) when it dies
  // again.
  Reply twice(Message message, std::string_view payload, const wn_call* call,
              const Take& take = {});
  // For functions that have no wn_call: they are stopped with the run.
  Reply twice(Message message, std::string_view payload, const Take& take = {});
  [[noreturn]] void give_up(const Died& death) const;

 protected:
  // Brings a new instance to the state of the old one: the first reply that is not what it was
  // then, with a text, else WN_OK. May throw Died.
  virtual Reply restore(const wn_call* /*call*/) { return {}; }

 private:
  Reply make(const wn_call* call);

  std::shared_ptr<PluginProcess> process_;
  const wn_host* host_;
  std::string options_;
  std::uint64_t generation_ = 0, number_ = 0;  // 0: there is none in this process
};

std::unique_ptr<Proxy> make_sampler_proxy(std::shared_ptr<PluginProcess> process,
                                          const wn_host* host, std::string options);
std::unique_ptr<Proxy> make_verifier_proxy(std::shared_ptr<PluginProcess> process,
                                           const wn_host* host, std::string options);
std::unique_ptr<Proxy> make_search_proxy(std::shared_ptr<PluginProcess> process,
                                         const wn_host* host, std::string options);

// The tables over proxies by interface id; null: not one that can be proxied.
const void* proxied_sampler_table(std::string_view interface);
const void* proxied_verifier_table(std::string_view interface);
const void* proxied_search_table(std::string_view interface);

}  // namespace winnow

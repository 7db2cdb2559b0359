// process.hpp: a plugin's process as the host uses it: starts it, calls it, notices its death,
// starts it again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "host/isolation/arena.hpp"
#include "host/isolation/channel.hpp"
#include "host/isolation/child.hpp"
#include "host/isolation/fence.hpp"
#include "host/isolation/isolation.hpp"
#include "host/isolation/messages.hpp"
#include "host/registry.hpp"

namespace winnow {

// A call brought no result: "killed by SIGSEGV in score".
struct Died {
  std::string how;
};

// Answers what a plugin asks for during its call.
using Answers = std::function<std::string(Message, Reader&)>;
// Takes the results of a call that was WN_OK.
using Take = std::function<void(Reader&)>;

// Not thread-safe.
class PluginProcess {
 public:
  // Starts nothing yet. `options`: the paths among the options of its instances.
  PluginProcess(const FoundPlugin& found, const std::vector<std::filesystem::path>& options,
                const Isolation& isolation);
  ~PluginProcess();  // lets it end
  PluginProcess(const PluginProcess&) = delete;

  const std::string& id() const { return id_; }
  std::uint64_t memory() const { return fence_.memory; }            // bytes that it may allocate
  const std::shared_ptr<Arena>& inputs() const { return inputs_; }  // the plugin may read them
  const std::shared_ptr<Arena>& exchange() const { return exchange_; }  // and write here

  // Starts it when it does not run. Throws Error(Exit::kPlugin) when the plugin does not load, Died
  // when it dies of that. Not WN_OK: `call`, which may be null, was asked to stop before.
  Reply run(const wn_call* call);
  // Counts the starts: what was made in one run is gone in the next.
  std::uint64_t generation() const { return generation_; }
  bool runs() const { return child_ != nullptr; }
  bool offers(const std::string& interface) const;
  std::uint64_t next_instance() { return ++instances_; }

  // One call and all that it asks for. `call` may be null; its should_stop is passed on. Throws
  // Died when the process ended, sent nonsense, or was not done in time; when `take` throws
  // Malformed, too.
  Reply call(Message message, std::string_view payload, const wn_call* call, const Answers& answers,
             const Take& take = {});
  void kill();

  // Before something is done again because of a death. Throws Error(Exit::kPlugin) when that
  // happened too often.
  void spend_restart(const std::string& how);
  void set_trial(bool on) { trial_ = on; }  // while on, spend_restart() throws and counts nothing
  std::string restarts_text() const;        // "2 of 3 restarts left"

 private:
  class Call;
  void start();
  Reply load(const wn_call* call);
  void log(Reader& reader);
  [[noreturn]] void died(Message message, const std::string& how);

  FoundPlugin found_;
  std::string id_;
  Isolation isolation_;
  Fence fence_;
  std::shared_ptr<Arena> inputs_, exchange_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<Channel> channel_;
  std::vector<std::string> interfaces_;
  std::uint64_t generation_ = 0, instances_ = 0, logged_ = 0;
  std::uint32_t restarts_left_;
  bool trial_ = false;
};

}  // namespace winnow

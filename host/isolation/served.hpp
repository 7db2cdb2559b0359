// served.hpp: one instance in a plugin's process, and the calls into its tables; for server*.cpp.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/isolation/peer.hpp"

namespace winnow {

// Conditions by their bytes, so that a condition keeps its address as long as winnow.h promises,
// and longer; a plugin may remember what it made of one.
class ConditionStore {
 public:
  std::vector<const wn_condition*> rows(Reader& reader);

 private:
  std::map<std::string, OwnedCondition, std::less<>> known_;
  std::uint64_t bytes_ = 0;
};

struct Served {
  explicit Served(const wn_plugin_1& code) : plugin(code) {}
  ~Served() {
    if (instance) plugin.destroy(instance);
  }
  Served(const Served&) = delete;

  template <typename Table>
  const Table* table(const char* interface) const {
    const auto* found = static_cast<const Table*>(plugin.get_interface(interface));
    if (!found) throw Malformed();  // the host never asks for what was not offered
    return found;
  }

  const wn_plugin_1& plugin;
  std::unique_ptr<PluginHost> host;
  wn_instance* instance = nullptr;
  std::unique_ptr<OwnedProblem> problem;
};

struct ServedCall {
  Message message;
  Reader& reader;
  const wn_call* call;
  Writer results;
};

// Each calls one function of the instance's tables. Throw Malformed.
wn_status call_sampler(Served& served, ServedCall& call, const Peer& peer,
                       ConditionStore& conditions);
wn_status call_verifier(Served& served, ServedCall& call, const Peer& peer,
                        ConditionStore& conditions);
wn_status call_search(Served& served, ServedCall& call, Peer& peer);

}  // namespace winnow

// isolation.hpp: what a config says about plugins in processes of their own.
#pragma once

#include <cstdint>

namespace winnow {

enum class Isolate {
  kDefault,   // kNone for the packages that came with this host, kPlugin for all others
  kNone,      // in the host's process
  kPlugin,    // one process for all instances of a plugin that may read the same files
  kInstance,  // a process for each instance
};

struct Isolation {
  Isolate mode = Isolate::kDefault;  // of plugins that do not say their own
  double call_timeout = 300;         // seconds of one call; 0: no limit
  std::uint64_t memory = 0;          // bytes that a process may allocate; 0: 3/4 of the machine's
  std::uint32_t restarts = 3;        // after a process died, before its plugin is given up
  bool attach = false;               // each process waits for a debugger before it loads
};

}  // namespace winnow

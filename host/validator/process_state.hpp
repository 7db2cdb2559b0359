// process_state.hpp: what a plugin must leave as it found it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace winnow::validator {

struct ProcessState {
  // By name: "locale", "rounding mode", "signal SIGINT" ...; of the calling thread where threads
  // have their own.
  std::map<std::string, std::string> parts;
  std::map<std::string, std::string> environment;
  std::map<int, std::string> files;  // open descriptors, and what they lead to
};

ProcessState process_state();

// "the locale was 'C' and is 'de_DE.UTF-8'", ...; empty: nothing changed.
std::vector<std::string> changes(const ProcessState& before, const ProcessState& after);

// Threads of this process.
std::size_t thread_count();
// After what may still be ending had a second for it, unless it is at most `expected` before.
std::size_t settled_thread_count(std::size_t expected);

// In bytes: what malloc gave out, and what the process occupies.
struct Memory {
  std::uint64_t heap = 0, resident = 0;
};
Memory memory_now();

}  // namespace winnow::validator

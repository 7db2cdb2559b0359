// error.hpp: the one exception of the host, and the exit codes of its programs.
#pragma once

#include <stdexcept>
#include <string>

namespace winnow {

// Process exit codes; documented in docs/configuration.md. The values are part of the command
// line's contract.
enum class Exit : int {
  kDone = 0,
  kUsage = 2,       // command line or config
  kPlugin = 3,      // a plugin could not be loaded, or broke its contract
  kCandidates = 4,  // every candidate of a task failed
  kJournal = 5,     // journal damaged or locked
  kResources = 6,   // disk or memory
  kInternal = 70,
  kCheckpointed = 75,  // stopped by SIGTERM after a checkpoint
  kInterrupted = 130,  // stopped by SIGINT
};

// `what()` says what was found, what was expected and where: lower case, no final stop.
class Error : public std::runtime_error {
 public:
  Error(Exit exit, const std::string& message) : std::runtime_error(message), exit_(exit) {}
  Exit exit() const { return exit_; }

 private:
  Exit exit_;
};

}  // namespace winnow

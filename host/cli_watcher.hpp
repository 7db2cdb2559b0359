// cli_watcher.hpp: what the verbs that run for hours do at every turn: draw, and answer signals.
#pragma once

#include "host/cli.hpp"
#include "host/progress.hpp"

namespace winnow {

// "Ctrl-C", "SIGTERM" ...
const char* signal_name(int number);

// Draws, and says once that a signal was understood. Borrows both.
class Watcher {
 public:
  Watcher(const StopSignals& signals, ProgressPrinter& progress)
      : signals_(signals), progress_(progress) {}

  int signal() const { return signals_.signal ? signals_.signal->load() : 0; }
  void operator()(const Progress& now);

 private:
  const StopSignals& signals_;
  ProgressPrinter& progress_;
  bool said_ = false;
};

}  // namespace winnow

// cli.hpp: the command line of winnow: verbs and flags in, results on stdout, messages on stderr,
// an exit code out.
#pragma once

#include <atomic>
#include <ostream>
#include <string>
#include <vector>

#include "winnow/winnow.h"

namespace winnow {

// How a program that runs for hours is asked to stop. All of it is the caller's and outlives the
// call.
struct StopSignals {
  void (*install)() =
      nullptr;  // from here on signals set the two below; called by `run` and `study` only
  const std::atomic<wn_status>* stop = nullptr;  // WN_E_CANCELLED once a signal came
  const std::atomic<int>* signal = nullptr;      // its number
};

// Runs one command; `arguments` without the program's name. Results go to `out`, everything else to
// `err` (the process's stderr, whose terminal decides about colours and the progress line). Under
// --json exactly one object goes to `out`, also for errors. Returns the exit code (host/error.hpp);
// throws nothing.
int run_cli(const std::vector<std::string>& arguments, const StopSignals& signals,
            std::ostream& out, std::ostream& err);

}  // namespace winnow

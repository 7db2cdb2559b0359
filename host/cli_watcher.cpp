// cli_watcher.cpp: see cli_watcher.hpp.
#include "host/cli_watcher.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>

namespace winnow {

const char* signal_name(int number) {
  switch (number) {
    case SIGINT:
      return "Ctrl-C";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "SIGUSR1";
  }
}

void Watcher::operator()(const Progress& now) {
  progress_.show(now);
  if (said_ || signal() == 0) return;
  said_ = true;
  spdlog::info("{}: stopping after the work in flight{}", signal_name(signal()),
               signal() == SIGINT ? "; Ctrl-C again ends at once" : "");
}

}  // namespace winnow

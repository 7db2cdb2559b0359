// main.cpp: the program winnow: signals become a flag, the library does the rest.
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <climits>
#include <iostream>

#include "host/cli.hpp"

namespace {

std::atomic<wn_status> stop{WN_OK};
std::atomic<int> first_signal{0};
static_assert(std::atomic<wn_status>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// The second Ctrl-C ends at once: the journal survives anything.
extern "C" void on_signal(int number) {
  int none = 0;
  const bool first = first_signal.compare_exchange_strong(none, number);
  if (!first && number == SIGINT && none == SIGINT) _exit(130);
  stop.store(WN_E_CANCELLED);
}

void install() {
  for (int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    struct sigaction action {};
    // What the parent ignores (nohup, a shell's background job) stays ignored.
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
}

// A network makes the same few tensors of some MiB over and over. Given back to the system each
// time, clearing their pages anew takes up to a fifth of a run's time.
void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // glibc's largest
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  // LibTorch's threads spin while they wait for each other; with anything else running on the
  // machine that makes a run many times slower. libgomp reads this when the first plugin brings it
  // in.
  setenv("OMP_WAIT_POLICY", "PASSIVE", /*overwrite=*/0);
  keep_memory();
  // A reader that went away must not end a run of hours.
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error like a full disk, not the end
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return winnow::run_cli(arguments, {install, &stop, &first_signal}, std::cout, std::cerr);
}

// plugin_host.cpp: the program in which a plugin runs that may not be in the host's process. The
// host starts it; people do not.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "host/isolation/child.hpp"
#include "host/isolation/server.hpp"

#if defined(__SANITIZE_ADDRESS__)
// A plugin's death is the host's to tell, and the fence stands in the way of the leak detector.
// Visible, or the sanitizer's library would not find it.
extern "C" [[gnu::visibility("default")]] const char* __asan_default_options() {
  return "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0";
}
#endif

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("winnow-plugin-host is started by winnow, for one plugin\n", stderr);
    return 2;
  }
  // What the host holds open is no business of a plugin's.
  ::syscall(SYS_close_range, winnow::kExchangeFile + 1, ~0u, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != std::atoi(argv[1])) return 0;  // it died before
  try {
    winnow::Peer peer(winnow::kSocketFile, winnow::kInputsFile, winnow::kExchangeFile);
    winnow::serve(peer);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}

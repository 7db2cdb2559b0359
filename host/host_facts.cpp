// host_facts.cpp: what this host is to plugins; see registry.hpp. A file of its own, so that a test
// can be a host of the next minor.
#include "host/host_services.hpp"
#include "host/registry.hpp"
#include "winnow/winnow.h"

namespace winnow {

HostFacts host_facts() {
  return {WN_ABI_MAJOR, 0, WN_ABI_MINOR, HostServices::interfaces(), WINNOW_LIBTORCH_VERSION};
}

}  // namespace winnow

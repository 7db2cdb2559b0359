// server.hpp: the plugin's side: loads one package and calls its tables as the host asks.
#pragma once

#include "host/isolation/peer.hpp"

namespace winnow {

// Until the host is gone; then the instances that are left are destroyed and the library shut
// down.
void serve(Peer& peer);

}  // namespace winnow

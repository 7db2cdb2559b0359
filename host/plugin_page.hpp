// plugin_page.hpp: a page of Markdown about one plugin, for its README.
#pragma once

#include <string>

#include "host/registry.hpp"

namespace winnow {

// What it is, how a config names it, its options, what it claims and needs; all of it from the
// manifest.
std::string plugin_page(const FoundPlugin& found);

}  // namespace winnow

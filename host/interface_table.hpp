// interface_table.hpp: a plugin's tables, checked before they are called.
#pragma once

#include "winnow/winnow.h"

namespace winnow {

// The plugin's table, or null. Throws Error(Exit::kPlugin) for one in which a function is NULL.
const void* complete_interface(const wn_plugin_1& plugin, const char* name);

}  // namespace winnow

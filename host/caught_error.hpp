// caught_error.hpp: whatever was thrown, as one sentence and a documented exit code.
#pragma once

#include "host/error.hpp"

namespace winnow {

// The exception that is being handled; call it in a catch block.
Error caught_error();

}  // namespace winnow

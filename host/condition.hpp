// condition.hpp: what one task asks for, as plugins see it.
#pragma once

#include <cstdint>
#include <string>

#include "host/config.hpp"
#include "host/tensor.hpp"
#include "winnow/winnow.h"

namespace winnow {

// What one task asks for, with the memory that wn_condition points to. Immovable.
struct Condition {
  Condition(const TaskSpec& spec, std::uint64_t task);
  Condition(const Condition&) = delete;
  std::string prompt;
  Tensor image;  // [C,H,W] in [0,1]
  wn_tensor image_view{};
  wn_named_tensor named{};
  wn_condition table{};
};

}  // namespace winnow

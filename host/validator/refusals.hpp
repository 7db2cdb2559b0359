// refusals.hpp: what is said of a verifier that takes no picture at all.
#pragma once

#include <string>
#include <vector>

namespace winnow::validator {

struct Refusal {
  std::string shape, prompt;  // "3x32x32"; "": none
  std::string text;           // why not
};

// The reason, when it is always the same; else the first line of each, and of which pictures it was
// given. At least one refusal, one for each of some shapes and prompts.
std::string refusals_text(const std::vector<Refusal>& refusals);

}  // namespace winnow::validator

// English for requests, both ways: a text for a request in one of several phrasings, and the
// request that a text makes.
//
//   text       = [background ","] [intro] clause [background]
//   intro      = ("a" | "an") ("picture" | "image" | "drawing" | "scene") ("of" | "with")
//              | "there" ("is" | "are") | "we see"
//   clause     = things {[","] ["and"] things}
//              | things ["is" | "are"] relation things {"and" ["is" | "are"] relation things}
//   things     = number {look ["and"]} noun ["that" ("is" | "are") look {"and" look}]
//   number     = "a" | "an" | "the" | "one" | "two" | "three" | "four"
//   look       = colour | texture
//   noun       = shape | "object" | "shape", or its plural
//   relation   = "left of" | "to the left of" | "above" | "over" | ... (words_of)
//   background = ("on" | "against") "a" ("black" | "gray" | "white") "background"
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scenes/random_stream.hpp"
#include "scenes/scene.hpp"

namespace winnow::scenes {

// A text that makes this request, in a phrasing drawn at random. Links must all go out from one
// group to the groups after it, in order, as drawn requests have them.
std::string describe(const Request& request, RandomStream& random);

// The request of a text in the grammar above; capitals, commas and full stops do not matter. Throws
// std::runtime_error naming the word that does not fit and what was expected there.
Request understand(std::string_view text);

// Every word of the grammar, sorted: the closed vocabulary of the text encoders.
std::vector<std::string> vocabulary();

}  // namespace winnow::scenes

// Draws requests and scenes at random. A request is drawn first, then a scene that fulfils it.
#pragma once

#include <string>
#include <vector>

#include "scenes/random_stream.hpp"
#include "scenes/scene.hpp"

namespace winnow::scenes {

// What a request tries, after the six of T2I-CompBench (Huang et al., 2023, arXiv:2307.06350).
enum class Category : uint8_t { kColour, kShape, kTexture, kSpatial, kNumeracy, kComplex };
inline constexpr int kCategories = 6;
const std::string& name_of(Category category);

// colour     2 or 3 objects, each with a colour of its own
// shape      2 or 3 objects, each with a shape of its own, of one colour or of any
// texture    2 objects, each with a texture of its own, half of them with colours
// spatial    2 objects with colours, one relation
// numeracy   2 to 4 objects in one group, or 3 or 4 in two
// complex    2 or 3 objects with colours, some with textures, relations and a background
Request draw_request(Category category, RandomStream& random);

// One object, described by some of its attributes: what a text-to-image model learns words from.
Request draw_single(RandomStream& random);

// kFree   anywhere, with radii from 4 pixels to what fits: what judges learn to see
// kGrid   the centres on a grid of 3 x 3, every radius 4: what a small sampler learns in hours
enum class Layout : uint8_t { kFree, kGrid };

// A scene with what the request asks for and nothing else; what it leaves open is drawn.
// Throws std::runtime_error when its links contradict each other.
Scene draw_scene(const Request& request, RandomStream& random, Layout layout = Layout::kFree);

}  // namespace winnow::scenes

// Reads a picture back into the scene that it shows, by classical vision.
//
//   1. Ink is what has colour (largest minus smallest channel): all backgrounds are grey.
//   2. Connected components of ink, each cut where large pieces have different hues.
//   3. Colour: the hue nearest to most of the ink. Shape: the template that leaves the smallest
//      squared error once placed and scaled to fit. Texture: the spread of the shades inside, then
//      the stronger of the two spatial frequencies that stripes and checks have.
// A picture that a generator made is read the same way: what looks most like a scene counts.
#pragma once

#include <span>

#include "scenes/scene.hpp"

namespace winnow::scenes {

// rgb[3, 32, 32] in [0, 1]. Objects come largest first; there can be none, and more than 4.
Scene read_picture(std::span<const float> rgb);

}  // namespace winnow::scenes

// Draws a scene, with edges smoothed by the part of each pixel that they cover.
#pragma once

#include <span>

#include "scenes/scene.hpp"

namespace winnow::scenes {

// Where a texture is dark, it has this part of its colour.
inline constexpr double kDark = 0.4;
// Stripes and checks repeat after so many pixels.
inline constexpr double kPeriod = 4;

// How much of the pixel around (dx, dy), seen from the object's centre, the shape covers: [0, 1].
double coverage(Shape shape, double radius, double dx, double dy);
// The part of the colour there: [kDark, 1].
double shade(Texture texture, double dx, double dy);

// Fills rgb[3, 32, 32] with values in [0, 1].
void render(const Scene& scene, std::span<float> rgb);

}  // namespace winnow::scenes

// Simulated people who look at pictures of scenes: a stand-in for the ratings and choices that
// aesthetic predictors and preference models are trained on. They are made up, and noisy.
#pragma once

#include "faults.hpp"
#include "scenes/random_stream.hpp"
#include "scenes/scene.hpp"

namespace winnow::training {

// How well a picture looks, 1 to 10, whatever was asked for: people like hues that are near each
// other, masses in balance, objects that fill the picture, dark backgrounds, textures; damage they
// do not like.
double beauty(const scenes::Scene& scene, const Damage& damage);
// What one of them says: the rating with normal noise of the standard deviation 0.7.
double rating(const scenes::Scene& scene, const Damage& damage, scenes::RandomStream& random);

// How much people like a picture for a request; only differences mean something. They weigh the
// facts of scene_match, once more whether the colours and whether the number of objects are there
// by themselves, and beauty.
double liking(const scenes::Request& request, const scenes::Scene& scene, const Damage& damage);
// Does one of them choose the first? With the probability kCareless / 2 + (1 - kCareless) /
// (1 + exp(second - first)).
inline constexpr double kCareless = 0.1;
bool chooses_first(double first, double second, scenes::RandomStream& random);

}  // namespace winnow::training

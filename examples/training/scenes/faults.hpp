// Scenes with mistakes and pictures with damage: what a generator gets wrong, drawn at random, for
// those who learn to judge generated pictures.
#pragma once

#include <span>

#include "scenes/random_stream.hpp"
#include "scenes/scene.hpp"

namespace winnow::training {

// The request that leaves nothing open but where things are.
scenes::Request all_of(const scenes::Scene& scene);

// The scene with one mistake: a look of one object is another, two objects have exchanged a look,
// an object is missing or is one too many, the scene is mirrored, the background is another.
scenes::Scene with_mistake(const scenes::Scene& scene, scenes::RandomStream& random);

// 0 to 3 mistakes, on average 1.1.
scenes::Scene with_mistakes(const scenes::Scene& scene, scenes::RandomStream& random);

// A standard normal number.
double normal(scenes::RandomStream& random);

// Of a picture; each in [0, 1], 0 being none.
struct Damage {
  double noise = 0;  // normal noise of the standard deviation 0.12 noise
  double blur = 0;   // the part of the mean over 3 x 3 pixels in each
  double fade = 0;   // how far 0.5 fade of the way to mid grey
  double amount() const { return (noise + blur + fade) / 3; }
};
Damage draw_damage(scenes::RandomStream& random);
void damage(std::span<float> picture, const Damage& damage, scenes::RandomStream& random);

}  // namespace winnow::training

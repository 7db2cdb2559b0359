#include "scene_data.hpp"

#include <span>

#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/render.hpp"

namespace winnow::training {
namespace {

constexpr double kSingle = 1.0 / 6;
constexpr int64_t kNumbers = scenes::kChannels * scenes::kPixels;

scenes::Request draw(scenes::RandomStream& random) {
  if (random.chance(kSingle)) return scenes::draw_single(random);
  return scenes::draw_request(static_cast<scenes::Category>(random.below(scenes::kCategories)),
                              random);
}

}  // namespace

SceneBatch scene_batch(uint64_t seed, int64_t first, int64_t count, scenes::Layout layout) {
  SceneBatch out;
  out.pictures = at::empty({count, scenes::kChannels, scenes::kSide, scenes::kSide}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    scenes::RandomStream random(seed, static_cast<uint64_t>(first + i));
    const scenes::Request request = draw(random);
    out.captions.push_back(scenes::describe(request, random));
    float* picture = out.pictures.data_ptr<float>() + i * kNumbers;
    scenes::render(scenes::draw_scene(request, random, layout), {picture, kNumbers});
    out.requests.push_back(request);
  }
  return out;
}

TriedBatch tried_batch(uint64_t seed, int64_t first, int64_t count, int64_t tries) {
  TriedBatch out;
  out.pictures =
      at::empty({count * tries, scenes::kChannels, scenes::kSide, scenes::kSide}, at::kFloat);
  float* next = out.pictures.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    scenes::RandomStream random(seed, static_cast<uint64_t>(first + i));
    out.requests.push_back(draw(random));
    out.captions.push_back(scenes::describe(out.requests.back(), random));
    for (int64_t k = 0; k < tries; ++k, next += kNumbers) {
      const std::span<float> picture(next, kNumbers);
      const scenes::Scene right = scenes::draw_scene(out.requests.back(), random);
      out.scenes.push_back(with_mistakes(right, random));
      out.damages.push_back(draw_damage(random));
      scenes::render(out.scenes.back(), picture);
      damage(picture, out.damages.back(), random);
    }
  }
  return out;
}

}  // namespace winnow::training

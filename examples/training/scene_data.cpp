#include "scene_data.hpp"

#include <span>

#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/render.hpp"

namespace winnow::training {
namespace {

constexpr double kSingle = 1.0 / 6;

scenes::Request draw(scenes::RandomStream& random) {
  if (random.chance(kSingle)) return scenes::draw_single(random);
  return scenes::draw_request(static_cast<scenes::Category>(random.below(scenes::kCategories)),
                              random);
}

}  // namespace

SceneBatch scene_batch(uint64_t seed, int64_t first, int64_t count) {
  constexpr int64_t kNumbers = scenes::kChannels * scenes::kPixels;
  SceneBatch out;
  out.pictures = at::empty({count, scenes::kChannels, scenes::kSide, scenes::kSide}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    scenes::RandomStream random(seed, static_cast<uint64_t>(first + i));
    const scenes::Request request = draw(random);
    out.captions.push_back(scenes::describe(request, random));
    float* picture = out.pictures.data_ptr<float>() + i * kNumbers;
    scenes::render(scenes::draw_scene(request, random), {picture, kNumbers});
    out.requests.push_back(request);
  }
  return out;
}

}  // namespace winnow::training

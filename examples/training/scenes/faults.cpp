#include "faults.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "scenes/draw.hpp"

namespace winnow::training {
namespace {

using namespace winnow::scenes;

constexpr double kNoise = 0.12, kFade = 0.5, kGrey = 0.5;

template <class Value>
Value another(Value value, int of, RandomStream& random) {
  const auto step = 1 + random.below(static_cast<size_t>(of - 1));
  return static_cast<Value>((static_cast<size_t>(value) + step) % static_cast<size_t>(of));
}

void change_look(Object& object, RandomStream& random) {
  switch (random.below(3)) {
    case 0:
      object.colour = another(object.colour, kColours, random);
      return;
    case 1:
      object.shape = another(object.shape, kShapes, random);
      return;
    default:
      object.texture = another(object.texture, kTextures, random);
  }
}

void exchange_look(Object& a, Object& b, RandomStream& random) {
  if (random.chance(0.5)) {
    std::swap(a.colour, b.colour);
  } else {
    std::swap(a.shape, b.shape);
  }
}

void mirror(Scene& scene, RandomStream& random) {
  const bool across = random.chance(0.5);
  for (Object& object : scene.objects) {
    double& place = across ? object.x : object.y;
    place = kSide - place;
  }
}

Scene with_one_more(const Scene& scene, RandomStream& random) {
  Request request = all_of(scene);
  request.groups.push_back(draw_single(random).groups[0]);
  return draw_scene(request, random);
}

// The mean over the pixel's neighbourhood, those outside left out.
double mean_around(const std::vector<float>& channel, int x, int y) {
  double sum = 0, count = 0;
  for (int v = std::max(0, y - 1); v <= std::min(kSide - 1, y + 1); ++v) {
    for (int u = std::max(0, x - 1); u <= std::min(kSide - 1, x + 1); ++u) {
      sum += channel[static_cast<size_t>(v * kSide + u)], ++count;
    }
  }
  return sum / count;
}

}  // namespace

double normal(RandomStream& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.uniform());
}

Request all_of(const Scene& scene) {
  Request request;
  request.background = scene.background;
  for (const Object& object : scene.objects) {
    request.groups.push_back({1, object.colour, object.shape, object.texture});
  }
  return request;
}

Scene with_mistake(const Scene& scene, RandomStream& random) {
  Scene out = scene;
  const size_t count = scene.objects.size();
  const size_t kind = random.below(10);
  if (count == 0 || (kind == 8 && count < kMaxObjects)) return with_one_more(scene, random);
  if (kind < 4) {
    change_look(out.objects[random.below(count)], random);
  } else if (kind < 6 && count > 1) {
    exchange_look(out.objects[0], out.objects[1 + random.below(count - 1)], random);
  } else if (kind == 6 && count > 1) {
    out.objects.erase(out.objects.begin() + static_cast<std::ptrdiff_t>(random.below(count)));
  } else if (kind == 7) {
    mirror(out, random);
  } else {
    out.background = another(out.background, kBackgrounds, random);
  }
  return out;
}

Scene with_mistakes(const Scene& scene, RandomStream& random) {
  static const std::vector<int> counts = {0, 0, 0, 1, 1, 1, 1, 2, 2, 3};
  Scene out = scene;
  for (int left = random.pick(counts); left > 0; --left) out = with_mistake(out, random);
  return out;
}

Damage draw_damage(RandomStream& random) {
  const auto one = [&] { return random.chance(0.4) ? random.uniform() : 0.0; };
  Damage out;
  out.noise = one(), out.blur = one(), out.fade = one();
  return out;
}

void damage(std::span<float> picture, const Damage& damage, RandomStream& random) {
  for (int c = 0; c < kChannels; ++c) {
    const std::span<float> channel = picture.subspan(static_cast<size_t>(c * kPixels), kPixels);
    const std::vector<float> before(channel.begin(), channel.end());
    for (int p = 0; p < kPixels; ++p) {
      float& value = channel[static_cast<size_t>(p)];
      double now = value;
      if (damage.blur > 0) {
        now += damage.blur * (mean_around(before, p % kSide, p / kSide) - now);
      }
      now += kFade * damage.fade * (kGrey - now);
      if (damage.noise > 0) now += kNoise * damage.noise * normal(random);
      value = static_cast<float>(std::clamp(now, 0.0, 1.0));
    }
  }
}

}  // namespace winnow::training

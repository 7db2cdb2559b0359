#include "raters.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "scenes/match.hpp"

namespace winnow::training {
namespace {

using namespace winnow::scenes;

constexpr double kRatingNoise = 0.7;
constexpr double kFacts = 6, kColoursAlone = 2, kNumberAlone = 1, kBeauty = 0.4;

// As angles on a wheel on which the eight colours stand at equal distances.
double angle_of(Colour colour) {
  return 2 * std::numbers::pi * static_cast<double>(colour) / kColours;
}

// The mean cosine between the hues of two objects, in [-1, 1]; 0.5 for less than two.
double harmony(const Scene& scene) {
  double sum = 0, pairs = 0;
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      sum += std::cos(angle_of(scene.objects[i].colour) - angle_of(scene.objects[j].colour));
      ++pairs;
    }
  }
  return pairs > 0 ? sum / pairs : 0.5;
}

struct Mass {
  double area = 0;      // of the objects, in parts of the picture
  double distance = 0;  // of their centre from the middle, in parts of half a side
  double textured = 0;  // the part of them that is not solid
};

Mass mass_of(const Scene& scene) {
  double sum = 0, x = 0, y = 0, textured = 0;
  for (const Object& object : scene.objects) {
    const double area = object.radius * object.radius;
    sum += area, x += area * object.x, y += area * object.y;
    textured += object.texture == Texture::kSolid ? 0 : area;
  }
  if (sum == 0) return {};
  return {std::numbers::pi * sum / kPixels,
          std::hypot(x / sum - kSide / 2.0, y / sum - kSide / 2.0) / (kSide / 2.0), textured / sum};
}

double facts(const Request& request, const Scene& scene) { return match(request, scene).score(); }

// Colours, or not even those, and nothing else.
Request part_of(const Request& request, bool colours) {
  Request out;
  for (const Group& group : request.groups) {
    out.groups.push_back({group.count, colours ? group.colour : std::nullopt, {}, {}});
  }
  return out;
}

}  // namespace

double beauty(const Scene& scene, const Damage& damage) {
  const Mass mass = mass_of(scene);
  double out = 5.0 + 1.2 * harmony(scene) - 2.0 * mass.distance + 5.0 * (mass.area - 0.2) +
               0.8 * mass.textured - 4.0 * damage.amount();
  if (scene.background == Background::kBlack) out += 0.6;
  if (scene.background == Background::kGray) out -= 0.6;
  if (scene.objects.empty()) out -= 2;
  return std::clamp(out, 1.0, 10.0);
}

double rating(const Scene& scene, const Damage& damage, RandomStream& random) {
  return std::clamp(beauty(scene, damage) + kRatingNoise * normal(random), 1.0, 10.0);
}

double liking(const Request& request, const Scene& scene, const Damage& damage) {
  return kFacts * facts(request, scene) + kColoursAlone * facts(part_of(request, true), scene) +
         kNumberAlone * facts(part_of(request, false), scene) + kBeauty * beauty(scene, damage);
}

bool chooses_first(double first, double second, RandomStream& random) {
  if (random.chance(kCareless)) return random.chance(0.5);
  return random.chance(1 / (1 + std::exp(second - first)));
}

}  // namespace winnow::training

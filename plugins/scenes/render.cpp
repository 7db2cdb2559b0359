#include "scenes/render.hpp"

#include <algorithm>
#include <cmath>

namespace winnow::scenes {
namespace {

double box(double dx, double dy, double half_width, double half_height) {
  return std::max(std::abs(dx) - half_width, std::abs(dy) - half_height);
}

// Pixels from the edge of the shape, negative inside. A bound where corners are near.
double distance(Shape shape, double r, double dx, double dy) {
  switch (shape) {
    case Shape::kCircle:
      return std::sqrt(dx * dx + dy * dy) - r;
    case Shape::kSquare:
      return box(dx, dy, 0.88 * r, 0.88 * r);
    case Shape::kTriangle:
      // Apex at (0, -r), base of the width 2 r at 0.8 r.
      return std::max(dy - 0.8 * r, (1.8 * std::abs(dx) - (dy + r)) / std::sqrt(1.8 * 1.8 + 1));
    case Shape::kDiamond:
      return (std::abs(dx) + std::abs(dy) - 1.05 * r) / std::sqrt(2.0);
    case Shape::kCross:
      return std::min(box(dx, dy, r, 0.34 * r), box(dx, dy, 0.34 * r, r));
    case Shape::kRing:
      return std::abs(std::sqrt(dx * dx + dy * dy) - 0.74 * r) - 0.28 * r;
  }
  return 0;
}

// The bright part of a pixel in a wave of bright and dark bands, bright around 0.
double band(double at) {
  const double place = at - kPeriod * std::floor(at / kPeriod);
  return std::clamp(std::abs(place - kPeriod / 2) - kPeriod / 4 + 0.5, 0.0, 1.0);
}

}  // namespace

double coverage(Shape shape, double radius, double dx, double dy) {
  return std::clamp(0.5 - distance(shape, radius, dx, dy), 0.0, 1.0);
}

double shade(Texture texture, double dx, double dy) {
  double bright = 1;
  if (texture == Texture::kStriped) bright = band(dy);
  if (texture == Texture::kCheckered) {
    const double x = band(dx), y = band(dy);
    bright = x * y + (1 - x) * (1 - y);
  }
  return kDark + (1 - kDark) * bright;
}

void render(const Scene& scene, std::span<float> rgb) {
  const Rgb behind = rgb_of(scene.background);
  for (int c = 0; c < kChannels; ++c) {
    std::fill_n(rgb.begin() + c * kPixels, kPixels, static_cast<float>(behind[c]));
  }
  for (const Object& object : scene.objects) {
    const Rgb colour = rgb_of(object.colour);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double dx = x + 0.5 - object.x, dy = y + 0.5 - object.y;
        const double covered = coverage(object.shape, object.radius, dx, dy);
        if (covered == 0) continue;
        const double part = shade(object.texture, dx, dy);
        for (int c = 0; c < kChannels; ++c) {
          float& value = rgb[static_cast<size_t>(c * kPixels + y * kSide + x)];
          value = static_cast<float>((1 - covered) * value + covered * part * colour[c]);
        }
      }
    }
  }
}

}  // namespace winnow::scenes

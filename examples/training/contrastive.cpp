#include "contrastive.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "fashion_mnist.hpp"

namespace winnow::training {
namespace {

// [n, 1, 1, 1] uniform in [low, high)
at::Tensor uniform(int64_t n, double low, double high, at::Generator generator) {
  return at::rand({n, 1, 1, 1}, generator, at::kFloat) * (high - low) + low;
}

// True inside one random rectangle per picture, up to half of a side long.
at::Tensor rectangles(int64_t n, int64_t side, at::Generator generator) {
  const at::Tensor at = at::arange(side, at::kFloat);
  const auto within = [&](at::IntArrayRef shape) {
    const at::Tensor begin = uniform(n, 0, 0.9 * static_cast<double>(side), generator);
    const at::Tensor length = uniform(n, 3, 0.5 * static_cast<double>(side), generator);
    const at::Tensor position = at.view(shape);
    return position.ge(begin).logical_and(position.lt(begin + length));
  };
  const at::Tensor rows = within({1, 1, side, 1});
  return rows.logical_and(within({1, 1, 1, side}));
}

}  // namespace

LabelledImages load_labelled(const std::string& folder, const std::string& part) {
  const FashionMnist raw = load_fashion_mnist(folder, part);
  return {at::tensor(raw.pixels, at::kByte).view({raw.count, 1, kSide, kSide}),
          at::tensor(raw.labels, at::kByte).to(at::kLong)};
}

at::Tensor random_views(const at::Tensor& images, const Views& views, at::Generator generator) {
  const int64_t n = images.size(0), side = images.size(3);
  const double zoom = std::log(views.zoom), aspect = std::log(views.aspect) / 2;
  const at::Tensor mirror = at::where(uniform(n, 0, 1, generator) < 0.5, -1.0, 1.0);
  const at::Tensor size = uniform(n, -zoom, 0.5 * zoom, generator);
  const at::Tensor slant = uniform(n, -aspect, aspect, generator);
  const at::Tensor wide = at::exp(size + slant) * mirror, high = at::exp(size - slant);
  const at::Tensor angle = uniform(n, -views.rotation, views.rotation, generator);
  const double reach = 2 * views.shift / static_cast<double>(side);  // of [-1, 1]
  const at::Tensor right = uniform(n, -reach, reach, generator);
  const at::Tensor down = uniform(n, -reach, reach, generator);
  // Where each pixel of the view comes from, written out: a matrix product would be rounded to
  // bfloat16 by autocast.
  const double edge = 1.0 - 1.0 / static_cast<double>(side);
  const at::Tensor line = at::linspace(-edge, edge, side, at::kFloat);
  const at::Tensor x = line.view({1, 1, side, 1}), y = line.view({1, side, 1, 1});
  const at::Tensor from_x = wide * (angle.cos() * x - angle.sin() * y) + right;
  const at::Tensor from_y = high * (angle.sin() * x + angle.cos() * y) + down;
  at::Tensor out = at::grid_sampler(images, at::cat({from_x, from_y}, 3), /*bilinear*/ 0,
                                    /*zeros*/ 0, /*align_corners=*/false);
  const at::Tensor exponent = at::exp(uniform(n, -views.contrast, views.contrast, generator));
  out = out.clamp_min(1e-4).pow(exponent) * uniform(n, 1 - views.contrast, 1, generator);
  const at::Tensor blank =
      rectangles(n, side, generator).logical_and(uniform(n, 0, 1, generator) < views.erase);
  return out.masked_fill(blank, 0);
}

at::Tensor contrastive_loss(const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale) {
  const auto unit = [](const at::Tensor& x) {
    const at::Tensor y = x.to(at::kFloat);
    return y / y.norm(2, {1}, true).clamp_min(1e-6);
  };
  const at::Tensor logits = scale * at::matmul(unit(a), unit(b).t());
  const at::Tensor own = at::arange(a.size(0), at::kLong);
  return 0.5 * (at::cross_entropy_loss(logits, own) + at::cross_entropy_loss(logits.t(), own));
}

std::string accuracy_text(int64_t right, int64_t count) {
  constexpr double z = 1.959964;
  const auto n = static_cast<double>(count);
  const double p = static_cast<double>(right) / n;
  const double middle = (p + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n);
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %% (%.1f to %.1f)", 100 * p,
                100 * std::max(0.0, middle - half), 100 * (middle + half));
  return text;
}

}  // namespace winnow::training

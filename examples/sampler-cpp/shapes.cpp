// shapes: discs, squares, crosses and rings, by the exact flow of a mixture of Gaussians.
//   x(t) = (1 - t) x(0) + t e,  e normal;  x(0) is normal, with deviation s, around picture m_k,
//   each k of the class as probable as the others;  then
//   D(x, t) = E[x(0) | x(t) = x] = sum_k w_k (m_k + g (x - (1 - t) m_k)),
//   w_k ~ exp(-|x - (1 - t) m_k|^2 / 2v),  v = (1 - t)^2 s^2 + t^2,  g = (1 - t) s^2 / v
//   Euler step: x + (to - from) (x - D(x, from)) / from
// Source: Lipman et al., "Flow Matching for Generative Modeling", arXiv 2210.02747, for x(t); the
// mean is Bayes' rule. No network, no weights: a model to try verifiers and searches on.
//   [sampler]
//   plugin = "winnow.shapes"
//   size = 16         # height and width; classes: 0 disc, 1 square, 2 cross, 3 ring
//   steps = 16
//   spread = 0.1      # s, where pictures go from -1 to 1
#include <algorithm>
#include <array>
#include <cmath>

#include "winnow/winnow.hpp"

namespace {

using Picture = std::vector<float>;  // [3, size, size] in [-1, 1]
constexpr std::size_t kClasses = 4;

// How far (x, y) lies inside the outline of a class, the middle of which is (0, 0).
double inside(std::size_t class_id, double x, double y, double radius) {
  const double u = std::abs(x), v = std::abs(y), distance = std::sqrt(x * x + y * y);
  switch (class_id) {
    case 0:
      return radius - distance;
    case 1:
      return radius - std::max(u, v);
    case 2:
      return radius - std::min(std::max(u, 3 * v), std::max(3 * u, v));
    default:
      return 0.25 * radius - std::abs(distance - 0.75 * radius);
  }
}

using Colour = std::array<double, 3>;
struct Palette {
  Colour front, back;
};
constexpr Palette kPalettes[] = {
    {{0.9, 0.1, 0.1}, {0.1, 0.1, 0.1}}, {{0.1, 0.2, 0.9}, {0.9, 0.9, 0.8}},
    {{0.1, 0.7, 0.2}, {0.5, 0.4, 0.5}}, {{0.9, 0.8, 0.1}, {0.1, 0.2, 0.5}},
    {{0.8, 0.8, 0.8}, {0.4, 0.4, 0.4}}, {{0.1, 0.1, 0.1}, {0.7, 0.6, 0.6}},
};

Picture draw(std::size_t class_id, std::size_t size, double middle_x, double middle_y,
             double radius, const Palette& palette) {
  Picture picture(3 * size * size);
  const auto n = static_cast<double>(size);
  for (std::size_t y = 0; y < size; ++y)
    for (std::size_t x = 0; x < size; ++x) {
      const double depth = inside(class_id, (static_cast<double>(x) + 0.5) / n - middle_x,
                                  (static_cast<double>(y) + 0.5) / n - middle_y, radius);
      const double cover = std::clamp(depth * n + 0.5, 0.0, 1.0);  // of this pixel
      for (std::size_t c = 0; c < 3; ++c) {
        const double value = cover * palette.front[c] + (1 - cover) * palette.back[c];
        picture[(c * size + y) * size + x] = static_cast<float>(2 * value - 1);
      }
    }
  return picture;
}

std::vector<Picture> draw_all(std::size_t class_id, std::size_t size) {
  std::vector<Picture> all;
  for (const double x : {0.35, 0.5, 0.65})
    for (const double y : {0.35, 0.5, 0.65})
      for (const double radius : {0.2, 0.3})
        for (const Palette& palette : kPalettes)
          all.push_back(draw(class_id, size, x, y, radius, palette));
  return all;
}

std::vector<double> even_times(double from, double to, std::int64_t steps) {
  std::vector<double> times;
  for (std::int64_t k = 0; k <= steps; ++k)
    times.push_back(from + (to - from) * static_cast<double>(k) / static_cast<double>(steps));
  times.back() = to;
  return times;
}

class ShapesSampler {
 public:
  static constexpr const char* kId = "winnow.shapes";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SHAPES;

  explicit ShapesSampler(const wn::Options& options)
      : size_(options.i64("size")),
        spread_(options.f64("spread")),
        times_(even_times(1, 0, options.i64("steps"))) {
    for (std::size_t k = 0; k < kClasses; ++k)
      pictures_[k] = draw_all(k, static_cast<std::size_t>(size_));
  }

  wn_sampler_info info(std::uint32_t) {
    wn_sampler_info out{};
    out.flags = WN_F_DETERMINISTIC | WN_F_BATCH_INVARIANT | WN_F_MIXED_TIMES;
    out.n_steps = static_cast<std::uint32_t>(times_.size() - 1);
    out.preferred_batch = 16;
    out.latent_dtype = {2, 32, 1};
    out.latent_ndim = out.sample_ndim = 3;
    for (auto* one : {out.latent_shape, out.sample_shape}) {
      one[0] = 3;
      one[1] = one[2] = size_;
    }
    out.times = times_.data();
    out.preview_nfe = 1;
    out.network_passes = 1;
    return out;
  }

  wn::Leg leg(std::uint32_t, double from, double to, double stochasticity, std::uint32_t steps) {
    if (stochasticity > 0)
      throw wn::Error(WN_E_FAILED_PRECONDITION, "the flow has no noise on the way");
    wn::Leg leg;
    if (steps > 0) {
      leg.times = even_times(from, to, steps);
    } else {
      leg.times = {from};
      for (const double time : times_)
        if (time < from && time > to) leg.times.push_back(time);
      leg.times.push_back(to);
    }
    leg.nfe.assign(leg.times.size() - 1, 1.0);
    return leg;
  }

  void init(const wn::SamplerBatch& batch) {
    batch.initial_noise(batch.latents_raw());
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch.class_id(i) < 0 || batch.class_id(i) >= static_cast<std::int64_t>(kClasses))
        batch.fail(i, WN_E_INVALID_ARGUMENT,
                   (batch.class_id(i) < 0 ? std::string("found no class")
                                          : "found class " + std::to_string(batch.class_id(i))) +
                       ", expected 0 (disc), 1 (square), 2 (cross) or 3 (ring)");
  }

  void step(const wn::SamplerBatch& batch) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      const auto x = batch.latents().item(i);
      const std::vector<double> clean = predict(x, from, batch.class_id(i));
      for (std::size_t e = 0; e < x.size(); ++e)
        x[e] = static_cast<float>(x[e] + (to - from) * (x[e] - clean[e]) / from);
    }
  }

  void preview(const wn::SamplerBatch& batch, const wn_tensor& clean) {
    const wn::Tensor<float> out(clean);
    for (std::size_t i = 0; i < batch.size(); ++i)
      std::ranges::copy(predict(batch.latents().item(i), batch.from_time()[i], batch.class_id(i)),
                        out.item(i).begin());
  }

  void decode(const wn::SamplerBatch& batch, const wn_tensor& samples) {
    const wn::Tensor<float> out(samples);
    for (std::size_t i = 0; i < batch.size(); ++i)
      std::ranges::transform(batch.latents().item(i), out.item(i).begin(),
                             [](float x) { return std::clamp(0.5f + 0.5f * x, 0.0f, 1.0f); });
  }

  // Forward: x(to) given x(from), which keeps the marginal.
  void renoise(const wn::SamplerBatch& batch) {
    std::vector<float> noise(batch.latents().values().size());
    wn_tensor view = batch.latents_raw();
    view.data = noise.data();
    view.byte_offset = 0;
    batch.initial_noise(view);
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const double from = batch.from_time()[i], to = batch.to_time()[i];
      const double kept = (1 - to) / (1 - from);
      const double added = std::sqrt(std::max(0.0, to * to - kept * kept * from * from));
      const auto x = batch.latents().item(i);
      for (std::size_t e = 0; e < x.size(); ++e)
        x[e] = static_cast<float>(kept * x[e] + added * noise[i * x.size() + e]);
    }
  }

 private:
  // D(x, t), as in the formula at the top.
  std::vector<double> predict(std::span<const float> x, double t, std::int64_t class_id) const {
    const std::vector<Picture>& pictures = pictures_[static_cast<std::size_t>(class_id)];
    const double shrink = 1 - t, v = shrink * shrink * spread_ * spread_ + t * t;
    const double g = shrink * spread_ * spread_ / v;
    std::vector<double> weights;
    for (const Picture& m : pictures) {
      double distance = 0;
      for (std::size_t e = 0; e < x.size(); ++e) {
        const double d = x[e] - shrink * m[e];
        distance += d * d;
      }
      weights.push_back(-distance / (2 * v));
    }
    const double greatest = *std::ranges::max_element(weights);
    double sum = 0;
    for (double& weight : weights) sum += weight = std::exp(weight - greatest);

    std::vector<double> clean(x.size());
    for (std::size_t e = 0; e < x.size(); ++e) clean[e] = g * x[e];
    for (std::size_t k = 0; k < pictures.size(); ++k) {
      const double share = weights[k] / sum * (1 - g * shrink);
      if (share == 0) continue;
      for (std::size_t e = 0; e < x.size(); ++e) clean[e] += share * pictures[k][e];
    }
    return clean;
  }

  std::int64_t size_;
  double spread_;
  std::vector<double> times_;
  std::array<std::vector<Picture>, kClasses> pictures_;
};

}  // namespace

WN_EXPORT_PLUGINS(ShapesSampler)

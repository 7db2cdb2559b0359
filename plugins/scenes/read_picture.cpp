#include "scenes/read_picture.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "scenes/render.hpp"

namespace winnow::scenes {
namespace {

constexpr double kInk = 0.15;          // chroma from which on a pixel has colour, at least
constexpr double kAboveNoise = 2.5;    // and how many times the median, which is the background's
constexpr size_t kSpeck = 12;          // smaller components are no objects
constexpr size_t kPiece = 16;          // smaller pieces of another hue are no objects of their own
constexpr double kFaint = 0.3;         // of the full colour, for the extent of an object
constexpr double kInside = 0.75;       // coverage from which on a pixel tells the texture
constexpr double kPlainSpread = 0.16;  // of the shades of a solid object, at most
constexpr int kAround = 2;  // pixels around an object that its template must explain, too

using Region = std::vector<int>;  // pixels y * kSide + x

struct Pixels {
  std::array<double, kPixels> chroma{};
  std::array<int, kPixels> hue{};     // the nearest colour
  std::array<int, kPixels> region{};  // -1: background
  double ink = kInk;
};

double chroma_of(const Rgb& rgb) {
  const auto [low, high] = std::minmax_element(rgb.begin(), rgb.end());
  return *high - *low;
}

// In [0, 6).
double hue_of(const Rgb& rgb) {
  const auto [r, g, b] = rgb;
  const double high = std::max({r, g, b}), chroma = chroma_of(rgb);
  if (chroma == 0) return 0;
  double hue = 0;
  if (high == r) {
    hue = (g - b) / chroma;
  } else if (high == g) {
    hue = (b - r) / chroma + 2;
  } else {
    hue = (r - g) / chroma + 4;
  }
  return hue < 0 ? hue + 6 : hue;
}

int nearest_colour(const Rgb& rgb) {
  const double hue = hue_of(rgb);
  int best = 0;
  double smallest = 6;
  for (int c = 0; c < kColours; ++c) {
    const double apart = std::abs(hue - hue_of(rgb_of(static_cast<Colour>(c))));
    const double around = std::min(apart, 6 - apart);
    if (around < smallest) smallest = around, best = c;
  }
  return best;
}

template <class Visit>
void for_neighbours(int pixel, const Visit& visit) {
  const int x = pixel % kSide, y = pixel / kSide;
  if (x > 0) visit(pixel - 1);
  if (x + 1 < kSide) visit(pixel + 1);
  if (y > 0) visit(pixel - kSide);
  if (y + 1 < kSide) visit(pixel + kSide);
}

// The parts of `pixels` that hang together, neighbours being those for which same(a, b).
template <class Same>
std::vector<Region> components(const Region& pixels, const Same& same) {
  std::array<bool, kPixels> open{};
  for (const int p : pixels) open[static_cast<size_t>(p)] = true;
  std::vector<Region> out;
  for (const int start : pixels) {
    if (!open[static_cast<size_t>(start)]) continue;
    open[static_cast<size_t>(start)] = false;
    Region part = {start};
    for (size_t i = 0; i < part.size(); ++i) {
      const int from = part[i];
      for_neighbours(from, [&](int p) {
        if (!open[static_cast<size_t>(p)] || !same(from, p)) return;
        open[static_cast<size_t>(p)] = false;
        part.push_back(p);
      });
    }
    out.push_back(std::move(part));
  }
  return out;
}

// Every pixel of `component` goes to the nearest of the seeds, as ink spreads.
std::vector<Region> grow(std::vector<Region> seeds, const Region& component) {
  std::array<bool, kPixels> open{};
  for (const int p : component) open[static_cast<size_t>(p)] = true;
  for (const Region& seed : seeds) {
    for (const int p : seed) open[static_cast<size_t>(p)] = false;
  }
  std::vector<size_t> next(seeds.size(), 0);
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t s = 0; s < seeds.size(); ++s) {
      for (const size_t end = seeds[s].size(); next[s] < end; ++next[s]) {
        for_neighbours(seeds[s][next[s]], [&](int p) {
          if (!open[static_cast<size_t>(p)]) return;
          open[static_cast<size_t>(p)] = false;
          seeds[s].push_back(p);
          grown = true;
        });
      }
    }
  }
  return seeds;
}

std::vector<Region> regions(const Pixels& pixels) {
  Region ink;
  for (int p = 0; p < kPixels; ++p) {
    if (pixels.chroma[static_cast<size_t>(p)] > pixels.ink) ink.push_back(p);
  }
  std::vector<Region> out;
  for (const Region& component : components(ink, [](int, int) { return true; })) {
    std::vector<Region> seeds;
    for (Region& piece : components(component, [&](int a, int b) {
           return pixels.hue[static_cast<size_t>(a)] == pixels.hue[static_cast<size_t>(b)];
         })) {
      if (piece.size() >= kPiece) seeds.push_back(std::move(piece));
    }
    const bool cut = seeds.size() > 1;
    for (Region& region : cut ? grow(seeds, component) : std::vector<Region>{component}) {
      if (region.size() >= kSpeck) out.push_back(std::move(region));
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Region& a, const Region& b) { return a.size() > b.size(); });
  return out;
}

Colour colour_of(const Region& region, const Pixels& pixels) {
  std::array<double, kColours> votes{};
  for (const int p : region) {
    votes[static_cast<size_t>(pixels.hue[static_cast<size_t>(p)])] +=
        pixels.chroma[static_cast<size_t>(p)];
  }
  return static_cast<Colour>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

// What the templates are compared with: the part of the full colour at the pixels of a window.
struct Window {
  struct Sample {
    double x, y, part;
  };
  std::vector<Sample> samples;
  double left = kSide, right = 0, top = kSide, bottom = 0;  // of the object
};

Window window_of(int index, const Region& region, Colour colour, const Pixels& pixels) {
  std::vector<double> strengths;
  for (const int p : region) strengths.push_back(pixels.chroma[static_cast<size_t>(p)]);
  const auto high = strengths.begin() + static_cast<std::ptrdiff_t>(strengths.size() * 9 / 10);
  std::nth_element(strengths.begin(), high, strengths.end());
  const double nominal = chroma_of(rgb_of(colour));
  const double full = std::clamp(*high, 0.5 * nominal, 1.2 * nominal);

  Window out;
  for (const int p : region) {
    if (pixels.chroma[static_cast<size_t>(p)] < kFaint * full) continue;
    const double x = p % kSide, y = p / kSide;
    out.left = std::min(out.left, x), out.right = std::max(out.right, x + 1);
    out.top = std::min(out.top, y), out.bottom = std::max(out.bottom, y + 1);
  }
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const bool near = x >= out.left - kAround && x < out.right + kAround &&
                        y >= out.top - kAround && y < out.bottom + kAround;
      const auto p = static_cast<size_t>(y * kSide + x);
      const bool of_another = pixels.region[p] >= 0 && pixels.region[p] != index;
      if (near && !of_another) out.samples.push_back({x + 0.5, y + 0.5, pixels.chroma[p] / full});
    }
  }
  return out;
}

struct Fit {
  Shape shape{};
  double x = 0, y = 0, radius = 0;
  double error = std::numeric_limits<double>::infinity();
};

// The squared error of a template. Unless the object is known to be solid, any shade between dark
// and full is right; shades far from the middle of the two break ties.
double error_of(const Fit& fit, const Window& window, bool solid) {
  constexpr double kMiddle = (1 + kDark) / 2, kTie = 0.1;
  double sum = 0;
  for (const Window::Sample& at : window.samples) {
    const double covered = coverage(fit.shape, fit.radius, at.x - fit.x, at.y - fit.y);
    if (solid) {
      sum += (at.part - covered) * (at.part - covered);
      continue;
    }
    const double outside = at.part - std::clamp(at.part, kDark * covered, covered);
    const double off = at.part - kMiddle * covered;
    sum += outside * outside + kTie * off * off;
  }
  return sum;
}

Fit first_guess(Shape shape, const Window& w) {
  static constexpr std::array<double, kShapes> extents = {1, 0.88, 1, 1.05, 1, 1.02};
  const double half = std::max(w.right - w.left, w.bottom - w.top) / 2;
  Fit fit;
  fit.shape = shape;
  fit.radius = half / extents[static_cast<size_t>(shape)];
  fit.x = (w.left + w.right) / 2;
  fit.y = (w.top + w.bottom) / 2;
  if (shape == Shape::kTriangle) fit.y = w.bottom - 0.8 * fit.radius;
  return fit;
}

// Moves and scales the template as long as that helps, in ever smaller steps.
Fit fitted(Fit fit, const Window& window, bool solid) {
  fit.error = error_of(fit, window, solid);
  for (const double step : {0.6, 0.3, 0.15}) {
    for (bool better = true; better;) {
      better = false;
      for (double Fit::*axis : {&Fit::x, &Fit::y, &Fit::radius}) {
        for (const double move : {-step, step}) {
          Fit next = fit;
          next.*axis += move;
          next.error = error_of(next, window, solid);
          if (next.radius < 1 || next.error >= fit.error) continue;
          fit = next, better = true;
        }
      }
    }
  }
  return fit;
}

Fit best_fit(const Window& window, bool solid) {
  Fit best;
  for (int s = 0; s < kShapes; ++s) {
    const Fit fit = fitted(first_guess(static_cast<Shape>(s), window), window, solid);
    if (fit.error < best.error) best = fit;
  }
  return best;
}

// How far the shades inside a template are from the full colour: the root of the mean square.
double spread_inside(const Fit& fit, const Window& window) {
  double sum = 0, count = 0;
  for (const Window::Sample& at : window.samples) {
    const double covered = coverage(fit.shape, fit.radius, at.x - fit.x, at.y - fit.y);
    if (covered < kInside) continue;
    sum += (at.part - covered) * (at.part - covered);
    ++count;
  }
  return count > 0 ? std::sqrt(sum / count) : 1;
}

// Of an object that is not solid: the stronger wave. Checks share their strength between two waves
// of half the amplitude.
Texture texture_of(const Fit& fit, const Window& window) {
  std::vector<Window::Sample> inside;
  double mean = 0;
  for (const Window::Sample& at : window.samples) {
    if (coverage(fit.shape, fit.radius, at.x - fit.x, at.y - fit.y) < kInside) continue;
    inside.push_back(at);
    mean += at.part;
  }
  mean /= static_cast<double>(std::max<size_t>(1, inside.size()));
  std::complex<double> stripes, falling, rising;
  constexpr double kTurn = 2 * std::numbers::pi / kPeriod;
  for (const Window::Sample& at : inside) {
    stripes += std::polar(at.part - mean, kTurn * at.y);
    falling += std::polar(at.part - mean, kTurn * (at.x + at.y));
    rising += std::polar(at.part - mean, kTurn * (at.x - at.y));
  }
  const double checks = 2 * (std::norm(falling) + std::norm(rising));
  return std::norm(stripes) > checks ? Texture::kStriped : Texture::kCheckered;
}

Object read_object(int index, const Region& region, const Pixels& pixels) {
  Object object;
  object.colour = colour_of(region, pixels);
  const Window window = window_of(index, region, object.colour, pixels);
  Fit fit = best_fit(window, true);
  if (spread_inside(fit, window) > kPlainSpread) {
    fit = best_fit(window, false);
    object.texture = texture_of(fit, window);
  }
  object.shape = fit.shape;
  object.x = fit.x, object.y = fit.y, object.radius = fit.radius;
  return object;
}

Background background_of(std::span<const float> rgb, const Pixels& pixels) {
  double sum = 0, count = 0;
  for (int p = 0; p < kPixels; ++p) {
    bool clear = pixels.chroma[static_cast<size_t>(p)] <= pixels.ink;
    for_neighbours(p, [&](int q) { clear &= pixels.chroma[static_cast<size_t>(q)] <= pixels.ink; });
    if (!clear) continue;
    for (int c = 0; c < kChannels; ++c) sum += rgb[static_cast<size_t>(c * kPixels + p)];
    count += kChannels;
  }
  const double level = count > 0 ? sum / count : 0;
  Background best{};
  for (int b = 1; b < kBackgrounds; ++b) {
    const auto other = static_cast<Background>(b);
    if (std::abs(rgb_of(other)[0] - level) < std::abs(rgb_of(best)[0] - level)) best = other;
  }
  return best;
}

}  // namespace

Scene read_picture(std::span<const float> rgb) {
  Pixels pixels;
  for (size_t p = 0; p < kPixels; ++p) {
    const Rgb colour = {rgb[p], rgb[kPixels + p], rgb[2 * kPixels + p]};
    pixels.chroma[p] = chroma_of(colour);
    pixels.hue[p] = nearest_colour(colour);
  }
  auto sorted = pixels.chroma;
  const auto median = sorted.begin() + kPixels / 2;
  std::nth_element(sorted.begin(), median, sorted.end());
  pixels.ink = std::max(kInk, kAboveNoise * *median);
  const std::vector<Region> found = regions(pixels);
  pixels.region.fill(-1);
  for (size_t i = 0; i < found.size(); ++i) {
    for (const int p : found[i]) pixels.region[static_cast<size_t>(p)] = static_cast<int>(i);
  }
  Scene scene;
  scene.background = background_of(rgb, pixels);
  for (size_t i = 0; i < found.size(); ++i) {
    scene.objects.push_back(read_object(static_cast<int>(i), found[i], pixels));
  }
  return scene;
}

}  // namespace winnow::scenes

// noise_graph.cpp: see noise_graph.hpp. Norms and dot products in double, in element order; every
// noise is rounded to float32 before another is made of it, so that a recipe means the same bits
// wherever it is evaluated.
#include "host/noise_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "host/error.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMaxPivots = 32;
constexpr std::uint64_t kMaxParents = 4096;
constexpr std::uint32_t kMaxPosition = 1u << 24;

[[noreturn]] void refuse(std::uint64_t id, const std::string& why) {
  throw Error(Exit::kPlugin, fmt::format("noise {}: {}", id, why));
}

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

std::vector<float> rotated(std::span<const float> x, std::span<const float> v, double cosine) {
  const double xx = dot(x, x);
  const double along = dot(v, x) / xx;
  double ww = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double w = v[i] - along * x[i];
    ww += w * w;
  }
  const double keep = cosine;
  const double turn = std::sqrt(1.0 - cosine * cosine) * std::sqrt(xx) / std::sqrt(ww);
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = static_cast<float>(keep * x[i] + turn * (v[i] - along * x[i]));
  return y;
}

void check_numbers(const wn_noise_recipe& r) {
  if (r.struct_size < WN_SIZE(wn_noise_recipe, position)) refuse(r.id, "struct_size is too small");
  if (r.n_parents > kMaxParents) refuse(r.id, fmt::format("{} parents", r.n_parents));
  if (!std::isfinite(r.s)) refuse(r.id, "s is not finite");
  if (r.op == WN_NOISE_ROTATE && (r.s < -1 || r.s > 1))
    refuse(r.id, fmt::format("cosine {} is outside [-1, 1]", r.s));
  if (r.op == WN_NOISE_SPLICE && (r.s < 0 || r.s > 1))
    refuse(r.id, fmt::format("probability {} is outside [0, 1]", r.s));
  if (r.addr.domain > 255) refuse(r.id, fmt::format("domain {} is outside 0..255", r.addr.domain));
  for (std::uint64_t i = 0; r.weights && i < r.n_parents; ++i)
    if (!std::isfinite(r.weights[i])) refuse(r.id, "a weight is not finite");
}

void copy_parents(const wn_noise_recipe& r, Noise& noise) {
  const bool weighted = r.op == WN_NOISE_MIX || r.op == WN_NOISE_LINEAR;
  if (r.op == WN_NOISE_ROTATE || r.op == WN_NOISE_TWIST) {
    noise.parents = {r.parent};
  } else if (weighted || r.op == WN_NOISE_SPLICE) {
    if (r.n_parents == 0 || r.n_parents > kMaxParents || !r.parents || (weighted && !r.weights) ||
        (r.op == WN_NOISE_SPLICE && r.n_parents != 2))
      refuse(r.id, fmt::format("{} parents do not fit the operation", r.n_parents));
    noise.parents.assign(r.parents, r.parents + r.n_parents);
    if (weighted) noise.weights.assign(r.weights, r.weights + r.n_parents);
  }
}

void copy_tensor(const wn_noise_recipe& r, std::uint64_t elements, Noise& noise) {
  const wn_tensor* t = r.tensor;
  if (!t || !t->data || t->strides || t->dtype.code != 2 || t->dtype.bits != 32 ||
      t->device.type != 1)
    refuse(r.id, "TENSOR needs a compact float32 tensor on the CPU");
  std::uint64_t count = 1;
  for (int d = 0; d < t->ndim; ++d) count *= static_cast<std::uint64_t>(t->shape[d]);
  if (count != elements)
    refuse(r.id, fmt::format("the tensor has {} elements, a latent has {}", count, elements));
  const auto* data =
      reinterpret_cast<const float*>(static_cast<const char*>(t->data) + t->byte_offset);
  if (!std::all_of(data, data + count, [](float v) { return std::isfinite(v); }))
    refuse(r.id, "the tensor is not finite");
  noise.tensor.assign(data, data + count);
  noise.position = r.position;
}

}  // namespace

const Noise& NoiseGraph::push(const wn_noise_recipe& r, const Source& source) {
  if (r.id <= last_id_) refuse(r.id, fmt::format("ids must grow, the last one was {}", last_id_));
  if (r.op > WN_NOISE_TWIST || (r.op == WN_NOISE_GRADIENT && !source.noise) ||
      (r.op == WN_NOISE_TWIST && !source.candidate))
    refuse(r.id, fmt::format("unknown operation {}", r.op));
  check_numbers(r);
  Node node;
  node.noise.op = r.op;
  node.noise.id = r.id;
  node.noise.at = {r.addr.seed, r.addr.stream, r.addr.domain};
  node.noise.s = r.s;
  copy_parents(r, node.noise);
  if (r.op == WN_NOISE_GRADIENT) {
    node.noise.parents = {source.noise};
  }
  if (node.noise.needs_gradient()) {
    node.noise.candidate = source.candidate;
    node.noise.position = source.position;
    has_gradients_ = true;
  }
  if (r.op == WN_NOISE_TENSOR) copy_tensor(r, elements_, node.noise);
  for (std::uint64_t parent : node.noise.parents) {
    if (!has(parent)) refuse(r.id, fmt::format("its parent {} is not there", parent));
    if (at(parent).op == WN_NOISE_TWIST)
      refuse(r.id, fmt::format("its parent {} is a TWIST, of which no noise is made", parent));
  }
  for (std::uint64_t parent : node.noise.parents) ++nodes_.at(parent).children;
  last_id_ = r.id;
  return nodes_.emplace(r.id, std::move(node)).first->second.noise;
}

// `id` and its ancestors, each once; not beyond those where stop(node).
template <typename Stop, typename Visit>
void NoiseGraph::for_ancestors(std::uint64_t id, Stop stop, Visit visit) const {
  std::unordered_set<std::uint64_t> seen;
  std::vector<std::uint64_t> open{id};
  while (!open.empty()) {
    const std::uint64_t next = open.back();
    open.pop_back();
    const Node& node = nodes_.at(next);
    if (!seen.insert(next).second || stop(node)) continue;
    visit(node);
    open.insert(open.end(), node.noise.parents.begin(), node.noise.parents.end());
  }
}

std::vector<std::uint64_t> NoiseGraph::undrawn(std::uint64_t id) const {
  std::vector<std::uint64_t> found;
  if (!has_gradients_) return found;
  for_ancestors(
      id, [](const Node& node) { return node.drawn; },
      [&](const Node& node) {
        if (node.noise.needs_gradient()) found.push_back(node.noise.id);
      });
  std::ranges::sort(found);
  return found;
}

void NoiseGraph::draw(std::uint64_t id) {
  if (!has_gradients_) return;
  std::vector<std::uint64_t> ids;
  for_ancestors(
      id, [](const Node& node) { return node.drawn; },
      [&](const Node& node) { ids.push_back(node.noise.id); });
  for (std::uint64_t each : ids) nodes_.at(each).drawn = true;
}

// Parents have smaller ids than what is made of them.
std::uint64_t NoiseGraph::missing(std::uint64_t id) const {
  std::uint64_t first = 0;
  if (!has_gradients_) return first;
  for_ancestors(
      id, [](const Node& node) { return !node.noise.made.empty(); },
      [&](const Node& node) {
        if (node.noise.needs_gradient() && (!first || node.noise.id < first)) first = node.noise.id;
      });
  return first;
}

void NoiseGraph::set(std::uint64_t id, std::vector<float> values) {
  Noise& noise = nodes_.at(id).noise;
  if (!noise.needs_gradient() || values.size() != elements_)
    refuse(id, fmt::format("{} values do not belong to it", values.size()));
  noise.made = std::move(values);
}

double NoiseGraph::log_ratio(std::uint64_t id) {
  const Noise& noise = at(id);
  if (noise.made.empty()) return 0;
  std::vector<float> drawn(elements_);
  evaluate(noise.parents.front(), noise.position, drawn);
  return (dot(drawn, drawn) - dot(noise.made, noise.made)) / 2;
}

void NoiseGraph::retain(std::uint64_t id) {
  Node& node = nodes_.at(id);
  ++node.users;
  node.was_used = true;
}

std::vector<std::uint64_t> NoiseGraph::release(std::uint64_t id) {
  --nodes_.at(id).users;
  return drop_if_unneeded(id);
}

std::vector<std::uint64_t> NoiseGraph::drop_if_unneeded(std::uint64_t id) {
  std::vector<std::uint64_t> sources;
  std::vector<std::uint64_t> open{id};
  while (!open.empty()) {
    const auto found = nodes_.find(open.back());
    open.pop_back();
    if (found == nodes_.end()) continue;
    const Node& node = found->second;
    if (!node.was_used || node.users || node.children) continue;
    const std::vector<std::uint64_t> parents = node.noise.parents;
    if (node.noise.needs_gradient()) sources.push_back(node.noise.candidate);
    pivots_.erase(found->first);
    nodes_.erase(found);
    for (std::uint64_t parent : parents) {
      --nodes_.at(parent).children;
      open.push_back(parent);
    }
  }
  return sources;
}

NoiseGraph::Values NoiseGraph::make(const Noise& noise, std::uint32_t position,
                                    const Memo& known) const {
  const auto parent = [&](std::size_t i) -> const Values& { return *known.at(noise.parents[i]); };
  Values out(elements_);
  switch (noise.op) {
    case WN_NOISE_ROTATE:
      fill_normal(noise.at, position, 0, out);
      return rotated(parent(0), out, noise.s);
    case WN_NOISE_MIX:
    case WN_NOISE_LINEAR: {
      std::vector<double> sum(elements_, 0.0);
      for (std::size_t p = 0; p < noise.parents.size(); ++p)
        for (std::size_t i = 0; i < elements_; ++i) sum[i] += noise.weights[p] * parent(p)[i];
      double scale = 1;
      if (noise.op == WN_NOISE_MIX) {
        double squares = 0;
        for (double v : sum) squares += v * v;
        scale = std::sqrt(dot(parent(0), parent(0))) / std::sqrt(squares);
      }
      for (std::size_t i = 0; i < elements_; ++i) out[i] = static_cast<float>(scale * sum[i]);
      return out;
    }
    case WN_NOISE_SPLICE: {
      std::vector<std::uint32_t> words(elements_);
      fill_uniform(noise.at, position, 0, words);
      for (std::size_t i = 0; i < elements_; ++i)
        out[i] = parent(words[i] * 0x1p-32 < noise.s ? 1 : 0)[i];
      return out;
    }
    case WN_NOISE_GRADIENT:
    case WN_NOISE_TWIST:
      if (position != noise.position) return parent(0);
      if (noise.made.empty()) refuse(noise.id, "its gradient was not made");
      return noise.made;
    case WN_NOISE_TENSOR:
      if (position == noise.position) return noise.tensor;
      [[fallthrough]];
    default:
      fill_normal(noise.at, position, 0, out);
      return out;
  }
}

void NoiseGraph::evaluate(std::uint64_t id, std::uint32_t position, std::span<float> out) {
  if (position >= kMaxPosition) refuse(id, fmt::format("position {} is too large", position));
  if (!has(id)) refuse(id, "it is not there (was its candidate forgotten?)");
  if (out.size() != elements_)
    refuse(id, fmt::format("{} elements asked for, a latent has {}", out.size(), elements_));
  const Noise& wanted = at(id);
  if (wanted.op == WN_NOISE_FRESH) return fill_normal(wanted.at, position, 0, out);

  // Parents before children, without recursion: a chain of rotations may be thousands long.
  Memo known;
  std::vector<std::uint64_t> open{id};
  while (!open.empty()) {
    const std::uint64_t next = open.back();
    if (known.contains(next)) {
      open.pop_back();
      continue;
    }
    if (const auto pivot = pivots_.find(next); position == 0 && pivot != pivots_.end()) {
      known.insert(*pivot);
      continue;
    }
    const Noise& noise = at(next);
    const std::size_t before = open.size();
    const bool is_made = position == noise.position && !noise.made.empty();
    for (std::uint64_t parent : noise.parents)
      if (!is_made && !known.contains(parent)) open.push_back(parent);
    if (open.size() > before) continue;
    known[next] = std::make_shared<const Values>(make(noise, position, known));
    open.pop_back();
  }
  std::ranges::copy(*known.at(id), out.begin());
  if (position != 0) return;
  for (std::uint64_t parent : wanted.parents) {
    const auto made = known.find(parent);
    if (made == known.end()) continue;  // `id` was itself a remembered pivot
    if (pivots_.size() >= kMaxPivots) pivots_.clear();
    pivots_[parent] = made->second;
  }
}

}  // namespace winnow

#include "sit_network.hpp"

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace winnow::sit {
namespace {

constexpr int64_t kFrequencies = 256;
constexpr double kMaxPeriod = 10000.0;
constexpr double kNormEps = 1e-6;
constexpr int64_t kMlpRatio = 4;

at::Tensor linear(const Linear& layer, const at::Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

at::Tensor normalise(const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, kNormEps);
}

at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::addcmul(shift.unsqueeze(1), x, (scale + 1).unsqueeze(1));
}

// [n] -> [n, 256]: cosines, then sines.
at::Tensor time_features(const at::Tensor& s) {
  const int64_t half = kFrequencies / 2;
  const at::Tensor index = at::arange(half, s.options().dtype(at::kFloat));
  const at::Tensor frequency = at::exp(index * (-std::log(kMaxPeriod) / static_cast<double>(half)));
  const at::Tensor angle = s.to(at::kFloat).unsqueeze(1) * frequency.unsqueeze(0);
  return at::cat({angle.cos(), angle.sin()}, 1);
}

// The fused kernel's backward pass is 5 times slower in bfloat16 on CPUs than the formula written
// out.
at::Tensor mix_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (!q.requires_grad()) return at::scaled_dot_product_attention(q, k, v);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  return at::matmul(at::softmax(at::matmul(q * scale, k.transpose(-2, -1)), -1), v);
}

at::Tensor attention(const Block& block, const at::Tensor& x, int64_t heads) {
  const int64_t n = x.size(0), tokens = x.size(1), width = x.size(2);
  const at::Tensor qkv =
      linear(block.qkv, x).view({n, tokens, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  const at::Tensor mixed = mix_values(qkv[0], qkv[1], qkv[2]);
  return linear(block.proj, mixed.transpose(1, 2).reshape({n, tokens, width}));
}

// GELU as the authors approximate it. For a network in bfloat16 the exact form, four times as fast
// on CPUs: the two differ by less than 5e-4.
at::Tensor mlp(const Block& block, const at::Tensor& x) {
  const bool rounded = block.fc1.weight.scalar_type() == at::kBFloat16;
  return linear(block.fc2, at::gelu(linear(block.fc1, x), rounded ? "none" : "tanh"));
}

at::Tensor run_block(const Block& block, const at::Tensor& x, const at::Tensor& condition,
                     int64_t heads) {
  const auto m = linear(block.modulation, condition).chunk(6, 1);
  const at::Tensor y = at::addcmul(x, m[2].unsqueeze(1),
                                   attention(block, modulate(normalise(x), m[0], m[1]), heads));
  return at::addcmul(y, m[5].unsqueeze(1), mlp(block, modulate(normalise(y), m[3], m[4])));
}

// [n, tokens, patch patch channels] -> [n, channels, size, size]
at::Tensor unpatchify(const at::Tensor& x, const Config& c) {
  const int64_t side = c.size / c.patch;
  return x.view({x.size(0), side, side, c.patch, c.patch, c.out_channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({x.size(0), c.out_channels, c.size, c.size});
}

// [positions] -> [positions, width]: sines, then cosines.
at::Tensor sincos(const at::Tensor& position, int64_t width) {
  const at::Tensor index = at::arange(width / 2, at::kDouble) / static_cast<double>(width / 2);
  const at::Tensor angle = at::outer(position, at::pow(kMaxPeriod, -index));
  return at::cat({angle.sin(), angle.cos()}, 1);
}

at::Tensor position_table(const Config& c) {
  const int64_t side = c.size / c.patch;
  const at::Tensor axis = at::arange(side, at::kDouble);
  // The authors' meshgrid puts the column first.
  const at::Tensor column = axis.repeat({side});
  const at::Tensor row = axis.repeat_interleave(side);
  return at::cat({sincos(column, c.width / 2), sincos(row, c.width / 2)}, 1)
      .to(at::kFloat)
      .unsqueeze(0)
      .contiguous();
}

std::string text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

const at::Tensor& find(const std::map<std::string, at::Tensor>& tensors, const std::string& name,
                       int64_t dims) {
  const auto found = tensors.find(name);
  if (found == tensors.end())
    throw std::runtime_error("SiT weights: tensor '" + name + "' is missing");
  if (found->second.dim() != dims) {
    throw std::runtime_error("SiT weights: tensor '" + name + "' should have " +
                             std::to_string(dims) + " dimensions, its shape is " +
                             text(found->second.sizes()));
  }
  return found->second;
}

Config config_from_tensors(const std::map<std::string, at::Tensor>& tensors, int64_t heads) {
  Config c;
  const at::Tensor& patch = find(tensors, "x_embedder.proj.weight", 4);
  c.width = patch.size(0);
  c.channels = patch.size(1);
  c.patch = patch.size(2);
  c.heads = heads;
  if (c.width < 4 || c.width % 4 != 0 || c.channels < 1 || c.patch < 1 || heads < 1 ||
      c.width % heads != 0) {
    throw std::runtime_error("SiT weights: patch embedding " + text(patch.sizes()) + " and " +
                             std::to_string(heads) + " heads do not fit together");
  }
  const int64_t tokens = find(tensors, "pos_embed", 3).size(1);
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens))));
  if (tokens < 1 || side * side != tokens) {
    throw std::runtime_error("SiT weights: pos_embed has " + std::to_string(tokens) +
                             " tokens, a square number was expected");
  }
  c.size = side * c.patch;
  c.classes = find(tensors, "y_embedder.embedding_table.weight", 2).size(0) - 1;
  c.out_channels = find(tensors, "final_layer.linear.weight", 2).size(0) / (c.patch * c.patch);
  if (c.classes < 0 || (c.out_channels != c.channels && c.out_channels != 2 * c.channels)) {
    throw std::runtime_error("SiT weights: " + std::to_string(c.out_channels) +
                             " output channels for " + std::to_string(c.channels) +
                             " input channels, once or twice as many were expected");
  }
  c.depth = 0;
  while (tensors.count("blocks." + std::to_string(c.depth) + ".attn.qkv.weight") != 0) ++c.depth;
  return c;
}

// Empty tensors of the right shapes, on no real memory.
Network skeleton(const Config& c) {
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  const auto layer = [&](int64_t out, int64_t in) {
    return Linear{at::empty({out, in}, meta), at::empty({out}, meta)};
  };
  const int64_t side = c.size / c.patch, w = c.width;
  Network net;
  net.config = c;
  net.patch = {at::empty({w, c.channels, c.patch, c.patch}, meta), at::empty({w}, meta)};
  net.time_in = layer(w, kFrequencies);
  net.time_out = layer(w, w);
  net.class_table = at::empty({c.classes + 1, w}, meta);
  for (int64_t i = 0; i < c.depth; ++i) {
    net.blocks.push_back({layer(3 * w, w), layer(w, w), layer(kMlpRatio * w, w),
                          layer(w, kMlpRatio * w), layer(6 * w, w)});
  }
  net.final_modulation = layer(2 * w, w);
  net.final_linear = layer(c.patch * c.patch * c.out_channels, w);
  net.position = at::empty({1, side * side, w}, meta);
  return net;
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  const auto layer = [&](const std::string& name, Linear& l) {
    visit(name + ".weight", l.weight);
    visit(name + ".bias", l.bias);
  };
  layer("x_embedder.proj", net.patch);
  layer("t_embedder.mlp.0", net.time_in);
  layer("t_embedder.mlp.2", net.time_out);
  visit("y_embedder.embedding_table.weight", net.class_table);
  for (size_t i = 0; i < net.blocks.size(); ++i) {
    const std::string name = "blocks." + std::to_string(i);
    Block& block = net.blocks[i];
    layer(name + ".attn.qkv", block.qkv);
    layer(name + ".attn.proj", block.proj);
    layer(name + ".mlp.fc1", block.fc1);
    layer(name + ".mlp.fc2", block.fc2);
    layer(name + ".adaLN_modulation.1", block.modulation);
  }
  layer("final_layer.adaLN_modulation.1", net.final_modulation);
  layer("final_layer.linear", net.final_linear);
  visit("pos_embed", net.position);
}

Network make_network(const Config& config, at::Generator generator) {
  Network net = skeleton(config);
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    tensor = at::zeros(tensor.sizes(), at::kFloat);
    const bool zero = name.find("adaLN") != std::string::npos ||
                      name.find("final_layer") != std::string::npos || tensor.dim() == 1;
    if (zero) return;
    if (name.rfind("t_embedder", 0) == 0 || name.rfind("y_embedder", 0) == 0) {
      tensor.normal_(0.0, 0.02, generator);
      return;
    }
    const double fan_out = static_cast<double>(tensor.size(0));
    const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
    const double bound = std::sqrt(6.0 / (fan_in + fan_out));
    tensor.uniform_(-bound, bound, generator);
  });
  net.position = position_table(config);
  return net;
}

Network network_from_tensors(const std::map<std::string, at::Tensor>& tensors, int64_t heads) {
  Network net = skeleton(config_from_tensors(tensors, heads));
  size_t used = 0;
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    const at::Tensor& found = find(tensors, name, tensor.dim());
    if (found.sizes() != tensor.sizes()) {
      throw std::runtime_error("SiT weights: tensor '" + name + "' has the shape " +
                               text(found.sizes()) + ", expected " + text(tensor.sizes()));
    }
    tensor = found;
    ++used;
  });
  if (used != tensors.size()) {
    throw std::runtime_error("SiT weights: " + std::to_string(tensors.size() - used) +
                             " tensors are not part of a SiT of depth " +
                             std::to_string(net.config.depth));
  }
  return net;
}

at::Tensor velocity(const Network& net, const at::Tensor& x, const at::Tensor& s,
                    const at::Tensor& label) {
  const Config& c = net.config;
  at::Tensor tokens = at::conv2d(x, net.patch.weight, net.patch.bias, c.patch);
  tokens = tokens.flatten(2).transpose(1, 2) + net.position;
  const at::Tensor time =
      linear(net.time_out, at::silu(linear(net.time_in, time_features(s).to(x.scalar_type()))));
  const at::Tensor condition = at::silu(time + at::embedding(net.class_table, label));
  for (const Block& block : net.blocks) tokens = run_block(block, tokens, condition, c.heads);
  const auto m = linear(net.final_modulation, condition).chunk(2, 1);
  const at::Tensor out = linear(net.final_linear, modulate(normalise(tokens), m[0], m[1]));
  return unpatchify(out, c).narrow(1, 0, c.channels);
}

double velocity_flops(const Config& c) {
  const auto w = static_cast<double>(c.width), depth = static_cast<double>(c.depth);
  const auto side = static_cast<double>(c.size / c.patch), tokens = side * side;
  const auto area = static_cast<double>(c.patch * c.patch);
  const double in = area * static_cast<double>(c.channels);
  const double out = area * static_cast<double>(c.out_channels);
  const double embeddings = tokens * in * w + kFrequencies * w + w * w;
  const double block = (4 + 2 * kMlpRatio) * tokens * w * w + 2 * tokens * tokens * w + 6 * w * w;
  return 2 * (embeddings + depth * block + 2 * w * w + tokens * w * out);
}

}  // namespace winnow::sit

#include "sit_layers.hpp"

#include <cmath>
#include <sstream>
#include <stdexcept>

namespace winnow::sit {
namespace {

constexpr double kMaxPeriod = 10000.0;
constexpr double kNormEps = 1e-6;

// [positions] -> [positions, width]: sines, then cosines.
at::Tensor sincos(const at::Tensor& position, int64_t width) {
  const at::Tensor index = at::arange(width / 2, at::kDouble) / static_cast<double>(width / 2);
  const at::Tensor angle = at::outer(position, at::pow(kMaxPeriod, -index));
  return at::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace

at::Tensor linear(const Linear& layer, const at::Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

at::Tensor normalise(const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, {}, {}, kNormEps);
}

at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) {
  return at::addcmul(shift.unsqueeze(1), x, (scale + 1).unsqueeze(1));
}

at::Tensor time_features(const at::Tensor& s) {
  const int64_t half = kFrequencies / 2;
  const at::Tensor index = at::arange(half, s.options().dtype(at::kFloat));
  const at::Tensor frequency = at::exp(index * (-std::log(kMaxPeriod) / static_cast<double>(half)));
  const at::Tensor angle = s.to(at::kFloat).unsqueeze(1) * frequency.unsqueeze(0);
  return at::cat({angle.cos(), angle.sin()}, 1);
}

// The fused kernel's backward pass is 5 times slower in bfloat16 on CPUs than the formula written
// out.
at::Tensor mix_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const at::Tensor& bias) {
  if (!q.requires_grad()) {
    return bias.defined() ? at::scaled_dot_product_attention(q, k, v, bias.to(q.scalar_type()))
                          : at::scaled_dot_product_attention(q, k, v);
  }
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
  at::Tensor logits = at::matmul(q * scale, k.transpose(-2, -1));
  if (bias.defined()) logits = logits + bias.to(logits.scalar_type());
  return at::matmul(at::softmax(logits, -1), v);
}

at::Tensor split_heads(const at::Tensor& x, int64_t parts, int64_t heads) {
  const int64_t n = x.size(0), tokens = x.size(1), size = x.size(2) / parts / heads;
  return x.view({n, tokens, parts, heads, size}).permute({2, 0, 3, 1, 4});
}

at::Tensor join_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

at::Tensor attention(const Block& block, const at::Tensor& x, int64_t heads) {
  const at::Tensor qkv = split_heads(linear(block.qkv, x), 3, heads);
  return linear(block.proj, join_heads(mix_values(qkv[0], qkv[1], qkv[2])));
}

at::Tensor unpatchify(const at::Tensor& x, int64_t patch, int64_t channels) {
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(x.size(1)))));
  return x.view({x.size(0), side, side, patch, patch, channels})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape({x.size(0), channels, side * patch, side * patch});
}

at::Tensor position_table(int64_t side, int64_t width) {
  const at::Tensor axis = at::arange(side, at::kDouble);
  // The authors' meshgrid puts the column first.
  const at::Tensor column = axis.repeat({side});
  const at::Tensor row = axis.repeat_interleave(side);
  return at::cat({sincos(column, width / 2), sincos(row, width / 2)}, 1)
      .to(at::kFloat)
      .unsqueeze(0)
      .contiguous();
}

void visit_linear(const std::string& name, Linear& layer, const Visit& visit) {
  visit(name + ".weight", layer.weight);
  visit(name + ".bias", layer.bias);
}

void visit_block(const std::string& name, Block& block, const Visit& visit) {
  visit_linear(name + ".attn.qkv", block.qkv, visit);
  visit_linear(name + ".attn.proj", block.proj, visit);
  visit_linear(name + ".mlp.fc1", block.fc1, visit);
  visit_linear(name + ".mlp.fc2", block.fc2, visit);
  visit_linear(name + ".adaLN_modulation.1", block.modulation, visit);
}

Linear empty_linear(int64_t out, int64_t in) {
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  return {at::empty({out, in}, meta), at::empty({out}, meta)};
}

Block empty_block(int64_t w) {
  return {empty_linear(3 * w, w), empty_linear(w, w), empty_linear(kMlpRatio * w, w),
          empty_linear(w, kMlpRatio * w), empty_linear(6 * w, w)};
}

at::Tensor initial_value(const std::string& name, at::IntArrayRef shape, at::Generator generator) {
  const at::Tensor tensor = at::zeros(shape, at::kFloat);
  const bool zero = name.find("adaLN") != std::string::npos ||
                    name.find("final_layer") != std::string::npos || tensor.dim() == 1;
  if (zero) return tensor;
  if (name.rfind("t_embedder", 0) == 0 || name.rfind("y_embedder", 0) == 0) {
    return tensor.normal_(0.0, 0.02, generator);
  }
  const double fan_out = static_cast<double>(tensor.size(0));
  const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
  const double bound = std::sqrt(6.0 / (fan_in + fan_out));
  return tensor.uniform_(-bound, bound, generator);
}

const at::Tensor& find_tensor(const Tensors& tensors, const std::string& name, int64_t dims,
                              const std::string& what) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw std::runtime_error(what + ": tensor '" + name + "' is missing");
  }
  if (found->second.dim() != dims) {
    throw std::runtime_error(what + ": tensor '" + name + "' should have " + std::to_string(dims) +
                             " dimensions, its shape is " + shape_text(found->second.sizes()));
  }
  return found->second;
}

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

}  // namespace winnow::sit

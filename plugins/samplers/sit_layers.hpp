// What the SiT networks are made of: functions over named tensors, shared by the class-conditional
// SiT (sit_network.hpp) and the text-conditional one (text_sit_network.hpp).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace winnow::sit {

inline constexpr int64_t kFrequencies = 256;  // of the time
inline constexpr int64_t kMlpRatio = 4;

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

struct Block {
  Linear qkv, proj, fc1, fc2;
  Linear modulation;  // width -> 6 width: shift, scale, gate of the attention, then of the MLP
};

using Visit = std::function<void(const std::string&, at::Tensor&)>;
using Tensors = std::map<std::string, at::Tensor>;

at::Tensor linear(const Linear& layer, const at::Tensor& x);
// Layer norm over the last dimension, without parameters.
at::Tensor normalise(const at::Tensor& x);
// x [n, tokens, width] (scale [n, width] + 1) + shift [n, width]
at::Tensor modulate(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale);
// s [n] -> [n, 256]: cosines, then sines.
at::Tensor time_features(const at::Tensor& s);

// softmax(q k' / sqrt(size) + bias) v over [n, heads, tokens, size]; an undefined bias is none.
at::Tensor mix_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                      const at::Tensor& bias = {});
// [n, tokens, parts width] -> [parts, n, heads, tokens, width / heads]
at::Tensor split_heads(const at::Tensor& x, int64_t parts, int64_t heads);
// [n, heads, tokens, size] -> [n, tokens, heads size]
at::Tensor join_heads(const at::Tensor& x);
at::Tensor attention(const Block& block, const at::Tensor& x, int64_t heads);

// [n, side^2, patch patch channels] -> [n, channels, side patch, side patch]
at::Tensor unpatchify(const at::Tensor& x, int64_t patch, int64_t channels);
// The fixed table [1, side^2, width] of two-dimensional sines and cosines.
at::Tensor position_table(int64_t side, int64_t width);

void visit_linear(const std::string& name, Linear& layer, const Visit& visit);
void visit_block(const std::string& name, Block& block, const Visit& visit);
// Empty tensors of the right shapes, on no real memory.
Linear empty_linear(int64_t out, int64_t in);
Block empty_block(int64_t width);

// As the authors initialise a tensor of this name: zeros for the modulations, the last layer and
// biases, a normal distribution for the tables, Xavier's uniform distribution for the rest.
at::Tensor initial_value(const std::string& name, at::IntArrayRef shape, at::Generator generator);

// The tensor of this name. Throws std::runtime_error when it is missing or has other than `dims`
// dimensions; `what` begins the message.
const at::Tensor& find_tensor(const Tensors& tensors, const std::string& name, int64_t dims,
                              const std::string& what);
std::string shape_text(at::IntArrayRef shape);

}  // namespace winnow::sit

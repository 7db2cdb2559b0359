// SiT, the Scalable Interpolant Transformer (Ma et al., 2024, arXiv:2401.08740), as functions over
// named tensors.
//
// One definition serves training and inference. Tensor names are those of the authors' code
// (willisma/SiT, models.py), so their checkpoints load once converted to safetensors.
//
// The network keeps the authors' clock: its time s is 1 at DATA and 0 at NOISE, and its output is
// the velocity dx/ds = data - noise. winnow counts the other way (t = 1 - s); the sampler plugin
// converts, nothing else does.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "samplers/sit_layers.hpp"

namespace winnow::sit {

struct Config {
  int64_t depth = 6;
  int64_t width = 128;
  int64_t heads = 4;
  int64_t patch = 4;
  int64_t channels = 1;
  int64_t out_channels = 1;  // 2 x channels in checkpoints trained with learn_sigma
  int64_t size = 28;         // pixels per side, a multiple of patch
  int64_t classes = 10;      // without the null class
};

struct Network {
  Config config;
  Linear patch;  // weight [width, channels, patch, patch]
  Linear time_in, time_out;
  at::Tensor class_table;  // [classes + 1, width]; the last row is the null class
  at::Tensor position;     // [1, tokens, width], fixed
  std::vector<Block> blocks;
  Linear final_modulation, final_linear;
};

// Calls `visit` with the checkpoint name of every tensor. The fixed position table comes last.
void for_each_tensor(Network& network,
                     const std::function<void(const std::string&, at::Tensor&)>& visit);

// float32 on the CPU, initialised as the authors do: the network's first output is exactly zero.
Network make_network(const Config& config, at::Generator generator);

// Everything but `heads` follows from the shapes. Throws std::runtime_error naming the tensor that
// is missing, left over or of the wrong shape.
Network network_from_tensors(const std::map<std::string, at::Tensor>& tensors, int64_t heads);

// x [n, channels, size, size], s [n] in [0, 1], label int64 [n] in [0, classes] (classes: no
// condition). Returns [n, channels, size, size].
at::Tensor velocity(const Network& network, const at::Tensor& x, const at::Tensor& s,
                    const at::Tensor& label);

// Floating-point operations of `velocity` for one item: its matrix products, a multiplication with
// its addition counted as two; what is done element by element (norms, GELU, softmax) is left out.
// With T = (size / patch)^2 tokens, width w, depth D, P = patch^2 channels, O = patch^2
// out_channels and F = 256 time frequencies:
//   2 [ T P w + F w + w^2  +  D (12 T w^2 + 2 T^2 w + 6 w^2)  +  2 w^2 + T w O ]
// (patches, time; per block qkv 3, projection 1 and MLP 8 T w^2, attention, modulation; last
// layer).
double velocity_flops(const Config& config);

}  // namespace winnow::sit

// Small image classifiers as functions over named tensors; one definition serves training and
// verifiers.
//
// A network is a stack of convolutions, then perhaps MLP-mixer blocks (Tolstikhin et al., 2021), a
// feature layer over all positions or over their mean, and a linear head. What it has follows from
// the names and shapes in the file:
//   convs.N.{weight,bias}, convs.N.norm.{weight,bias}          k x k, padding k/2, group norm,
//   GELU; residual if it fits mixers.N.{token,channel}_{norm,in,out}.{weight,bias}
//   feature.{weight,bias}, head.{weight,bias}
// Only the strides of the convolutions stand in the file's metadata ("strides" = "1 2 2").
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "safetensors.hpp"

namespace winnow::classifier {

struct Layer {
  at::Tensor weight, bias;
};

struct Conv {
  Layer conv;  // weight [out, in, k, k], k odd
  Layer norm;  // [out]
  int64_t stride = 1;
};

struct Mixer {
  Layer token_norm, token_in, token_out;        // over the positions
  Layer channel_norm, channel_in, channel_out;  // over the channels
};

struct Network {
  std::vector<Conv> convs;
  std::vector<Mixer> mixers;
  Layer feature, head;
  int64_t channels() const { return convs[0].conv.weight.size(1); }  // of an image
  int64_t classes() const { return head.bias.size(0); }
};

struct Output {
  at::Tensor features;  // [n, width of the feature layer]
  at::Tensor logits;    // [n, classes]
};

struct Shape {
  int64_t size = 28;  // pixels per side
  int64_t channels = 1;
  std::vector<int64_t> widths, kernels, strides;  // of the convolutions
  int64_t mixers = 0;
  int64_t token_hidden = 0, channel_hidden = 0;
  bool flatten = false;  // the feature layer sees all positions, not their mean
  int64_t features = 96;
  int64_t classes = 10;
};

// Calls `visit` with the name of every tensor.
void for_each_tensor(Network& network,
                     const std::function<void(const std::string&, at::Tensor&)>& visit);

Network make_network(const Shape& shape, at::Generator generator);

// Does it take images of this size? A network that pools takes any.
bool takes(const Network& network, int64_t height, int64_t width);

// The metadata that `load_network` needs beside the tensors. An "encoder" was trained without
// labels up to its features; only its head saw them.
std::map<std::string, std::string> network_metadata(const Network& network,
                                                    const std::string& architecture = "classifier");

// float32 on the CPU. Throws std::runtime_error naming the file and what is wrong with it.
Network load_network(const std::string& path, const std::string& architecture = "classifier");

// The network among the tensors of a file whose names begin with `prefix`; takes them out of
// `tensors`.
Network take_network(const SafetensorsFile& file, std::map<std::string, at::Tensor>& tensors,
                     const std::string& prefix);

// Throws unless the file's metadata says that it holds this architecture.
void check_architecture(const SafetensorsFile& file, const std::string& architecture);

// images [n, channels, size, size] in [0, 1]. An item's result depends on that item alone, up to
// kernel rounding. [n, width of the feature layer]
at::Tensor features(const Network& network, const at::Tensor& images);
// The features and what the head makes of them.
Output classify(const Network& network, const at::Tensor& images);
// The same in two steps; the grid [n, positions, channels] is what stands before the feature layer.
at::Tensor grid(const Network& network, const at::Tensor& images);
Output classify_grid(const Network& network, const at::Tensor& grid);

}  // namespace winnow::classifier

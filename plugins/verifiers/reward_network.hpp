// A small preference model as functions over named tensors; one definition serves training and the
// verifier.
//
//   reward(image, text) = look(image) + fit(image, text)
//
// look is a network of classifier_network.hpp with a head of one number. For fit the words of the
// text look at the grid that the image's convolutions leave: before each block of the text tower of
// text_tower.hpp stands a cross attention to it, as in the BLIP of ImageReward (Xu et
// al., 2023, arXiv:2304.05977). The tower's projection gives one number. Tensors of the file:
//   image.*                                          as classifier_network.hpp names them
//   grid.{weight,bias} [width, channels], places [positions, width]
//   text.*                                           as text_tower.hpp names them
//   cross.N.{norm,query,key_value,out}.{weight,bias}
// Metadata: architecture = "image-reward", strides, heads, vocabulary (words between blanks).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "verifiers/text_tower.hpp"

namespace winnow::reward {

using classifier::Layer;

struct Cross {
  Layer norm, query, key_value, out;
};

struct Network {
  classifier::Network image;
  Layer grid;
  at::Tensor places;
  text_tower::Tower text;
  std::vector<Cross> crosses;  // one for each block of the text
};

void for_each_tensor(Network& network,
                     const std::function<void(const std::string&, at::Tensor&)>& visit);

// image.classes is 1.
Network make_network(const classifier::Shape& image, const text_tower::Shape& text,
                     Vocabulary vocabulary, at::Generator generator);

// The metadata that `load_network` needs beside the tensors.
std::map<std::string, std::string> network_metadata(const Network& network);

// float32 on the CPU. Throws std::runtime_error naming the file and what is wrong with it.
Network load_network(const std::string& path);

// images [n, channels, size, size] in [0, 1] and as many texts as words -> [n]. An item's reward
// depends on that item alone, up to kernel rounding.
at::Tensor rewards(const Network& network, const at::Tensor& images,
                   const text_tower::Words& texts);

}  // namespace winnow::reward

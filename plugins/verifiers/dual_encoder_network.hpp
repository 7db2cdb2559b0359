// A small image-text dual encoder (CLIP, Radford et al., 2021) as functions over named tensors; one
// definition serves training and verifiers.
//
// The image tower is a network of classifier_network.hpp whose head leads into the joint space, as
// the projection of the text tower does. Tensors of the file:
//   image.*            as classifier_network.hpp names them
//   text.*             as text_tower.hpp names them
//   log_scale [1]
// Metadata: architecture = "dual-encoder", strides, heads, vocabulary (words between blanks),
// prompts and class_words (one a line).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "verifiers/classifier_network.hpp"
#include "verifiers/text_tower.hpp"

namespace winnow::dual {

struct Network {
  classifier::Network image;  // its head: [joint width, features]
  text_tower::Tower text;
  at::Tensor log_scale;  // [1]
  // How the file asks for its classes when nobody says otherwise; {} stands for the class word.
  std::vector<std::string> prompts, class_words;
  // What multiplies cosines; at most 100, as in CLIP.
  at::Tensor scale() const { return log_scale.clamp_max(4.6052).exp(); }
};

// Calls `visit` with the name of every tensor.
void for_each_tensor(Network& network,
                     const std::function<void(const std::string&, at::Tensor&)>& visit);

// image.classes is the width of the joint space.
Network make_network(const classifier::Shape& image, const text_tower::Shape& text,
                     Vocabulary vocabulary, at::Generator generator);

// The metadata that `load_network` needs beside the tensors.
std::map<std::string, std::string> network_metadata(const Network& network);

// float32 on the CPU. Throws std::runtime_error naming the file and what is wrong with it.
Network load_network(const std::string& path);

// Rows of length 1. images [n, channels, size, size] in [0, 1] -> [n, joint width]
at::Tensor embed_images(const Network& network, const at::Tensor& images);
// texts -> [n, joint width], rows of length 1. Throws std::runtime_error for unknown words and for
// texts that are too long. A text's row depends on that text alone, up to kernel rounding.
at::Tensor embed_texts(const Network& network, const std::vector<std::string>& texts);

// The mean of the embeddings of the prompts for each class word, of length 1 again:
// [classes, joint width]. Throws std::runtime_error for a prompt without {}.
at::Tensor embed_classes(const Network& network, const std::vector<std::string>& prompts,
                         const std::vector<std::string>& class_words);

}  // namespace winnow::dual

// A small text encoder as functions over named tensors: a pre-norm transformer over the words of a
// closed vocabulary; what it says of a text is the mean over its words. Tensors of the file:
//   text.words [V, width], text.positions [length, width]
//   text.blocks.N.{norm1,qkv,out,norm2,up,down}.{weight,bias}     the hidden width is 2 * width
//   text.norm.{weight,bias}, text.projection.{weight,bias}
// Metadata: heads, vocabulary (words between blanks).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "verifiers/classifier_network.hpp"
#include "vocabulary.hpp"

namespace winnow::text_tower {

using classifier::Layer;
using Tensors = std::map<std::string, at::Tensor>;

struct Block {
  Layer norm1, qkv, out;
  Layer norm2, up, down;
};

struct Tower {
  at::Tensor words, positions;
  std::vector<Block> blocks;
  Layer norm, projection;
  int64_t heads = 1;
  Vocabulary vocabulary;
};

struct Shape {
  int64_t length = 16, width = 64, blocks = 2, heads = 4;
};

// Texts of any lengths, side by side.
struct Words {
  at::Tensor embedded;  // [n, length, width]
  at::Tensor bias;      // [n, 1, 1, length]: 0 for words, -infinity for padding
  at::Tensor known;     // [n, length, 1]: 1 for words, 0 for padding

  Words select(const at::Tensor& index) const;  // rows, as index_select takes them
};

// Calls `visit` with the name of every tensor.
void for_each_tensor(Tower& tower,
                     const std::function<void(const std::string&, at::Tensor&)>& visit);

// `outputs` is what the projection gives.
Tower make(const Shape& shape, Vocabulary vocabulary, int64_t outputs, at::Generator generator);

// The metadata that `take` needs beside the tensors.
std::map<std::string, std::string> metadata(const Tower& tower);

// The tower among the tensors of a file; takes them out of `tensors`. Throws std::runtime_error
// naming the file and what is wrong with it.
Tower take(const SafetensorsFile& file, Tensors& tensors, int64_t outputs);
// One tensor of this shape, alike.
at::Tensor take_tensor(const SafetensorsFile& file, Tensors& tensors, const std::string& name,
                       at::IntArrayRef shape);

// A text as places in the vocabulary. Throws std::runtime_error for unknown words and for texts
// that are too long.
std::vector<int64_t> places_of(const Tower& tower, const std::string& text);

Words embed(const Tower& tower, const std::vector<std::vector<int64_t>>& texts);
// x [n, length, width], bias as in Words.
at::Tensor run_block(const Block& block, const at::Tensor& x, const at::Tensor& bias,
                     int64_t heads);
// What the projection makes of the mean of the words: x [n, length, width] -> [n, outputs].
at::Tensor project(const Tower& tower, const at::Tensor& x, const Words& words);

}  // namespace winnow::text_tower

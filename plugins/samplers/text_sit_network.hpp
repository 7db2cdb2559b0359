// A text-conditional SiT: the blocks of sit_layers.hpp, each with a cross attention to a text in
// between (as PixArt-alpha does: Chen et al., 2023, arXiv:2310.00426), and a text tower of its own,
// a pre-norm transformer over the words of a closed vocabulary.
//
// The mean of the text's states is added to the time embedding, so that every block knows the whole
// of the text too. No text is a text of one null word, learned beside the others; with it
// classifier-free guidance works.
//
// The clock is that of sit_network.hpp: s is 1 at DATA and 0 at NOISE, the output is dx/ds = data -
// noise. Tensors of the file:
//   x_embedder.proj, t_embedder.mlp.0, t_embedder.mlp.2, pos_embed, final_layer.*,
//   blocks.N.{attn.qkv,attn.proj,mlp.fc1,mlp.fc2,adaLN_modulation.1}   as in sit_network.hpp
//   blocks.N.cross.{query,key_value,proj}
//   text.words [V + 1, width], the last row the null word; text.positions [length, width]
//   text.blocks.N.{norm1,qkv,out,norm2,up,down}, text.norm, text.pooled
// Metadata: architecture = "text-sit", heads, vocabulary (words between blanks).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "samplers/sit_layers.hpp"
#include "vocabulary.hpp"

namespace winnow::text_sit {

using sit::Linear;

struct Config {
  int64_t depth = 6;
  int64_t width = 128;
  int64_t heads = 4;
  int64_t patch = 4;
  int64_t channels = 3;
  int64_t size = 32;    // pixels per side, a multiple of patch
  int64_t words = 0;    // of the vocabulary, without the null word
  int64_t length = 32;  // words of a text, at most
  int64_t text_depth = 2;
};

struct Block {
  sit::Block own;
  Linear query, key_value, proj;  // of the cross attention
};

struct TextBlock {
  Linear norm1, qkv, out;
  Linear norm2, up, down;
};

struct Network {
  Config config;
  Vocabulary vocabulary;
  Linear patch;  // weight [width, channels, patch, patch]
  Linear time_in, time_out;
  at::Tensor position;  // [1, tokens, width], fixed
  std::vector<Block> blocks;
  Linear final_modulation, final_linear;
  at::Tensor words, text_positions;
  std::vector<TextBlock> text_blocks;
  Linear text_norm, text_pooled;
};

// Encoded texts, ready for the blocks.
struct Texts {
  at::Tensor states;  // [n, length, width]
  at::Tensor bias;    // [n, 1, 1, length]: 0 for a word, very negative for a filled-in place
  at::Tensor pooled;  // [n, width]

  Texts select(const at::Tensor& index) const;  // rows, as index_select takes them
};

void for_each_tensor(Network& network, const sit::Visit& visit);

// float32 on the CPU; the network's first output is exactly zero. config.words follows from the
// vocabulary.
Network make_network(Config config, Vocabulary vocabulary, at::Generator generator);

// The metadata that `load_network` needs beside the tensors.
std::map<std::string, std::string> network_metadata(const Network& network);

// float32 on the CPU. Throws std::runtime_error naming the file and the tensor that is missing,
// left over or of the wrong shape.
Network load_network(const std::string& path);

// Texts as places in the vocabulary; an empty list is no text. Throws std::runtime_error for an
// unknown word (naming the nearest known ones), a text without words or of more than config.length.
std::vector<int64_t> words_of(const Network& network, const std::string& text);

// A text's rows depend on that text alone, up to kernel rounding. They have room for the longest of
// the texts and for `room` words at least.
Texts encode(const Network& network, const std::vector<std::vector<int64_t>>& texts,
             int64_t room = 1);

// x [n, channels, size, size], s [n] in [0, 1]. Returns [n, channels, size, size].
at::Tensor velocity(const Network& network, const at::Tensor& x, const at::Tensor& s,
                    const Texts& texts);

// Floating-point operations of `velocity` for one item beside a text of `length` words, counted as
// sit::velocity_flops counts; what a text costs to encode, once, is left out. Each block has, above
// those of a SiT, 2 (2 T w^2 + 2 L w^2 + 2 T L w) for its cross attention.
double velocity_flops(const Config& config, int64_t length);

}  // namespace winnow::text_sit

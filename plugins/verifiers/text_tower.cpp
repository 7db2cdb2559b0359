#include "text_tower.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "../in_quotes.hpp"
#include "../safetensors_torch.hpp"

namespace winnow::text_tower {
namespace {

constexpr int64_t kMaxHeads = 64, kHiddenRatio = 2;

using Visit = std::function<void(const std::string&, at::Tensor&, std::vector<int64_t> shape)>;

// With the shape that each tensor should have, which follows from the words and the positions.
void for_each_inner_tensor(Tower& tower, int64_t outputs, const Visit& visit) {
  const int64_t width = tower.words.size(1);
  const auto layer = [&](const std::string& name, Layer& l, int64_t to, int64_t from) {
    visit(name + ".weight", l.weight,
          from == 0 ? std::vector<int64_t>{to} : std::vector<int64_t>{to, from});
    visit(name + ".bias", l.bias, {to});
  };
  for (size_t i = 0; i < tower.blocks.size(); ++i) {
    const std::string name = "text.blocks." + std::to_string(i);
    Block& b = tower.blocks[i];
    layer(name + ".norm1", b.norm1, width, 0);
    layer(name + ".qkv", b.qkv, 3 * width, width);
    layer(name + ".out", b.out, width, width);
    layer(name + ".norm2", b.norm2, width, 0);
    layer(name + ".up", b.up, kHiddenRatio * width, width);
    layer(name + ".down", b.down, width, kHiddenRatio * width);
  }
  layer("text.norm", tower.norm, width, 0);
  layer("text.projection", tower.projection, outputs, width);
}

at::Tensor linear(const Layer& layer, const at::Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

at::Tensor normalise(const Layer& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias);
}

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& why) {
  throw std::runtime_error(file.path + ": " + why);
}

at::Tensor take_any(const SafetensorsFile& file, Tensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) refuse(file, "tensor '" + name + "' is missing");
  const at::Tensor out = found->second;
  tensors.erase(found);
  return out;
}

Vocabulary read_vocabulary(const SafetensorsFile& file) {
  const auto found = file.metadata.find("vocabulary");
  if (found == file.metadata.end()) refuse(file, "the metadata has no 'vocabulary'");
  std::istringstream in(found->second);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return Vocabulary(words);
}

}  // namespace

Words Words::select(const at::Tensor& index) const {
  return {embedded.index_select(0, index), bias.index_select(0, index),
          known.index_select(0, index)};
}

void for_each_tensor(Tower& tower,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  visit("text.words", tower.words);
  visit("text.positions", tower.positions);
  for_each_inner_tensor(
      tower, 0,
      [&](const std::string& name, at::Tensor& t, const std::vector<int64_t>&) { visit(name, t); });
}

Tower make(const Shape& shape, Vocabulary vocabulary, int64_t outputs, at::Generator generator) {
  Tower tower;
  tower.vocabulary = std::move(vocabulary);
  const auto known = static_cast<int64_t>(tower.vocabulary.words().size());
  tower.words = at::empty({known, shape.width}, at::kFloat).normal_(0, 0.1, generator);
  tower.positions = at::empty({shape.length, shape.width}, at::kFloat).normal_(0, 0.02, generator);
  tower.heads = shape.heads;
  tower.blocks.resize(static_cast<size_t>(shape.blocks));
  for_each_inner_tensor(
      tower, outputs,
      [&](const std::string& name, at::Tensor& tensor, const std::vector<int64_t>& s) {
        tensor = at::zeros(s, at::kFloat);
        if (s.size() == 2)
          tensor.normal_(0, std::sqrt(1.0 / static_cast<double>(s[1])), generator);
        else if (name.find("norm") != std::string::npos && name.find("weight") != std::string::npos)
          tensor.fill_(1);
      });
  return tower;
}

std::map<std::string, std::string> metadata(const Tower& tower) {
  std::string words;
  for (const std::string& word : tower.vocabulary.words()) {
    words += (words.empty() ? "" : " ") + word;
  }
  return {{"heads", std::to_string(tower.heads)}, {"vocabulary", words}};
}

at::Tensor take_tensor(const SafetensorsFile& file, Tensors& tensors, const std::string& name,
                       at::IntArrayRef shape) {
  const at::Tensor out = take_any(file, tensors, name);
  if (out.sizes() == shape) return out;
  std::ostringstream why;
  why << "tensor '" << name << "' is " << out.sizes() << ", expected " << shape;
  refuse(file, why.str());
}

Tower take(const SafetensorsFile& file, Tensors& tensors, int64_t outputs) {
  Tower tower;
  tower.vocabulary = read_vocabulary(file);
  tower.words = take_any(file, tensors, "text.words");
  tower.positions = take_any(file, tensors, "text.positions");
  const auto known = static_cast<int64_t>(tower.vocabulary.words().size());
  if (tower.words.dim() != 2 || tower.words.size(0) != known || tower.positions.dim() != 2 ||
      tower.positions.size(1) != tower.words.size(1) || tower.positions.numel() == 0) {
    refuse(file, "text.words and text.positions should be [" + std::to_string(known) +
                     ", width] and [length, width], as the vocabulary has " +
                     std::to_string(known) + " words");
  }
  tower.heads = metadata_integer(file, "heads", 1, kMaxHeads);
  if (tower.words.size(1) % tower.heads != 0)
    refuse(file, "heads does not divide the text's width");
  while (tensors.count("text.blocks." + std::to_string(tower.blocks.size()) + ".qkv.weight") != 0)
    tower.blocks.emplace_back();
  for_each_inner_tensor(
      tower, outputs,
      [&](const std::string& name, at::Tensor& tensor, const std::vector<int64_t>& shape) {
        tensor = take_tensor(file, tensors, name, shape);
      });
  return tower;
}

std::vector<int64_t> places_of(const Tower& tower, const std::string& text) {
  std::vector<int64_t> words = tower.vocabulary.encode(text);
  if (static_cast<int64_t>(words.size()) > tower.positions.size(0)) {
    throw std::runtime_error("the text " + in_quotes(text) + " has " +
                             std::to_string(words.size()) + " words, the encoder reads at most " +
                             std::to_string(tower.positions.size(0)));
  }
  return words;
}

Words embed(const Tower& tower, const std::vector<std::vector<int64_t>>& texts) {
  const auto n = static_cast<int64_t>(texts.size());
  size_t longest = 1;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  const auto length = static_cast<int64_t>(longest);
  const at::Tensor index = at::zeros({n, length}, at::kLong);
  Words out;
  out.known = at::zeros({n, length, 1}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) {
    const auto& row = texts[static_cast<size_t>(i)];
    std::copy(row.begin(), row.end(), index.data_ptr<int64_t>() + i * length);
    std::fill_n(out.known.data_ptr<float>() + i * length, row.size(), 1.0f);
  }
  out.bias = at::zeros({n, 1, 1, length}, at::kFloat)
                 .masked_fill(out.known.view({n, 1, 1, length}).eq(0),
                              -std::numeric_limits<double>::infinity());
  out.embedded = at::embedding(tower.words, index) + tower.positions.narrow(0, 0, length);
  return out;
}

at::Tensor run_block(const Block& b, const at::Tensor& x, const at::Tensor& bias, int64_t heads) {
  const int64_t n = x.size(0), length = x.size(1), width = x.size(2), each = width / heads;
  const at::Tensor qkv = linear(b.qkv, normalise(b.norm1, x))
                             .view({n, length, 3, heads, each})
                             .permute({2, 0, 3, 1, 4});
  const at::Tensor weight = at::softmax(
      at::matmul(qkv[0], qkv[1].transpose(2, 3)) / std::sqrt(static_cast<double>(each)) + bias, 3);
  const at::Tensor mixed = at::matmul(weight, qkv[2]).transpose(1, 2).reshape({n, length, width});
  const at::Tensor y = x + linear(b.out, mixed);
  return y + linear(b.down, at::gelu(linear(b.up, normalise(b.norm2, y)), "tanh"));
}

at::Tensor project(const Tower& tower, const at::Tensor& x, const Words& words) {
  const at::Tensor pooled = (normalise(tower.norm, x) * words.known).sum(1) / words.known.sum(1);
  return linear(tower.projection, pooled);
}

}  // namespace winnow::text_tower

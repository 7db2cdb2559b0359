#include "text_sit_network.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "in_quotes.hpp"
#include "safetensors_torch.hpp"

namespace winnow::text_sit {
namespace {

constexpr int64_t kTextMlpRatio = 2;
constexpr int64_t kMaxHeads = 1024;
constexpr double kNormEps = 1e-5;
constexpr double kMasked = -1e4;  // its exponential is 0 in every precision

using sit::linear;

at::Tensor layer_norm(const Linear& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias, kNormEps);
}

at::Tensor run_text_block(const TextBlock& block, const at::Tensor& x, const at::Tensor& bias,
                          int64_t heads) {
  const at::Tensor qkv = sit::split_heads(linear(block.qkv, layer_norm(block.norm1, x)), 3, heads);
  const at::Tensor y =
      x + linear(block.out, sit::join_heads(sit::mix_values(qkv[0], qkv[1], qkv[2], bias)));
  return y + linear(block.down, at::gelu(linear(block.up, layer_norm(block.norm2, y))));
}

at::Tensor cross_attention(const Block& block, const at::Tensor& x, const Texts& texts,
                           int64_t heads) {
  const at::Tensor query = sit::split_heads(linear(block.query, x), 1, heads)[0];
  const at::Tensor pair = sit::split_heads(linear(block.key_value, texts.states), 2, heads);
  return linear(block.proj, sit::join_heads(sit::mix_values(query, pair[0], pair[1], texts.bias)));
}

at::Tensor run_block(const Block& block, const at::Tensor& x, const at::Tensor& condition,
                     const Texts& texts, int64_t heads) {
  const auto m = linear(block.own.modulation, condition).chunk(6, 1);
  at::Tensor y = sit::attention(block.own, sit::modulate(sit::normalise(x), m[0], m[1]), heads);
  y = at::addcmul(x, m[2].unsqueeze(1), y);
  y = y + cross_attention(block, sit::normalise(y), texts, heads);
  // GELU in its exact form, which is several times as fast in bfloat16 as the approximation.
  const at::Tensor hidden = linear(block.own.fc1, sit::modulate(sit::normalise(y), m[3], m[4]));
  return at::addcmul(y, m[5].unsqueeze(1), linear(block.own.fc2, at::gelu(hidden)));
}

Linear empty_norm(int64_t width) {
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  return {at::empty({width}, meta), at::empty({width}, meta)};
}

// Empty tensors of the right shapes, on no real memory.
Network skeleton(const Config& c) {
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  const int64_t side = c.size / c.patch, w = c.width;
  Network net;
  net.config = c;
  net.patch = {at::empty({w, c.channels, c.patch, c.patch}, meta), at::empty({w}, meta)};
  net.time_in = sit::empty_linear(w, sit::kFrequencies);
  net.time_out = sit::empty_linear(w, w);
  for (int64_t i = 0; i < c.depth; ++i) {
    net.blocks.push_back({sit::empty_block(w), sit::empty_linear(w, w), sit::empty_linear(2 * w, w),
                          sit::empty_linear(w, w)});
  }
  net.final_modulation = sit::empty_linear(2 * w, w);
  net.final_linear = sit::empty_linear(c.patch * c.patch * c.channels, w);
  net.position = at::empty({1, side * side, w}, meta);
  net.words = at::empty({c.words + 1, w}, meta);
  net.text_positions = at::empty({c.length, w}, meta);
  for (int64_t i = 0; i < c.text_depth; ++i) {
    net.text_blocks.push_back({empty_norm(w), sit::empty_linear(3 * w, w), sit::empty_linear(w, w),
                               empty_norm(w), sit::empty_linear(kTextMlpRatio * w, w),
                               sit::empty_linear(w, kTextMlpRatio * w)});
  }
  net.text_norm = empty_norm(w);
  net.text_pooled = sit::empty_linear(w, w);
  return net;
}

int64_t count_blocks(const sit::Tensors& tensors, const std::string& prefix,
                     const std::string& name) {
  int64_t count = 0;
  while (tensors.count(prefix + std::to_string(count) + name) != 0) ++count;
  return count;
}

Config config_from_tensors(const sit::Tensors& tensors, int64_t heads, const std::string& path) {
  Config c;
  const at::Tensor& patch = sit::find_tensor(tensors, "x_embedder.proj.weight", 4, path);
  c.width = patch.size(0), c.channels = patch.size(1), c.patch = patch.size(2);
  c.heads = heads;
  if (c.width < 4 || c.width % 4 != 0 || c.channels < 1 || c.patch < 1 || c.width % heads != 0) {
    throw std::runtime_error(path + ": a patch embedding " + sit::shape_text(patch.sizes()) +
                             " and " + std::to_string(heads) + " heads do not fit together");
  }
  const int64_t tokens = sit::find_tensor(tensors, "pos_embed", 3, path).size(1);
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens))));
  if (tokens < 1 || side * side != tokens) {
    throw std::runtime_error(path + ": pos_embed has " + std::to_string(tokens) +
                             " tokens, a square number was expected");
  }
  c.size = side * c.patch;
  c.words = sit::find_tensor(tensors, "text.words", 2, path).size(0) - 1;
  c.length = sit::find_tensor(tensors, "text.positions", 2, path).size(0);
  c.depth = count_blocks(tensors, "blocks.", ".attn.qkv.weight");
  c.text_depth = count_blocks(tensors, "text.blocks.", ".qkv.weight");
  return c;
}

Vocabulary vocabulary_of(const SafetensorsFile& file) {
  const auto found = file.metadata.find("vocabulary");
  if (found == file.metadata.end()) {
    throw std::runtime_error(file.path + ": its metadata has no vocabulary");
  }
  std::vector<std::string> words(1);
  for (const char c : found->second) {
    if (c != ' ') {
      words.back() += c;
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return Vocabulary(words);
}

at::Tensor initial(const std::string& name, at::IntArrayRef shape, const at::Generator& generator) {
  if (name.find("norm") != std::string::npos) {
    const bool weight = name.find("weight") != std::string::npos;
    return at::full(shape, weight ? 1.0 : 0.0, at::kFloat);
  }
  if (name == "text.words") return at::zeros(shape, at::kFloat).normal_(0.0, 0.5, generator);
  if (name == "text.positions") return at::zeros(shape, at::kFloat).normal_(0.0, 0.1, generator);
  if (name.find("cross.proj") != std::string::npos) return at::zeros(shape, at::kFloat);
  return sit::initial_value(name, shape, generator);
}

}  // namespace

Texts Texts::select(const at::Tensor& index) const {
  return {states.index_select(0, index), bias.index_select(0, index),
          pooled.index_select(0, index)};
}

void for_each_tensor(Network& net, const sit::Visit& visit) {
  const auto layer = [&](const std::string& name, Linear& l) { sit::visit_linear(name, l, visit); };
  layer("x_embedder.proj", net.patch);
  layer("t_embedder.mlp.0", net.time_in);
  layer("t_embedder.mlp.2", net.time_out);
  for (size_t i = 0; i < net.blocks.size(); ++i) {
    const std::string name = "blocks." + std::to_string(i);
    sit::visit_block(name, net.blocks[i].own, visit);
    layer(name + ".cross.query", net.blocks[i].query);
    layer(name + ".cross.key_value", net.blocks[i].key_value);
    layer(name + ".cross.proj", net.blocks[i].proj);
  }
  layer("final_layer.adaLN_modulation.1", net.final_modulation);
  layer("final_layer.linear", net.final_linear);
  visit("text.words", net.words);
  visit("text.positions", net.text_positions);
  for (size_t i = 0; i < net.text_blocks.size(); ++i) {
    const std::string name = "text.blocks." + std::to_string(i);
    TextBlock& block = net.text_blocks[i];
    layer(name + ".norm1", block.norm1);
    layer(name + ".qkv", block.qkv);
    layer(name + ".out", block.out);
    layer(name + ".norm2", block.norm2);
    layer(name + ".up", block.up);
    layer(name + ".down", block.down);
  }
  layer("text.norm", net.text_norm);
  layer("text.pooled", net.text_pooled);
  visit("pos_embed", net.position);
}

Network make_network(Config config, Vocabulary vocabulary, at::Generator generator) {
  config.words = static_cast<int64_t>(vocabulary.words().size());
  Network net = skeleton(config);
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    tensor = initial(name, tensor.sizes(), generator);
  });
  net.position = sit::position_table(config.size / config.patch, config.width);
  net.vocabulary = std::move(vocabulary);
  return net;
}

std::map<std::string, std::string> network_metadata(const Network& net) {
  std::string words;
  for (const std::string& word : net.vocabulary.words()) words += (words.empty() ? "" : " ") + word;
  return {{"architecture", "text-sit"},
          {"heads", std::to_string(net.config.heads)},
          {"vocabulary", words}};
}

Network load_network(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  const auto tensors = to_tensors(file);
  const int64_t heads = metadata_integer(file, "heads", 1, kMaxHeads);
  Network net = skeleton(config_from_tensors(tensors, heads, path));
  size_t used = 0;
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    const at::Tensor& found = sit::find_tensor(tensors, name, tensor.dim(), path);
    if (found.sizes() != tensor.sizes()) {
      throw std::runtime_error(path + ": tensor '" + name + "' has the shape " +
                               sit::shape_text(found.sizes()) + ", expected " +
                               sit::shape_text(tensor.sizes()));
    }
    tensor = found;
    ++used;
  });
  if (used != tensors.size()) {
    throw std::runtime_error(path + ": " + std::to_string(tensors.size() - used) +
                             " tensors are not part of a text-conditional SiT of depth " +
                             std::to_string(net.config.depth));
  }
  net.vocabulary = vocabulary_of(file);
  const size_t words = net.vocabulary.words().size();
  if (static_cast<int64_t>(words) != net.config.words) {
    throw std::runtime_error(path + ": its vocabulary has " + std::to_string(words) +
                             " words, text.words has " + std::to_string(net.config.words));
  }
  return net;
}

std::vector<int64_t> words_of(const Network& net, const std::string& text) {
  std::vector<int64_t> words = net.vocabulary.encode(text);
  if (static_cast<int64_t>(words.size()) > net.config.length) {
    throw std::runtime_error("the text " + in_quotes(text) + " has " +
                             std::to_string(words.size()) + " words, at most " +
                             std::to_string(net.config.length) + " are taken");
  }
  return words;
}

Texts encode(const Network& net, const std::vector<std::vector<int64_t>>& texts, int64_t room) {
  const auto n = static_cast<int64_t>(texts.size());
  int64_t length = room;
  for (const auto& text : texts) length = std::max(length, static_cast<int64_t>(text.size()));
  const at::Tensor places = at::full({n, length}, net.config.words, at::kLong);
  const at::Tensor known = at::zeros({n, length}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) {
    const auto& text = texts[static_cast<size_t>(i)];
    std::copy(text.begin(), text.end(), places.data_ptr<int64_t>() + i * length);
    const size_t count = std::max<size_t>(1, text.size());  // no text: the null word
    std::fill_n(known.data_ptr<float>() + i * length, count, 1.0f);
  }
  const auto options = net.words.options();
  const at::Tensor mask = known.to(options);
  Texts out;
  out.bias = ((1 - mask) * kMasked).view({n, 1, 1, length});
  at::Tensor x = at::embedding(net.words, places.to(options.device()));
  x = x + net.text_positions.narrow(0, 0, length);
  for (const TextBlock& block : net.text_blocks) {
    x = run_text_block(block, x, out.bias, net.config.heads);
  }
  out.states = layer_norm(net.text_norm, x);
  const at::Tensor weight = (mask / mask.sum(1, true)).unsqueeze(2);
  out.pooled = linear(net.text_pooled, (out.states * weight).sum(1));
  return out;
}

at::Tensor velocity(const Network& net, const at::Tensor& x, const at::Tensor& s,
                    const Texts& texts) {
  const Config& c = net.config;
  at::Tensor tokens = at::conv2d(x, net.patch.weight, net.patch.bias, c.patch);
  tokens = tokens.flatten(2).transpose(1, 2) + net.position;
  const at::Tensor time = linear(
      net.time_out, at::silu(linear(net.time_in, sit::time_features(s).to(x.scalar_type()))));
  const at::Tensor condition = at::silu(time + texts.pooled);
  for (const Block& block : net.blocks) {
    tokens = run_block(block, tokens, condition, texts, c.heads);
  }
  const auto m = linear(net.final_modulation, condition).chunk(2, 1);
  const at::Tensor out =
      linear(net.final_linear, sit::modulate(sit::normalise(tokens), m[0], m[1]));
  return sit::unpatchify(out, c.patch, c.channels);
}

double velocity_flops(const Config& c, int64_t length) {
  const auto w = static_cast<double>(c.width), depth = static_cast<double>(c.depth);
  const auto side = static_cast<double>(c.size / c.patch), tokens = side * side;
  const auto patch = static_cast<double>(c.patch * c.patch * c.channels);
  const auto words = static_cast<double>(length);
  const double frequencies = sit::kFrequencies, mlp = sit::kMlpRatio;
  const double embeddings = tokens * patch * w + frequencies * w + w * w;
  const double own = (4 + 2 * mlp) * tokens * w * w + 2 * tokens * tokens * w + 6 * w * w;
  const double cross = 2 * tokens * w * w + 2 * words * w * w + 2 * tokens * words * w;
  return 2 * (embeddings + depth * (own + cross) + 2 * w * w + tokens * w * patch);
}

}  // namespace winnow::text_sit

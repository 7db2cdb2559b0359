#include "sit_network.hpp"

#include <cmath>
#include <stdexcept>

namespace winnow::sit {
namespace {

const char* const kWhat = "SiT weights";

// GELU as the authors approximate it. For a network in bfloat16 the exact form, four times as fast
// on CPUs: the two differ by less than 5e-4.
at::Tensor mlp(const Block& block, const at::Tensor& x) {
  const bool rounded = block.fc1.weight.scalar_type() == at::kBFloat16;
  return linear(block.fc2, at::gelu(linear(block.fc1, x), rounded ? "none" : "tanh"));
}

at::Tensor run_block(const Block& block, const at::Tensor& x, const at::Tensor& condition,
                     int64_t heads) {
  const auto m = linear(block.modulation, condition).chunk(6, 1);
  const at::Tensor y = at::addcmul(x, m[2].unsqueeze(1),
                                   attention(block, modulate(normalise(x), m[0], m[1]), heads));
  return at::addcmul(y, m[5].unsqueeze(1), mlp(block, modulate(normalise(y), m[3], m[4])));
}

Config config_from_tensors(const std::map<std::string, at::Tensor>& tensors, int64_t heads) {
  Config c;
  const at::Tensor& patch = find_tensor(tensors, "x_embedder.proj.weight", 4, kWhat);
  c.width = patch.size(0);
  c.channels = patch.size(1);
  c.patch = patch.size(2);
  c.heads = heads;
  if (c.width < 4 || c.width % 4 != 0 || c.channels < 1 || c.patch < 1 || heads < 1 ||
      c.width % heads != 0) {
    throw std::runtime_error("SiT weights: patch embedding " + shape_text(patch.sizes()) + " and " +
                             std::to_string(heads) + " heads do not fit together");
  }
  const int64_t tokens = find_tensor(tensors, "pos_embed", 3, kWhat).size(1);
  const auto side = static_cast<int64_t>(std::llround(std::sqrt(static_cast<double>(tokens))));
  if (tokens < 1 || side * side != tokens) {
    throw std::runtime_error("SiT weights: pos_embed has " + std::to_string(tokens) +
                             " tokens, a square number was expected");
  }
  c.size = side * c.patch;
  c.classes = find_tensor(tensors, "y_embedder.embedding_table.weight", 2, kWhat).size(0) - 1;
  c.out_channels =
      find_tensor(tensors, "final_layer.linear.weight", 2, kWhat).size(0) / (c.patch * c.patch);
  if (c.classes < 0 || (c.out_channels != c.channels && c.out_channels != 2 * c.channels)) {
    throw std::runtime_error("SiT weights: " + std::to_string(c.out_channels) +
                             " output channels for " + std::to_string(c.channels) +
                             " input channels, once or twice as many were expected");
  }
  c.depth = 0;
  while (tensors.count("blocks." + std::to_string(c.depth) + ".attn.qkv.weight") != 0) ++c.depth;
  return c;
}

// Empty tensors of the right shapes, on no real memory.
Network skeleton(const Config& c) {
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kFloat);
  const int64_t side = c.size / c.patch, w = c.width;
  Network net;
  net.config = c;
  net.patch = {at::empty({w, c.channels, c.patch, c.patch}, meta), at::empty({w}, meta)};
  net.time_in = empty_linear(w, kFrequencies);
  net.time_out = empty_linear(w, w);
  net.class_table = at::empty({c.classes + 1, w}, meta);
  for (int64_t i = 0; i < c.depth; ++i) net.blocks.push_back(empty_block(w));
  net.final_modulation = empty_linear(2 * w, w);
  net.final_linear = empty_linear(c.patch * c.patch * c.out_channels, w);
  net.position = at::empty({1, side * side, w}, meta);
  return net;
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  visit_linear("x_embedder.proj", net.patch, visit);
  visit_linear("t_embedder.mlp.0", net.time_in, visit);
  visit_linear("t_embedder.mlp.2", net.time_out, visit);
  visit("y_embedder.embedding_table.weight", net.class_table);
  for (size_t i = 0; i < net.blocks.size(); ++i) {
    visit_block("blocks." + std::to_string(i), net.blocks[i], visit);
  }
  visit_linear("final_layer.adaLN_modulation.1", net.final_modulation, visit);
  visit_linear("final_layer.linear", net.final_linear, visit);
  visit("pos_embed", net.position);
}

Network make_network(const Config& config, at::Generator generator) {
  Network net = skeleton(config);
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    tensor = initial_value(name, tensor.sizes(), generator);
  });
  net.position = position_table(config.size / config.patch, config.width);
  return net;
}

Network network_from_tensors(const std::map<std::string, at::Tensor>& tensors, int64_t heads) {
  Network net = skeleton(config_from_tensors(tensors, heads));
  size_t used = 0;
  for_each_tensor(net, [&](const std::string& name, at::Tensor& tensor) {
    const at::Tensor& found = find_tensor(tensors, name, tensor.dim(), kWhat);
    if (found.sizes() != tensor.sizes()) {
      throw std::runtime_error("SiT weights: tensor '" + name + "' has the shape " +
                               shape_text(found.sizes()) + ", expected " +
                               shape_text(tensor.sizes()));
    }
    tensor = found;
    ++used;
  });
  if (used != tensors.size()) {
    throw std::runtime_error("SiT weights: " + std::to_string(tensors.size() - used) +
                             " tensors are not part of a SiT of depth " +
                             std::to_string(net.config.depth));
  }
  return net;
}

at::Tensor velocity(const Network& net, const at::Tensor& x, const at::Tensor& s,
                    const at::Tensor& label) {
  const Config& c = net.config;
  at::Tensor tokens = at::conv2d(x, net.patch.weight, net.patch.bias, c.patch);
  tokens = tokens.flatten(2).transpose(1, 2) + net.position;
  const at::Tensor time =
      linear(net.time_out, at::silu(linear(net.time_in, time_features(s).to(x.scalar_type()))));
  const at::Tensor condition = at::silu(time + at::embedding(net.class_table, label));
  for (const Block& block : net.blocks) tokens = run_block(block, tokens, condition, c.heads);
  const auto m = linear(net.final_modulation, condition).chunk(2, 1);
  const at::Tensor out = linear(net.final_linear, modulate(normalise(tokens), m[0], m[1]));
  return unpatchify(out, c.patch, c.out_channels).narrow(1, 0, c.channels);
}

double velocity_flops(const Config& c) {
  const auto w = static_cast<double>(c.width), depth = static_cast<double>(c.depth);
  const auto side = static_cast<double>(c.size / c.patch), tokens = side * side;
  const auto area = static_cast<double>(c.patch * c.patch);
  const double in = area * static_cast<double>(c.channels);
  const double out = area * static_cast<double>(c.out_channels);
  const double embeddings = tokens * in * w + kFrequencies * w + w * w;
  const double block = (4 + 2 * kMlpRatio) * tokens * w * w + 2 * tokens * tokens * w + 6 * w * w;
  return 2 * (embeddings + depth * block + 2 * w * w + tokens * w * out);
}

}  // namespace winnow::sit

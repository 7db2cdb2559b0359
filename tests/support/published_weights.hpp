// published_weights.hpp: SiT and AutoencoderKL in their published shapes with hashed weights, as
// the references in tests/golden make them.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "plugins/samplers/sit_network.hpp"
#include "plugins/samplers/vae_network.hpp"
#include "tests/support/hashed_tensors.hpp"

namespace winnow::test {

inline sit::Network hashed_sit(const sit::Config& config) {
  sit::Network net = sit::make_network(config, at::make_generator<at::CPUGeneratorImpl>(1));
  sit::for_each_tensor(net, [](const std::string& name, at::Tensor& tensor) {
    if (name == "pos_embed") return;
    const double inputs = static_cast<double>(tensor.numel() / tensor.size(0));
    const bool modulation = name.find("blocks.") == 0 && name.find("adaLN") != name.npos;
    double scale = (modulation ? 0.2 : 1) / std::sqrt(inputs);
    if (tensor.dim() == 1) scale = 0.1;
    if (name == "x_embedder.proj.weight") scale = 0.25;
    if (name == "y_embedder.embedding_table.weight") scale = 1;
    tensor = hashed(name, tensor.sizes(), scale);
  });
  return net;
}

// "S", "B", "L" or "XL", patches of 2, four channels in and eight out, 1,000 classes.
inline sit::Network published_sit(const std::string& size, int64_t side) {
  static const std::map<std::string, sit::Config> kConfigs = {
      {"S", {12, 384, 6, 2, 4, 8, 32, 1000}},
      {"B", {12, 768, 12, 2, 4, 8, 32, 1000}},
      {"L", {24, 1024, 16, 2, 4, 8, 32, 1000}},
      {"XL", {28, 1152, 16, 2, 4, 8, 32, 1000}}};
  sit::Config config = kConfigs.at(size);
  config.size = side;
  return hashed_sit(config);
}

// The decoder of AutoencoderKL: channels of its blocks from the pixels up, resnets of a block in
// the encoder, latent channels.
class PublishedVae {
 public:
  using Tensors = std::map<std::string, at::Tensor>;

  Tensors make(const std::vector<int64_t>& blocks, int64_t layers, int64_t latents, bool quant) {
    const auto top = static_cast<int64_t>(blocks.size()) - 1;
    int64_t channels = blocks.back();
    if (quant) layer("post_quant_conv", {latents, latents, 1, 1});
    layer("decoder.conv_in", {channels, latents, 3, 3});
    const std::string mid = "decoder.mid_block.";
    for (const char* i : {"0", "1"}) resnet(mid + "resnets." + i, channels, channels);
    norm(mid + "attentions.0.group_norm", channels);
    for (const char* part : {"to_q", "to_k", "to_v", "to_out.0"})
      layer(mid + "attentions.0." + part, {channels, channels});
    for (int64_t i = 0; i <= top; ++i) {
      const std::string block = "decoder.up_blocks." + std::to_string(i);
      const int64_t out = blocks[static_cast<size_t>(top - i)];
      for (int64_t k = 0; k <= layers; ++k) {
        resnet(block + ".resnets." + std::to_string(k), channels, out);
        channels = out;
      }
      if (i < top) layer(block + ".upsamplers.0.conv", {out, out, 3, 3});
    }
    norm("decoder.conv_norm_out", channels);
    layer("decoder.conv_out", {3, channels, 3, 3});
    return tensors_;
  }

 private:
  void layer(const std::string& name, std::vector<int64_t> shape) {
    int64_t inputs = 1;
    for (size_t i = 1; i < shape.size(); ++i) inputs *= shape[i];
    tensors_[name + ".weight"] =
        hashed(name + ".weight", shape, 1.5 / std::sqrt(static_cast<double>(inputs)));
    tensors_[name + ".bias"] = hashed(name + ".bias", {shape[0]}, 0.1);
  }
  void norm(const std::string& name, int64_t channels) {
    tensors_[name + ".weight"] = hashed(name + ".weight", {channels}, 0.2, 1);
    tensors_[name + ".bias"] = hashed(name + ".bias", {channels}, 0.2);
  }
  void resnet(const std::string& name, int64_t in, int64_t out) {
    norm(name + ".norm1", in);
    layer(name + ".conv1", {out, in, 3, 3});
    norm(name + ".norm2", out);
    layer(name + ".conv2", {out, out, 3, 3});
    if (in != out) layer(name + ".conv_shortcut", {out, in, 1, 1});
  }

  Tensors tensors_;
};

inline PublishedVae::Tensors published_vae(const std::vector<int64_t>& blocks, int64_t layers,
                                           int64_t latents, bool quant = true) {
  return PublishedVae().make(blocks, layers, latents, quant);
}

}  // namespace winnow::test

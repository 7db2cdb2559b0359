// The decoder of AutoencoderKL, the image autoencoder of latent diffusion (Rombach et al., 2022,
// arXiv:2112.10752), as functions over named tensors.
//
// Tensor names are those of diffusers' AutoencoderKL, so that the file
// vae/diffusion_pytorch_model.safetensors of a pipeline is read as it is, the older names of its
// attention (query, key, value, proj_attn) too. What belongs to the encoder is left alone. Group
// normalisation has 32 groups, attention one head, as in every published model.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace winnow::vae {

struct Layer {
  at::Tensor weight, bias;
};

struct Resnet {
  Layer norm1, conv1, norm2, conv2;
  std::optional<Layer> shortcut;  // where the number of channels changes
};

struct Attention {
  Layer norm, query, key, value, out;
};

struct UpBlock {
  std::vector<Resnet> resnets;
  std::optional<Layer> upsampler;  // behind a doubling of the side
};

struct Decoder {
  std::optional<Layer> post_quant;  // not in models of 16 channels
  Layer conv_in, norm_out, conv_out;
  std::vector<Resnet> mid;  // two, the attention between them
  std::optional<Attention> attention;
  std::vector<UpBlock> up;
  int64_t latent_channels = 0, channels = 0;
  int64_t factor = 1;  // pixels per latent side
};

// Throws std::runtime_error naming the tensor that is missing, left over or of the wrong shape.
// The tensors are shared, not copied.
Decoder decoder_from_tensors(const std::map<std::string, at::Tensor>& tensors);

// Moves every tensor.
void to(Decoder& decoder, at::Device device, at::ScalarType type);

// z [n, latent_channels, h, w], already divided by the scaling factor, on the decoder's device and
// in its type. Returns [n, channels, factor h, factor w], pictures in about [-1, 1].
at::Tensor decode(const Decoder& decoder, const at::Tensor& z);

// The same in tiles of tile x tile latents that overlap by a quarter and are blended linearly, as
// diffusers does: memory grows with the tile, not with the picture, and the result differs a
// little from decode's, for every tile is normalised by itself. One whole pass when z is no larger
// than a tile. tile: a multiple of 4.
at::Tensor decode_tiled(const Decoder& decoder, const at::Tensor& z, int64_t tile);

}  // namespace winnow::vae

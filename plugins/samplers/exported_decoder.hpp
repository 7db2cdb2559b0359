// What makes samples of a bundle's latents: Stable Diffusion's decoder, run natively, a program, or
// nothing, where latents are pixels. Frames of a video lie side by side in one picture.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "bundle.hpp"
#include "exported_network.hpp"
#include "vae_network.hpp"

namespace winnow {

class ExportedDecoder {
 public:
  // tile: larger latents are decoded natively in tiles of this side, a multiple of 4; 0: whole.
  // frames: of a video, how many are shown, evenly spread; 0: all. A program runs once, so that one
  // that makes other pictures than the bundle says is found out beforehand. Throws
  // std::runtime_error.
  ExportedDecoder(const Bundle& bundle, at::Device device, int64_t tile, int64_t frames);

  const std::vector<int64_t>& shape() const { return shape_; }  // of a sample, [C, H, W]
  // Of latents [1, latent_shape] a sample [1, C, H, W] in [0, 1].
  at::Tensor operator()(const at::Tensor& latents) const;

 private:
  void load(const Bundle& bundle, at::Device device);
  void choose_frames(int64_t asked);
  void try_program(const Bundle& bundle, at::Device device) const;
  at::Tensor decoded(const at::Tensor& latents) const;

  double scale_, shift_;
  int64_t tile_;
  std::optional<vae::Decoder> native_;
  std::optional<ExportedNetwork> program_;
  std::vector<int64_t> shape_;
  at::Tensor frames_;  // which are shown; undefined where samples are pictures
};

}  // namespace winnow

#include "exported_decoder.hpp"

#include <c10/core/InferenceMode.h>

#include <stdexcept>
#include <string>

#include "network_messages.hpp"
#include "safetensors_torch.hpp"

namespace winnow {
namespace {

constexpr int64_t kTileStep = 4;
constexpr int64_t kMostPixels = int64_t{64} << 20;  // that winnow writes as one picture

vae::Decoder native_decoder(const Bundle& bundle, at::Device device) {
  const std::string file = bundle.decoder.string();
  vae::Decoder decoder = vae::decoder_from_tensors(to_tensors(read_safetensors(file)));
  const std::vector<int64_t>& latent = bundle.latent_shape;
  if (decoder.latent_channels != latent[0] || latent.size() != 3)
    throw std::runtime_error(
        file + ": the decoder takes latents of " + std::to_string(decoder.latent_channels) +
        " channels and two sides, those of the bundle have " + std::to_string(latent[0]) +
        " channels and " + std::to_string(latent.size() - 1) + " sides");
  vae::to(decoder, device, at::kFloat);
  return decoder;
}

}  // namespace

ExportedDecoder::ExportedDecoder(const Bundle& bundle, at::Device device, int64_t tile,
                                 int64_t frames)
    : scale_(bundle.scale), shift_(bundle.shift), tile_(tile) {
  if (tile_ % kTileStep != 0)
    throw std::runtime_error("vae_tile is " + std::to_string(tile_) +
                             ", expected a multiple of 4, or 0 for no tiles");
  load(bundle, device);
  if (shape_.size() == 4)
    choose_frames(frames);
  else if (frames != 0)
    throw std::runtime_error("frames is " + std::to_string(frames) +
                             ", but this bundle makes pictures, expected 0");
  if (program_) try_program(bundle, device);
}

void ExportedDecoder::load(const Bundle& bundle, at::Device device) {
  if (bundle.decoder.empty()) {
    shape_ = bundle.latent_shape;
  } else if (bundle.decoder.extension() == ".safetensors") {
    native_ = native_decoder(bundle, device);
    shape_ = {native_->channels, bundle.latent_shape[1] * native_->factor,
              bundle.latent_shape[2] * native_->factor};
  } else {
    program_.emplace(bundle.decoder, device);
    shape_ = bundle.picture_shape;
  }
}

// Of n stretches of equal length the frame in the middle.
void ExportedDecoder::choose_frames(int64_t asked) {
  const int64_t all = shape_[1], n = asked ? asked : all;
  if (n > all)
    throw std::runtime_error("frames is " + std::to_string(asked) + ", the videos have " +
                             std::to_string(all));
  frames_ = at::div((2 * at::arange(n) + 1) * all, 2 * n, "floor");
  shape_ = {shape_[0], shape_[2], n * shape_[3]};
  if (shape_[1] * shape_[2] > kMostPixels)
    throw std::runtime_error(std::to_string(n) + " frames side by side are a picture of " +
                             std::to_string(shape_[2]) + " x " + std::to_string(shape_[1]) +
                             " pixels, expected at most " + std::to_string(kMostPixels) +
                             ": show fewer with the option frames");
}

void ExportedDecoder::try_program(const Bundle& bundle, at::Device device) const {
  const c10::InferenceMode guard;
  std::vector<int64_t> given = bundle.latent_shape, expected = bundle.picture_shape;
  given.insert(given.begin(), 1), expected.insert(expected.begin(), 1);
  std::string found;
  try {
    const at::Tensor picture = decoded(at::zeros(given, at::device(device)));
    if (picture.sizes() == at::IntArrayRef(expected)) return;
    found = ", makes " + shape_text(picture.sizes()) + ", expected " + shape_text(expected);
  } catch (const std::exception& error) {
    found = ", fails: " + reason_in(error.what());
  }
  throw std::runtime_error(bundle.decoder.string() + ": the decoder, given latents " +
                           shape_text(given) + found);
}

at::Tensor ExportedDecoder::decoded(const at::Tensor& latents) const {
  const at::Tensor z = latents / scale_ + shift_;
  if (program_) return (*program_)({z}).to(at::kFloat);
  if (!native_) return latents;
  return tile_ ? vae::decode_tiled(*native_, z, tile_) : vae::decode(*native_, z);
}

at::Tensor ExportedDecoder::operator()(const at::Tensor& latents) const {
  at::Tensor picture = decoded(latents);
  if (frames_.defined())
    picture = picture.index_select(2, frames_.to(picture.device())).transpose(2, 3).flatten(3);
  return ((picture + 1) / 2).clamp(0, 1);
}

}  // namespace winnow

// winnow.sit: class-conditional SiT (Ma et al., 2024, arXiv:2401.08740; the sampler of the ImageNet
// experiments of arXiv:2501.09732), on pixels or, with a decoder, on latents.
//
//   [sampler]
//   plugin = "winnow.sit"
//   weights = "examples/models/fashion-sit-b.safetensors"
//   solver = "heun"          # 2 NFE a step, the last 1: 13 steps are 25 NFE
//   steps = 13
//
// The network predicts v = dx/ds on the authors' clock s = 1 - t; the velocity on winnow's clock is
// u = dx/dt = -v. Guidance: v = v_null + cfg_scale (v_class - v_null). The solvers' formulas stand
// in flow_solvers.hpp, what a sampler does with them in flow_sampler.hpp. A candidate that asks for
// stochasticity s > 0 gets the SDE with s * noise_strength, whatever the solver; -1 turns the SDE
// into Euler. diffusion and spacing choose that SDE and the times of the steps; "vp" for both is
// the SDE of the variance-preserving path. precision = "bf16" runs the network, not the solver, in
// bfloat16: faster where the CPU has AVX512-BF16 or AMX, or on a GPU.
//
// The published checkpoints work on the latents of Stable Diffusion's autoencoder
// (configs/sit-xl-imagenet256.toml): picture = decoder(x / vae_scale + vae_shift), in float32.
// Their authors guide the first 3 of the 4 channels only: cfg_channels = 3.
#include <ATen/ATen.h>

#include <map>
#include <optional>
#include <stdexcept>

#include "flow_sampler.hpp"
#include "in_quotes.hpp"
#include "safetensors_torch.hpp"
#include "samplers/sit_network.hpp"
#include "samplers/vae_network.hpp"

namespace {

using namespace winnow;

constexpr int64_t kMaxHeads = 1024;
constexpr int64_t kTileStep = 4;

// Of the file, or, as the published ones do not tell theirs, by their widths.
int64_t heads_of(const SafetensorsFile& file) {
  static const std::map<int64_t, int64_t> kPublished = {
      {384, 6}, {768, 12}, {1024, 16}, {1152, 16}};
  const auto patch = file.tensors.find("x_embedder.proj.weight");
  if (file.metadata.count("heads") == 0 && patch != file.tensors.end() &&
      !patch->second.shape.empty()) {
    const auto found = kPublished.find(patch->second.shape[0]);
    if (found != kPublished.end()) return found->second;
  }
  return metadata_integer(file, "heads", 1, kMaxHeads);
}

sit::Network load(const std::string& path, at::Device device, at::ScalarType precision) {
  const SafetensorsFile file = read_safetensors(path);
  sit::Network net = sit::network_from_tensors(to_tensors(file), heads_of(file));
  sit::for_each_tensor(
      net, [&](const std::string&, at::Tensor& tensor) { tensor = tensor.to(device, precision); });
  return net;
}

// Nothing for a network that works on pixels.
std::optional<vae::Decoder> load_decoder(const std::string& path, int64_t channels,
                                         at::Device device) {
  const bool pixels = channels == 1 || channels == 3;
  if (path.empty() && pixels) return std::nullopt;
  if (path.empty()) {
    throw std::runtime_error("the network works on " + std::to_string(channels) +
                             " channels, expected pixels (1 or 3), or the option vae with the "
                             "decoder of these latents");
  }
  vae::Decoder decoder = vae::decoder_from_tensors(to_tensors(read_safetensors(path)));
  if (decoder.latent_channels != channels) {
    throw std::runtime_error(path + ": the decoder takes latents of " +
                             std::to_string(decoder.latent_channels) +
                             " channels, the network works on " + std::to_string(channels));
  }
  vae::to(decoder, device, at::kFloat);
  return decoder;
}

class Sit : public flow::FlowSampler<Sit, at::Tensor> {
 public:
  static constexpr const char* kId = "winnow.sit";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SIT;

  Sit(const wn::Host&, const wn::Options& options) try
      : FlowSampler(options),
        net_(load(options.path("weights").string(), device(), precision())),
        decoder_(load_decoder(options.path("vae").string(), net_.config.channels, device())),
        scale_(options.f64("vae_scale")),
        shift_(options.f64("vae_shift")),
        tile_(options.i64("vae_tile")),
        guided_channels_(options.i64("cfg_channels")) {
    if (tile_ % kTileStep != 0) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, "vae_tile is " + std::to_string(tile_) +
                                                 ", expected a multiple of 4, or 0 for no tiles");
    }
    if (guided_channels_ > net_.config.channels) {
      throw wn::Error(WN_E_INVALID_ARGUMENT, "cfg_channels is " + std::to_string(guided_channels_) +
                                                 ", the network works on " +
                                                 std::to_string(net_.config.channels));
    }
  } catch (const wn::Error&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }

  flow::FlowShape shape() const { return {net_.config.channels, net_.config.size}; }
  flow::FlowShape picture_shape() const {
    if (!decoder_) return shape();
    return {decoder_->channels, net_.config.size * decoder_->factor};
  }
  int64_t guided_channels() const { return guided_channels_; }

  at::Tensor pictures(const at::Tensor& latents) const {
    if (!decoder_) return latents;
    const at::Tensor z = latents / scale_ + shift_;
    return tile_ ? vae::decode_tiled(*decoder_, z, tile_) : vae::decode(*decoder_, z);
  }
  double flops() const { return sit::velocity_flops(net_.config); }

  // int64 [n]. An item with a prompt, or whose class the network does not know, fails; the others
  // go on beside it.
  at::Tensor conditions(const wn::SamplerBatch& batch) const {
    const int64_t classes = net_.config.classes;
    at::Tensor out = at::empty({static_cast<int64_t>(batch.size())}, at::kLong);
    auto* label = out.data_ptr<int64_t>();
    for (size_t i = 0; i < batch.size(); ++i) {
      const int64_t id = batch.class_id(i);
      const bool known = id >= 0 && id < classes;
      label[i] = known ? id : classes;
      if (known || (id == -1 && batch.prompt(i).empty())) continue;
      if (id == -1)
        batch.fail(i, WN_E_INVALID_ARGUMENT,
                   "the prompt " + in_quotes(batch.prompt(i)) + ", the model takes classes");
      else
        batch.fail(i, WN_E_INVALID_ARGUMENT,
                   "class " + std::to_string(id) + ", the model knows 0 to " +
                       std::to_string(classes - 1) + " and -1 for none");
    }
    return out.to(device());
  }

  at::Tensor with_null(const at::Tensor& label) const {
    return at::cat({label, at::full_like(label, net_.config.classes)});
  }

  at::Tensor network(const at::Tensor& x, const at::Tensor& s, const at::Tensor& label) const {
    return sit::velocity(net_, x, s, label);
  }

 private:
  sit::Network net_;
  std::optional<vae::Decoder> decoder_;
  double scale_, shift_;
  int64_t tile_, guided_channels_;
};

}  // namespace

WN_EXPORT_PLUGINS(Sit)

#include "vae_network.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <stdexcept>

namespace winnow::vae {
namespace {

constexpr int64_t kGroups = 32;
constexpr double kNormEps = 1e-6;

std::string text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

[[noreturn]] void refuse(const std::string& what) {
  throw std::runtime_error("autoencoder weights: " + what);
}

// Takes tensors by name, checks their shapes and remembers which were taken.
class Reader {
 public:
  explicit Reader(const std::map<std::string, at::Tensor>& tensors) : tensors_(tensors) {}

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  bool has_layer(const std::string& name) const { return has(name + ".weight"); }

  // -1 in `shape`: any size.
  at::Tensor take(const std::string& name, std::vector<int64_t> shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) refuse("tensor '" + name + "' is missing");
    const at::IntArrayRef sizes = found->second.sizes();
    bool fits = sizes.size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == sizes[i];
    if (!fits) {
      refuse("tensor '" + name + "' has the shape " + text(sizes) + ", expected " + text(shape) +
             (std::count(shape.begin(), shape.end(), -1) ? " with any size for -1" : ""));
    }
    taken_.insert(name);
    return found->second;
  }

  Layer convolution(const std::string& name, int64_t in, int64_t kernel, int64_t out = -1) {
    const at::Tensor weight = take(name + ".weight", {out, in, kernel, kernel});
    return {weight, take(name + ".bias", {weight.size(0)})};
  }

  Layer norm(const std::string& name, int64_t channels) {
    if (channels % kGroups != 0) {
      refuse("'" + name + "' normalises " + std::to_string(channels) +
             " channels, a multiple of 32 was expected");
    }
    return {take(name + ".weight", {channels}), take(name + ".bias", {channels})};
  }

  Resnet resnet(const std::string& name, int64_t in) {
    Resnet block;
    block.norm1 = norm(name + ".norm1", in);
    block.conv1 = convolution(name + ".conv1", in, 3);
    const int64_t out = block.conv1.weight.size(0);
    block.norm2 = norm(name + ".norm2", out);
    block.conv2 = convolution(name + ".conv2", out, 3, out);
    if (in != out) block.shortcut = convolution(name + ".conv_shortcut", in, 1, out);
    return block;
  }

  // Either name; the older models hold 1 x 1 convolutions here.
  Layer projection(const std::string& name, const std::string& older, int64_t width) {
    const std::string found = has_layer(name) || !has_layer(older) ? name : older;
    const auto weight = tensors_.find(found + ".weight");
    const bool flat = weight == tensors_.end() || weight->second.dim() == 2;
    const at::Tensor taken = flat ? take(found + ".weight", {width, width})
                                  : take(found + ".weight", {width, width, 1, 1});
    return {taken.flatten(1), take(found + ".bias", {width})};
  }

  Attention attention(const std::string& name, int64_t width) {
    return {norm(name + ".group_norm", width), projection(name + ".to_q", name + ".query", width),
            projection(name + ".to_k", name + ".key", width),
            projection(name + ".to_v", name + ".value", width),
            projection(name + ".to_out.0", name + ".proj_attn", width)};
  }

  // Only the decoder's are missed: a file may hold the encoder as well.
  void refuse_what_is_left() const {
    for (const auto& [name, tensor] : tensors_) {
      const bool encoder = name.rfind("encoder.", 0) == 0 || name.rfind("quant_conv.", 0) == 0;
      if (!encoder && taken_.count(name) == 0)
        refuse("tensor '" + name + "' is no part of the decoder that the others make");
    }
  }

 private:
  const std::map<std::string, at::Tensor>& tensors_;
  std::set<std::string> taken_;
};

// The new number of channels.
int64_t read_up_block(Reader& reader, const std::string& name, int64_t channels, UpBlock& block) {
  for (size_t i = 0; reader.has_layer(name + ".resnets." + std::to_string(i) + ".conv1"); ++i) {
    block.resnets.push_back(reader.resnet(name + ".resnets." + std::to_string(i), channels));
    channels = block.resnets.back().conv1.weight.size(0);
  }
  if (reader.has_layer(name + ".upsamplers.0.conv"))
    block.upsampler = reader.convolution(name + ".upsamplers.0.conv", channels, 3, channels);
  return channels;
}

template <class Visit>
void for_each_layer(Decoder& decoder, const Visit& visit) {
  const auto resnet = [&](Resnet& block) {
    for (Layer* layer : {&block.norm1, &block.conv1, &block.norm2, &block.conv2}) visit(*layer);
    if (block.shortcut) visit(*block.shortcut);
  };
  if (decoder.post_quant) visit(*decoder.post_quant);
  for (Layer* layer : {&decoder.conv_in, &decoder.norm_out, &decoder.conv_out}) visit(*layer);
  for (Resnet& block : decoder.mid) resnet(block);
  if (decoder.attention) {
    Attention& a = *decoder.attention;
    for (Layer* layer : {&a.norm, &a.query, &a.key, &a.value, &a.out}) visit(*layer);
  }
  for (UpBlock& block : decoder.up) {
    for (Resnet& each : block.resnets) resnet(each);
    if (block.upsampler) visit(*block.upsampler);
  }
}

at::Tensor convolve(const Layer& layer, const at::Tensor& x) {
  return at::conv2d(x, layer.weight, layer.bias, 1, layer.weight.size(2) / 2);
}

at::Tensor normalise(const Layer& layer, const at::Tensor& x) {
  return at::group_norm(x, kGroups, layer.weight, layer.bias, kNormEps);
}

at::Tensor run(const Resnet& block, const at::Tensor& x) {
  const at::Tensor hidden = convolve(block.conv1, at::silu(normalise(block.norm1, x)));
  const at::Tensor out = convolve(block.conv2, at::silu(normalise(block.norm2, hidden)));
  return (block.shortcut ? convolve(*block.shortcut, x) : x) + out;
}

at::Tensor run(const Attention& block, const at::Tensor& x) {
  const at::Tensor tokens = normalise(block.norm, x).flatten(2).transpose(1, 2).unsqueeze(1);
  const auto project = [](const Layer& layer, const at::Tensor& y) {
    return at::linear(y, layer.weight, layer.bias);
  };
  const at::Tensor mixed = at::scaled_dot_product_attention(
      project(block.query, tokens), project(block.key, tokens), project(block.value, tokens));
  return x + project(block.out, mixed.squeeze(1)).transpose(1, 2).reshape(x.sizes());
}

at::Tensor run(const UpBlock& block, at::Tensor x) {
  for (const Resnet& resnet : block.resnets) x = run(resnet, x);
  if (!block.upsampler) return x;
  return convolve(*block.upsampler, at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
}

// `next` with its first `extent` rows (dim 2) or columns (dim 3) faded in over the last ones of
// `before`.
at::Tensor faded(const at::Tensor& before, const at::Tensor& next, int64_t dim, int64_t extent) {
  extent = std::min({extent, before.size(dim), next.size(dim)});
  std::vector<int64_t> shape(4, 1);
  shape[static_cast<size_t>(dim)] = extent;
  const at::Tensor share = at::arange(extent, next.options()).div(extent).view(shape);
  const at::Tensor old = before.narrow(dim, before.size(dim) - extent, extent);
  at::Tensor out = next.clone();
  out.narrow(dim, 0, extent).copy_(old * (1 - share) + next.narrow(dim, 0, extent) * share);
  return out;
}

}  // namespace

Decoder decoder_from_tensors(const std::map<std::string, at::Tensor>& tensors) {
  Reader reader(tensors);
  Decoder decoder;
  decoder.conv_in = reader.convolution("decoder.conv_in", -1, 3);
  decoder.latent_channels = decoder.conv_in.weight.size(1);
  if (reader.has_layer("post_quant_conv")) {
    decoder.post_quant =
        reader.convolution("post_quant_conv", decoder.latent_channels, 1, decoder.latent_channels);
  }
  int64_t channels = decoder.conv_in.weight.size(0);
  for (const char* index : {"0", "1"})
    decoder.mid.push_back(
        reader.resnet(std::string("decoder.mid_block.resnets.") + index, channels));
  const std::string attention = "decoder.mid_block.attentions.0";
  if (reader.has_layer(attention + ".group_norm"))
    decoder.attention = reader.attention(attention, channels);
  for (size_t i = 0;; ++i) {
    const std::string name = "decoder.up_blocks." + std::to_string(i);
    if (!reader.has_layer(name + ".resnets.0.conv1")) break;
    channels = read_up_block(reader, name, channels, decoder.up.emplace_back());
    if (decoder.up.back().upsampler) decoder.factor *= 2;
  }
  decoder.norm_out = reader.norm("decoder.conv_norm_out", channels);
  decoder.conv_out = reader.convolution("decoder.conv_out", channels, 3);
  decoder.channels = decoder.conv_out.weight.size(0);
  reader.refuse_what_is_left();
  return decoder;
}

void to(Decoder& decoder, at::Device device, at::ScalarType type) {
  for_each_layer(decoder, [&](Layer& layer) {
    layer.weight = layer.weight.to(device, type);
    layer.bias = layer.bias.to(device, type);
  });
}

at::Tensor decode(const Decoder& decoder, const at::Tensor& z) {
  at::Tensor x = decoder.post_quant ? convolve(*decoder.post_quant, z) : z;
  x = run(decoder.mid[0], convolve(decoder.conv_in, x));
  if (decoder.attention) x = run(*decoder.attention, x);
  x = run(decoder.mid[1], x);
  for (const UpBlock& block : decoder.up) x = run(block, x);
  return convolve(decoder.conv_out, at::silu(normalise(decoder.norm_out, x)));
}

at::Tensor decode_tiled(const Decoder& decoder, const at::Tensor& z, int64_t tile) {
  const int64_t height = z.size(2), width = z.size(3);
  if (height <= tile && width <= tile) return decode(decoder, z);
  const int64_t stride = tile - tile / 4;
  const int64_t extent = tile / 4 * decoder.factor, kept = stride * decoder.factor;
  std::vector<at::Tensor> above, rows;
  for (int64_t top = 0; top < height; top += stride) {
    std::vector<at::Tensor> tiles, row;
    for (int64_t left = 0; left < width; left += stride) {
      const at::Tensor part = z.narrow(2, top, std::min(tile, height - top))
                                  .narrow(3, left, std::min(tile, width - left));
      at::Tensor picture = decode(decoder, part);
      if (!above.empty()) picture = faded(above[tiles.size()], picture, 2, extent);
      if (!tiles.empty()) picture = faded(tiles.back(), picture, 3, extent);
      tiles.push_back(picture);
      row.push_back(picture.narrow(2, 0, std::min(kept, picture.size(2)))
                        .narrow(3, 0, std::min(kept, picture.size(3))));
    }
    rows.push_back(at::cat(row, 3));
    above = std::move(tiles);
  }
  return at::cat(rows, 2);
}

}  // namespace winnow::vae

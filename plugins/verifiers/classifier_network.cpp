#include "classifier_network.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include "../safetensors_torch.hpp"

namespace winnow::classifier {
namespace {

constexpr int64_t kChannelsPerGroup = 16;

at::Tensor linear(const Layer& layer, const at::Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

at::Tensor normalise(const Layer& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias);
}

at::Tensor run_conv(const Conv& c, const at::Tensor& x) {
  const int64_t out = c.conv.weight.size(0);
  at::Tensor y = at::conv2d(x, c.conv.weight, c.conv.bias, c.stride, c.conv.weight.size(2) / 2);
  y = at::gelu(at::group_norm(y, out / kChannelsPerGroup, c.norm.weight, c.norm.bias), "tanh");
  const bool fits = c.stride == 1 && c.conv.weight.size(1) == out;
  return fits ? x + y : y;
}

// x [n, positions, channels]
at::Tensor run_mixer(const Mixer& m, const at::Tensor& x) {
  const at::Tensor across = normalise(m.token_norm, x).transpose(1, 2);
  const at::Tensor y =
      x + linear(m.token_out, at::gelu(linear(m.token_in, across), "tanh")).transpose(1, 2);
  return y + linear(m.channel_out,
                    at::gelu(linear(m.channel_in, normalise(m.channel_norm, y)), "tanh"));
}

using Tensors = std::map<std::string, at::Tensor>;

std::vector<int64_t> parse_strides(const SafetensorsFile& file) {
  const auto found = file.metadata.find("strides");
  if (found == file.metadata.end()) {
    throw std::runtime_error(file.path + ": the metadata has no 'strides'");
  }
  std::istringstream in(found->second);
  std::vector<int64_t> out;
  for (int64_t stride = 0; in >> stride;) {
    if (stride < 1 || stride > 8) break;
    out.push_back(stride);
  }
  if (!in.eof() || out.empty()) {
    throw std::runtime_error(file.path + ": the metadata 'strides' is '" + found->second +
                             "', expected numbers from 1 to 8");
  }
  return out;
}

int64_t count_blocks(const Tensors& tensors, const std::string& prefix, const std::string& suffix) {
  int64_t n = 0;
  while (tensors.count(prefix + std::to_string(n) + suffix) != 0) ++n;
  return n;
}

// Follows the shapes through the network once, so that a bad file is refused here and not by a
// kernel.
void check_shapes(const std::string& path, Network& net) {
  const auto expect = [&](const char* what, int64_t found, int64_t expected) {
    if (found == expected) return;
    throw std::runtime_error(path + ": " + what + " is " + std::to_string(found) + ", expected " +
                             std::to_string(expected));
  };
  int64_t channels = net.convs[0].conv.weight.size(1);
  for (const Conv& c : net.convs) {
    const at::Tensor& w = c.conv.weight;
    expect("a convolution's number of inputs", w.size(1), channels);
    expect("a convolution's kernel height", w.size(2), w.size(3));
    expect("a convolution's kernel size modulo 2", w.size(2) % 2, 1);
    channels = w.size(0);
    expect("a convolution's number of outputs modulo 16", channels % kChannelsPerGroup, 0);
    for (const at::Tensor& v : {c.conv.bias, c.norm.weight, c.norm.bias}) {
      expect("the width of a convolution's bias or norm", v.numel(), channels);
    }
  }
  const auto check_linear = [&](const Layer& l, int64_t in) {
    expect("a linear layer's number of inputs", l.weight.size(1), in);
    expect("a linear layer's number of biases", l.bias.numel(), l.weight.size(0));
  };
  for (const Mixer& m : net.mixers) {
    const int64_t tokens = m.token_in.weight.size(1);
    check_linear(m.token_out, m.token_in.weight.size(0));
    check_linear(m.token_in, tokens);
    check_linear(m.channel_in, channels);
    check_linear(m.channel_out, m.channel_in.weight.size(0));
    expect("a mixer's number of tokens", m.token_out.weight.size(0), tokens);
    expect("a mixer's number of channels", m.channel_out.weight.size(0), channels);
    for (const at::Tensor& v :
         {m.token_norm.weight, m.token_norm.bias, m.channel_norm.weight, m.channel_norm.bias}) {
      expect("the width of a mixer's norm", v.numel(), channels);
    }
  }
  const int64_t in = net.feature.weight.size(1);
  expect("the feature layer's number of inputs modulo the channels", in % channels, 0);
  check_linear(net.feature, in);
  check_linear(net.head, net.feature.weight.size(0));
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  const auto layer = [&](const std::string& name, Layer& l) {
    visit(name + ".weight", l.weight);
    visit(name + ".bias", l.bias);
  };
  for (size_t i = 0; i < net.convs.size(); ++i) {
    const std::string name = "convs." + std::to_string(i);
    layer(name, net.convs[i].conv);
    layer(name + ".norm", net.convs[i].norm);
  }
  for (size_t i = 0; i < net.mixers.size(); ++i) {
    const std::string name = "mixers." + std::to_string(i);
    Mixer& m = net.mixers[i];
    layer(name + ".token_norm", m.token_norm);
    layer(name + ".token_in", m.token_in);
    layer(name + ".token_out", m.token_out);
    layer(name + ".channel_norm", m.channel_norm);
    layer(name + ".channel_in", m.channel_in);
    layer(name + ".channel_out", m.channel_out);
  }
  layer("feature", net.feature);
  layer("head", net.head);
}

Network make_network(const Shape& shape, at::Generator generator) {
  Network net;
  const auto random = [&](at::IntArrayRef sizes) {
    at::Tensor weight = at::empty(sizes, at::kFloat);
    const double fan_in = static_cast<double>(weight.numel() / weight.size(0));
    weight.normal_(0.0, std::sqrt(1.0 / fan_in), generator);
    return Layer{weight, at::zeros({sizes[0]}, at::kFloat)};
  };
  const auto norm = [](int64_t width) {
    return Layer{at::ones({width}, at::kFloat), at::zeros({width}, at::kFloat)};
  };
  int64_t channels = shape.channels, side = shape.size;
  for (size_t i = 0; i < shape.widths.size(); ++i) {
    const int64_t k = shape.kernels[i];
    net.convs.push_back(
        {random({shape.widths[i], channels, k, k}), norm(shape.widths[i]), shape.strides[i]});
    channels = shape.widths[i];
    side = (side - 1) / shape.strides[i] + 1;
  }
  const int64_t tokens = side * side;
  for (int64_t i = 0; i < shape.mixers; ++i) {
    net.mixers.push_back({norm(channels), random({shape.token_hidden, tokens}),
                          random({tokens, shape.token_hidden}), norm(channels),
                          random({shape.channel_hidden, channels}),
                          random({channels, shape.channel_hidden})});
  }
  net.feature = random({shape.features, shape.flatten ? tokens * channels : channels});
  net.head = random({shape.classes, shape.features});
  return net;
}

std::map<std::string, std::string> network_metadata(const Network& net,
                                                    const std::string& architecture) {
  std::string strides;
  for (const Conv& c : net.convs) {
    if (!strides.empty()) strides += ' ';
    strides += std::to_string(c.stride);
  }
  return {{"architecture", architecture}, {"strides", strides}};
}

void check_architecture(const SafetensorsFile& file, const std::string& architecture) {
  const auto found = file.metadata.find("architecture");
  if (found != file.metadata.end() && found->second == architecture) return;
  throw std::runtime_error(file.path + ": the metadata's architecture is " +
                           (found == file.metadata.end() ? "missing" : "'" + found->second + "'") +
                           ", expected '" + architecture + "'");
}

Network take_network(const SafetensorsFile& file, Tensors& tensors, const std::string& prefix) {
  Network net;
  for (const int64_t stride : parse_strides(file)) net.convs.push_back({{}, {}, stride});
  net.mixers.resize(
      static_cast<size_t>(count_blocks(tensors, prefix + "mixers.", ".token_in.weight")));
  for_each_tensor(net, [&](const std::string& own_name, at::Tensor& tensor) {
    const std::string name = prefix + own_name;
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw std::runtime_error(file.path + ": tensor '" + name + "' is missing");
    const bool is_vector =
        name.find("norm.") != std::string::npos || name.find("bias") != std::string::npos;
    const int64_t dims = is_vector ? 1 : own_name.rfind("convs.", 0) == 0 ? 4 : 2;
    if (found->second.dim() != dims || found->second.numel() == 0) {
      throw std::runtime_error(file.path + ": tensor '" + name + "' should have " +
                               std::to_string(dims) + " dimensions and at least one element");
    }
    tensor = found->second;
    tensors.erase(found);
  });
  check_shapes(file.path, net);
  return net;
}

Network load_network(const std::string& path, const std::string& architecture) {
  const SafetensorsFile file = read_safetensors(path);
  check_architecture(file, architecture);
  Tensors tensors = to_tensors(file);
  Network net = take_network(file, tensors, "");
  if (!tensors.empty()) {
    throw std::runtime_error(path + ": " + std::to_string(tensors.size()) +
                             " tensors are not part of the " + architecture + ", such as '" +
                             tensors.begin()->first + "'");
  }
  return net;
}

bool takes(const Network& net, int64_t height, int64_t width) {
  for (const Conv& c : net.convs) {  // they keep the size but for their stride
    height = (height - 1) / c.stride + 1;
    width = (width - 1) / c.stride + 1;
  }
  const int64_t positions = height * width, channels = net.convs.back().conv.weight.size(0);
  const int64_t seen = net.feature.weight.size(1);
  if (seen != channels && seen != positions * channels) return false;
  return std::all_of(net.mixers.begin(), net.mixers.end(), [&](const Mixer& mixer) {
    return mixer.token_in.weight.size(1) == positions;
  });
}

at::Tensor grid(const Network& net, const at::Tensor& images) {
  at::Tensor x = images * 2.0 - 1.0;
  for (const Conv& c : net.convs) x = run_conv(c, x);
  x = x.flatten(2).transpose(1, 2);
  for (const Mixer& m : net.mixers) x = run_mixer(m, x);
  return x;
}

Output classify_grid(const Network& net, const at::Tensor& x) {
  const bool flatten = net.feature.weight.size(1) != x.size(2);
  const at::Tensor pooled = flatten ? x.flatten(1) : x.mean(1);
  if (pooled.size(1) != net.feature.weight.size(1)) {
    throw std::runtime_error("images that leave a grid of " + std::to_string(x.size(1)) +
                             " positions do not fit the network's feature layer");
  }
  const at::Tensor found = at::gelu(linear(net.feature, pooled), "tanh");
  return {found, linear(net.head, found)};
}

at::Tensor features(const Network& net, const at::Tensor& images) {
  return classify(net, images).features;
}

Output classify(const Network& net, const at::Tensor& images) {
  return classify_grid(net, grid(net, images));
}

}  // namespace winnow::classifier

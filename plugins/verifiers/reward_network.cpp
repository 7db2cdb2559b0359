#include "reward_network.hpp"

#include <cmath>
#include <stdexcept>

#include "../safetensors_torch.hpp"

namespace winnow::reward {
namespace {

constexpr const char* kArchitecture = "image-reward";

int64_t width_of(const Network& net) { return net.text.words.size(1); }

using Visit = std::function<void(const std::string&, at::Tensor&, std::vector<int64_t> shape)>;

// With the shape that each tensor should have, which follows from the image and the text.
void for_each_own_tensor(Network& net, const Visit& visit) {
  const int64_t width = width_of(net);
  const int64_t channels = net.image.convs.back().conv.bias.numel();
  const int64_t positions = net.image.feature.weight.size(1) / channels;
  visit("grid.weight", net.grid.weight, {width, channels});
  visit("grid.bias", net.grid.bias, {width});
  visit("places", net.places, {positions, width});
  for (size_t i = 0; i < net.crosses.size(); ++i) {
    const std::string name = "cross." + std::to_string(i);
    const auto layer = [&](const std::string& of, Layer& l, int64_t to) {
      visit(name + of + ".weight", l.weight, {to, width});
      visit(name + of + ".bias", l.bias, {to});
    };
    Cross& cross = net.crosses[i];
    visit(name + ".norm.weight", cross.norm.weight, {width});
    visit(name + ".norm.bias", cross.norm.bias, {width});
    layer(".query", cross.query, width);
    layer(".key_value", cross.key_value, 2 * width);
    layer(".out", cross.out, width);
  }
}

// words [n, length, width], grid [n, positions, width]
at::Tensor look_at(const Cross& cross, const at::Tensor& words, const at::Tensor& grid,
                   int64_t heads) {
  const int64_t n = words.size(0), width = words.size(2), each = width / heads;
  const auto by_head = [&](const at::Tensor& x, int64_t parts) {
    return x.view({n, x.size(1), parts, heads, each}).permute({2, 0, 3, 1, 4});
  };
  const at::Tensor query =
      by_head(at::linear(at::layer_norm(words, {width}, cross.norm.weight, cross.norm.bias),
                         cross.query.weight, cross.query.bias),
              1)[0];
  const at::Tensor pair =
      by_head(at::linear(grid, cross.key_value.weight, cross.key_value.bias), 2);
  const at::Tensor weight = at::softmax(
      at::matmul(query, pair[0].transpose(2, 3)) / std::sqrt(static_cast<double>(each)), 3);
  const at::Tensor mixed = at::matmul(weight, pair[1]).transpose(1, 2).reshape(words.sizes());
  return words + at::linear(mixed, cross.out.weight, cross.out.bias);
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  classifier::for_each_tensor(
      net.image, [&](const std::string& name, at::Tensor& t) { visit("image." + name, t); });
  text_tower::for_each_tensor(net.text, visit);
  for_each_own_tensor(net, [&](const std::string& name, at::Tensor& t,
                               const std::vector<int64_t>&) { visit(name, t); });
}

Network make_network(const classifier::Shape& image, const text_tower::Shape& text,
                     Vocabulary vocabulary, at::Generator generator) {
  Network net;
  net.image = classifier::make_network(image, generator);
  net.text = text_tower::make(text, std::move(vocabulary), image.classes, generator);
  net.crosses.resize(net.text.blocks.size());
  for_each_own_tensor(
      net, [&](const std::string& name, at::Tensor& tensor, const std::vector<int64_t>& shape) {
        tensor = at::zeros(shape, at::kFloat);
        if (name == "places")
          tensor.normal_(0, 0.1, generator);
        else if (shape.size() == 2)
          tensor.normal_(0, std::sqrt(1.0 / static_cast<double>(shape[1])), generator);
        else if (name.find("norm.weight") != std::string::npos)
          tensor.fill_(1);
      });
  return net;
}

std::map<std::string, std::string> network_metadata(const Network& net) {
  auto out = classifier::network_metadata(net.image, kArchitecture);
  out.merge(text_tower::metadata(net.text));
  return out;
}

Network load_network(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  classifier::check_architecture(file, kArchitecture);
  auto tensors = to_tensors(file);
  Network net;
  net.image = classifier::take_network(file, tensors, "image.");
  if (net.image.classes() != 1) {
    throw std::runtime_error(path + ": the image's head gives " +
                             std::to_string(net.image.classes()) + " numbers, expected 1");
  }
  net.text = text_tower::take(file, tensors, net.image.classes());
  net.crosses.resize(net.text.blocks.size());
  for_each_own_tensor(
      net, [&](const std::string& name, at::Tensor& tensor, const std::vector<int64_t>& shape) {
        tensor = text_tower::take_tensor(file, tensors, name, shape);
      });
  if (!tensors.empty()) {
    throw std::runtime_error(path + ": tensor '" + tensors.begin()->first +
                             "' is not part of a reward network");
  }
  return net;
}

at::Tensor rewards(const Network& net, const at::Tensor& images, const text_tower::Words& texts) {
  const at::Tensor seen = classifier::grid(net.image, images);
  const classifier::Output look = classifier::classify_grid(net.image, seen);
  const at::Tensor grid = at::linear(seen, net.grid.weight, net.grid.bias) + net.places;
  at::Tensor x = texts.embedded;
  for (size_t i = 0; i < net.crosses.size(); ++i) {
    x = look_at(net.crosses[i], x, grid, net.text.heads);
    x = text_tower::run_block(net.text.blocks[i], x, texts.bias, net.text.heads);
  }
  const at::Tensor fit = text_tower::project(net.text, x, texts);
  return (look.logits + fit).to(at::kFloat).squeeze(1);
}

}  // namespace winnow::reward

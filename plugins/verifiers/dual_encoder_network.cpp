#include "dual_encoder_network.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>

#include "../safetensors_torch.hpp"

namespace winnow::dual {
namespace {

constexpr int64_t kMaxHeads = 64, kHiddenRatio = 2;
constexpr double kFirstScale = 10;

using Visit = std::function<void(const std::string&, at::Tensor&, std::vector<int64_t> shape)>;

// With the shape that each tensor should have, which follows from the text's words and positions.
void for_each_text_tensor(TextTower& text, int64_t joint, const Visit& visit) {
  const int64_t width = text.words.size(1);
  const auto layer = [&](const std::string& name, Layer& l, int64_t to, int64_t from) {
    visit(name + ".weight", l.weight,
          from == 0 ? std::vector<int64_t>{to} : std::vector<int64_t>{to, from});
    visit(name + ".bias", l.bias, {to});
  };
  for (size_t i = 0; i < text.blocks.size(); ++i) {
    const std::string name = "text.blocks." + std::to_string(i);
    Block& b = text.blocks[i];
    layer(name + ".norm1", b.norm1, width, 0);
    layer(name + ".qkv", b.qkv, 3 * width, width);
    layer(name + ".out", b.out, width, width);
    layer(name + ".norm2", b.norm2, width, 0);
    layer(name + ".up", b.up, kHiddenRatio * width, width);
    layer(name + ".down", b.down, width, kHiddenRatio * width);
  }
  layer("text.norm", text.norm, width, 0);
  layer("text.projection", text.projection, joint, width);
}

at::Tensor linear(const Layer& layer, const at::Tensor& x) {
  return at::linear(x, layer.weight, layer.bias);
}

at::Tensor normalise(const Layer& layer, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, layer.weight, layer.bias);
}

at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, {-1}, true).clamp_min(1e-6); }

// x [n, length, width]; bias [n, 1, 1, length] is 0 for words and -infinity for padding.
at::Tensor run_block(const Block& b, const at::Tensor& x, const at::Tensor& bias, int64_t heads) {
  const int64_t n = x.size(0), length = x.size(1), width = x.size(2), each = width / heads;
  const at::Tensor qkv = linear(b.qkv, normalise(b.norm1, x))
                             .view({n, length, 3, heads, each})
                             .permute({2, 0, 3, 1, 4});
  const at::Tensor weight = at::softmax(
      at::matmul(qkv[0], qkv[1].transpose(2, 3)) / std::sqrt(static_cast<double>(each)) + bias, 3);
  const at::Tensor mixed = at::matmul(weight, qkv[2]).transpose(1, 2).reshape({n, length, width});
  const at::Tensor y = x + linear(b.out, mixed);
  return y + linear(b.down, at::gelu(linear(b.up, normalise(b.norm2, y)), "tanh"));
}

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& why) {
  throw std::runtime_error(file.path + ": " + why);
}

at::Tensor take(const SafetensorsFile& file, std::map<std::string, at::Tensor>& tensors,
                const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) refuse(file, "tensor '" + name + "' is missing");
  const at::Tensor out = found->second;
  tensors.erase(found);
  return out;
}

std::vector<std::string> read_list(const SafetensorsFile& file, const std::string& key,
                                   char separator) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) refuse(file, "the metadata has no '" + key + "'");
  std::istringstream in(found->second);
  std::vector<std::string> out;
  for (std::string item; std::getline(in, item, separator);) out.push_back(item);
  return out;
}

std::string joined(const std::vector<std::string>& items, char separator) {
  std::string out;
  for (const std::string& item : items) {
    if (!out.empty()) out += separator;
    out += item;
  }
  return out;
}

void take_text(const SafetensorsFile& file, std::map<std::string, at::Tensor>& tensors,
               Network& net) {
  TextTower& text = net.text;
  text.words = take(file, tensors, "text.words");
  text.positions = take(file, tensors, "text.positions");
  const auto known = static_cast<int64_t>(net.vocabulary.words().size());
  if (text.words.dim() != 2 || text.words.size(0) != known || text.positions.dim() != 2 ||
      text.positions.size(1) != text.words.size(1) || text.positions.numel() == 0) {
    refuse(file, "text.words and text.positions should be [" + std::to_string(known) +
                     ", width] and [length, width], as the vocabulary has " +
                     std::to_string(known) + " words");
  }
  text.heads = metadata_integer(file, "heads", 1, kMaxHeads);
  if (text.words.size(1) % text.heads != 0) refuse(file, "heads does not divide the text's width");
  while (tensors.count("text.blocks." + std::to_string(text.blocks.size()) + ".qkv.weight") != 0)
    text.blocks.emplace_back();
  for_each_text_tensor(text, net.image.classes(),
                       [&](const std::string& name, at::Tensor& tensor, std::vector<int64_t> s) {
                         tensor = take(file, tensors, name);
                         if (tensor.sizes() == at::IntArrayRef(s)) return;
                         std::ostringstream why;
                         why << "tensor '" << name << "' is " << tensor.sizes() << ", expected "
                             << at::IntArrayRef(s);
                         refuse(file, why.str());
                       });
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  classifier::for_each_tensor(
      net.image, [&](const std::string& name, at::Tensor& t) { visit("image." + name, t); });
  visit("text.words", net.text.words);
  visit("text.positions", net.text.positions);
  for_each_text_tensor(
      net.text, net.image.classes(),
      [&](const std::string& name, at::Tensor& t, const std::vector<int64_t>&) { visit(name, t); });
  visit("log_scale", net.log_scale);
}

Network make_network(const classifier::Shape& image, const TextShape& shape, Vocabulary vocabulary,
                     at::Generator generator) {
  Network net;
  net.image = classifier::make_network(image, generator);
  net.vocabulary = std::move(vocabulary);
  TextTower& text = net.text;
  const auto known = static_cast<int64_t>(net.vocabulary.words().size());
  text.words = at::empty({known, shape.width}, at::kFloat).normal_(0, 0.1, generator);
  text.positions = at::empty({shape.length, shape.width}, at::kFloat).normal_(0, 0.02, generator);
  text.heads = shape.heads;
  text.blocks.resize(static_cast<size_t>(shape.blocks));
  for_each_text_tensor(
      text, image.classes,
      [&](const std::string& name, at::Tensor& tensor, const std::vector<int64_t>& s) {
        tensor = at::zeros(s, at::kFloat);
        if (s.size() == 2)
          tensor.normal_(0, std::sqrt(1.0 / static_cast<double>(s[1])), generator);
        else if (name.find("norm") != std::string::npos && name.find("weight") != std::string::npos)
          tensor.fill_(1);
      });
  net.log_scale = at::full({1}, std::log(kFirstScale), at::kFloat);
  return net;
}

std::map<std::string, std::string> network_metadata(const Network& net) {
  auto out = classifier::network_metadata(net.image, "dual-encoder");
  out["heads"] = std::to_string(net.text.heads);
  out["vocabulary"] = joined(net.vocabulary.words(), ' ');
  out["prompts"] = joined(net.prompts, '\n');
  out["class_words"] = joined(net.class_words, '\n');
  return out;
}

Network load_network(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  classifier::check_architecture(file, "dual-encoder");
  auto tensors = to_tensors(file);
  Network net;
  net.image = classifier::take_network(file, tensors, "image.");
  net.vocabulary = Vocabulary(read_list(file, "vocabulary", ' '));
  net.prompts = read_list(file, "prompts", '\n');
  net.class_words = read_list(file, "class_words", '\n');
  take_text(file, tensors, net);
  net.log_scale = take(file, tensors, "log_scale");
  if (net.log_scale.numel() != 1) refuse(file, "log_scale should be one number");
  net.log_scale = net.log_scale.view({1});
  if (!tensors.empty())
    refuse(file, "tensor '" + tensors.begin()->first + "' is not part of a dual encoder");
  return net;
}

at::Tensor embed_images(const Network& net, const at::Tensor& images) {
  return unit(classifier::classify(net.image, images).logits.to(at::kFloat));
}

at::Tensor embed_texts(const Network& net, const std::vector<std::string>& texts) {
  const TextTower& text = net.text;
  const auto n = static_cast<int64_t>(texts.size());
  std::vector<std::vector<int64_t>> words;
  size_t longest = 1;
  for (const std::string& t : texts) {
    words.push_back(net.vocabulary.encode(t));
    longest = std::max(longest, words.back().size());
    if (longest > static_cast<size_t>(text.positions.size(0))) {
      throw std::runtime_error("the text '" + t + "' has " + std::to_string(longest) +
                               " words, the encoder reads at most " +
                               std::to_string(text.positions.size(0)));
    }
  }
  const auto length = static_cast<int64_t>(longest);
  const at::Tensor index = at::zeros({n, length}, at::kLong);
  const at::Tensor known = at::zeros({n, length, 1}, at::kFloat);
  for (int64_t i = 0; i < n; ++i) {
    const auto& row = words[static_cast<size_t>(i)];
    std::copy(row.begin(), row.end(), index[i].data_ptr<int64_t>());
    known[i].narrow(0, 0, static_cast<int64_t>(row.size())).fill_(1);
  }
  const at::Tensor bias = at::zeros({n, 1, 1, length}, at::kFloat)
                              .masked_fill(known.view({n, 1, 1, length}).eq(0),
                                           -std::numeric_limits<double>::infinity());
  at::Tensor x = at::embedding(text.words, index) + text.positions.narrow(0, 0, length);
  for (const Block& b : text.blocks) x = run_block(b, x, bias, text.heads);
  const at::Tensor pooled = (normalise(text.norm, x) * known).sum(1) / known.sum(1);
  return unit(linear(text.projection, pooled).to(at::kFloat));
}

at::Tensor embed_classes(const Network& net, const std::vector<std::string>& prompts,
                         const std::vector<std::string>& class_words) {
  std::vector<std::string> texts;
  for (const std::string& word : class_words) {
    for (const std::string& prompt : prompts) {
      const size_t place = prompt.find("{}");
      if (place == std::string::npos)
        throw std::runtime_error("the prompt '" + prompt + "' has no {} for the class word");
      texts.push_back(std::string(prompt).replace(place, 2, word));
    }
  }
  if (texts.empty()) throw std::runtime_error("there are no prompts or no class words");
  const at::Tensor each = embed_texts(net, texts);
  return unit(each.view({static_cast<int64_t>(class_words.size()), -1, each.size(1)}).mean(1));
}

}  // namespace winnow::dual

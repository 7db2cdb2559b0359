#include "dual_encoder_network.hpp"

#include <cmath>
#include <sstream>
#include <stdexcept>

#include "../safetensors_torch.hpp"

namespace winnow::dual {
namespace {

constexpr double kFirstScale = 10;

at::Tensor unit(const at::Tensor& x) { return x / x.norm(2, {-1}, true).clamp_min(1e-6); }

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& why) {
  throw std::runtime_error(file.path + ": " + why);
}

// One a line.
std::vector<std::string> read_list(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) refuse(file, "the metadata has no '" + key + "'");
  std::istringstream in(found->second);
  std::vector<std::string> out;
  for (std::string item; std::getline(in, item);) out.push_back(item);
  return out;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : "\n") + line;
  return out;
}

}  // namespace

void for_each_tensor(Network& net,
                     const std::function<void(const std::string&, at::Tensor&)>& visit) {
  classifier::for_each_tensor(
      net.image, [&](const std::string& name, at::Tensor& t) { visit("image." + name, t); });
  text_tower::for_each_tensor(net.text, visit);
  visit("log_scale", net.log_scale);
}

Network make_network(const classifier::Shape& image, const text_tower::Shape& text,
                     Vocabulary vocabulary, at::Generator generator) {
  Network net;
  net.image = classifier::make_network(image, generator);
  net.text = text_tower::make(text, std::move(vocabulary), image.classes, generator);
  net.log_scale = at::full({1}, std::log(kFirstScale), at::kFloat);
  return net;
}

std::map<std::string, std::string> network_metadata(const Network& net) {
  auto out = classifier::network_metadata(net.image, "dual-encoder");
  out.merge(text_tower::metadata(net.text));
  out["prompts"] = joined(net.prompts);
  out["class_words"] = joined(net.class_words);
  return out;
}

Network load_network(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  classifier::check_architecture(file, "dual-encoder");
  auto tensors = to_tensors(file);
  Network net;
  net.image = classifier::take_network(file, tensors, "image.");
  net.prompts = read_list(file, "prompts");
  net.class_words = read_list(file, "class_words");
  net.text = text_tower::take(file, tensors, net.image.classes());
  net.log_scale = text_tower::take_tensor(file, tensors, "log_scale", {1});
  if (!tensors.empty())
    refuse(file, "tensor '" + tensors.begin()->first + "' is not part of a dual encoder");
  return net;
}

at::Tensor embed_images(const Network& net, const at::Tensor& images) {
  return unit(classifier::classify(net.image, images).logits.to(at::kFloat));
}

at::Tensor embed_texts(const Network& net, const std::vector<std::string>& texts) {
  std::vector<std::vector<int64_t>> places;
  for (const std::string& text : texts) places.push_back(text_tower::places_of(net.text, text));
  const text_tower::Words words = text_tower::embed(net.text, places);
  at::Tensor x = words.embedded;
  for (const auto& block : net.text.blocks) {
    x = text_tower::run_block(block, x, words.bias, net.text.heads);
  }
  return unit(text_tower::project(net.text, x, words).to(at::kFloat));
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

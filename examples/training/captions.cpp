#include "captions.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace winnow::training {
namespace {

constexpr double kMentioned = 0.5;  // how often a look is mentioned
constexpr int64_t kInk = 25;        // darker pixels are background

const std::vector<std::string>& templates() {
  static const std::vector<std::string> all = {"{}",
                                               "a {}",
                                               "a photo of a {}",
                                               "a picture of a {}",
                                               "this is a {}",
                                               "one {}",
                                               "an image showing a {}",
                                               "the {} in this picture",
                                               "the {}",
                                               "a photo of the {}"};
  return all;
}

// "a" before a vowel becomes "an".
std::string fill(const std::string& pattern, const std::string& phrase) {
  std::string out = pattern;
  const size_t place = out.find("{}");
  out.replace(place, 2, phrase);
  const bool article =
      place >= 2 && out.compare(place - 2, 2, "a ") == 0 && (place == 2 || out[place - 3] == ' ');
  if (article && std::string("aeiou").find(out[place]) != std::string::npos)
    out.insert(place - 1, "n");
  return out;
}

// int64 in [0, count)
int64_t pick(size_t count, at::Generator& generator) {
  return at::randint(static_cast<int64_t>(count), {1}, generator, at::kLong).item<int64_t>();
}

const std::string& pick_word(const std::vector<std::string>& words, at::Generator& generator) {
  return words[static_cast<size_t>(pick(words.size(), generator))];
}

// The extent of the set pixels along one axis. set [n, side] -> [n]
at::Tensor extent(const at::Tensor& set) {
  const at::Tensor place = at::arange(set.size(1), at::kFloat);
  const at::Tensor last = (set * (place + 1)).amax(1);
  const at::Tensor before = (set * (static_cast<double>(set.size(1)) - place)).amax(1);
  return last + before - static_cast<double>(set.size(1));
}

}  // namespace

const std::vector<Attribute>& attributes() {
  static const std::vector<Attribute> all = {
      {"brightness", {"dark", "black"}, {"bright", "white"}},
      {"width", {"narrow", "slim"}, {"wide", "broad"}},
      {"height", {"low", "short"}, {"tall", "long"}},
      {"texture", {"plain", "smooth"}, {"patterned", "rough"}}};
  return all;
}

at::Tensor measure_attributes(const at::Tensor& pixels) {
  const at::Tensor x = pixels.to(at::kFloat).squeeze(1);
  const at::Tensor ink = x.gt(kInk).to(at::kFloat);
  const at::Tensor area = ink.sum({1, 2}).clamp_min(1);
  const at::Tensor across = x.narrow(2, 1, 27) - x.narrow(2, 0, 27);
  const at::Tensor within = ink.narrow(2, 1, 27) * ink.narrow(2, 0, 27);
  return at::stack({(x * ink).sum({1, 2}) / area, extent(ink.amax(1)), extent(ink.amax(2)),
                    (across.abs() * within).sum({1, 2}) / within.sum({1, 2}).clamp_min(1)},
                   1);
}

const std::vector<std::vector<std::string>>& class_words() {
  static const std::vector<std::vector<std::string>> all = {
      {"t-shirt", "tee", "top"},         {"trousers", "pants", "slacks"},
      {"pullover", "sweater", "jumper"}, {"dress", "gown", "frock"},
      {"coat", "overcoat", "jacket"},    {"sandal", "slipper", "flip-flop"},
      {"shirt", "blouse", "button-up"},  {"sneaker", "trainer", "running shoe"},
      {"bag", "handbag", "purse"},       {"boot", "ankle boot", "bootie"}};
  return all;
}

std::vector<std::string> first_class_words() {
  std::vector<std::string> out;
  for (const auto& words : class_words()) out.push_back(words[0]);
  return out;
}

const std::vector<std::string>& held_out_prompts() {
  static const std::vector<std::string> all = {"an image of the {}", "this is a photo of one {}",
                                               "the picture showing one {}"};
  return all;
}

std::vector<std::string> caption_words() {
  std::set<std::string> words = {"an"};
  const auto add = [&](const std::string& text) {
    std::istringstream in(text);
    for (std::string word; in >> word;)
      if (word != "{}") words.insert(word);
  };
  for (const std::string& text : templates()) add(text);
  for (const std::string& text : held_out_prompts()) add(text);
  for (const auto& synonyms : class_words()) std::for_each(synonyms.begin(), synonyms.end(), add);
  for (const Attribute& a : attributes()) {
    std::for_each(a.low.begin(), a.low.end(), add);
    std::for_each(a.high.begin(), a.high.end(), add);
  }
  return {words.begin(), words.end()};
}

Captions::Captions(const at::Tensor& measures)
    : low_(at::quantile(measures, 1.0 / 3, 0)), high_(at::quantile(measures, 2.0 / 3, 0)) {}

at::Tensor Captions::looks(const at::Tensor& measures) const {
  return measures.ge(high_).to(at::kLong) - measures.le(low_).to(at::kLong);
}

std::string Captions::draw(int64_t label, const at::Tensor& looks, at::Generator generator) const {
  std::string phrase;
  const at::Tensor chance = at::rand({looks.size(0)}, generator, at::kFloat);
  const at::Tensor order = at::randperm(looks.size(0), generator, at::kLong);
  for (int64_t i = 0; i < looks.size(0); ++i) {
    const auto a = order[i].item<int64_t>();
    const auto look = looks[a].item<int64_t>();
    if (look == 0 || chance[a].item<double>() > kMentioned) continue;
    const Attribute& attribute = attributes()[static_cast<size_t>(a)];
    phrase += pick_word(look < 0 ? attribute.low : attribute.high, generator) + " ";
  }
  phrase += pick_word(class_words()[static_cast<size_t>(label)], generator);
  return fill(pick_word(templates(), generator), phrase);
}

}  // namespace winnow::training

// Captions for Fashion-MNIST, made from the label's words and from what can be measured in the
// picture, so that a text says more than its label.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace winnow::training {

// One pair of opposite looks: the words for a low and for a high measure.
struct Attribute {
  const char* name;
  std::vector<std::string> low, high;
};
// Brightness of what is not black, width and height of its bounding box, and its mean absolute
// difference between neighbours.
const std::vector<Attribute>& attributes();

// pixels uint8 [count, 1, 28, 28] -> float32 [count, attributes]
at::Tensor measure_attributes(const at::Tensor& pixels);

// The words of a class; the first one is how the verifier asks for it.
const std::vector<std::vector<std::string>>& class_words();
std::vector<std::string> first_class_words();

// What the verifier asks by, with {} for the class word: none of them is a caption.
const std::vector<std::string>& held_out_prompts();

// Every word that a caption or a held-out prompt can have, sorted.
std::vector<std::string> caption_words();

class Captions {
 public:
  // Calls the outer thirds of these measures low and high.
  explicit Captions(const at::Tensor& measures);
  // -1 low, 0 neither, 1 high: int64 [count, attributes]
  at::Tensor looks(const at::Tensor& measures) const;
  // A random caption for one picture: a template, a word of its class, and some of its looks.
  std::string draw(int64_t label, const at::Tensor& looks, at::Generator generator) const;

 private:
  at::Tensor low_, high_;
};

}  // namespace winnow::training

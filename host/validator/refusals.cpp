// refusals.cpp: see refusals.hpp.
#include "host/validator/refusals.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace winnow::validator {
namespace {

using Texts = std::vector<std::string>;  // in the order in which they came, each once

void add(Texts& texts, const std::string& text) {
  if (std::ranges::find(texts, text) == texts.end()) texts.push_back(text);
}

Texts distinct(const std::vector<Refusal>& refusals, std::string Refusal::*part) {
  Texts texts;
  for (const Refusal& refusal : refusals) add(texts, refusal.*part);
  return texts;
}

std::string prompt_text(const std::string& prompt) {
  return prompt.empty() ? "without a prompt" : fmt::format("with the prompt '{}'", prompt);
}

// "1x28x28, 3x32x32 without a prompt; every shape with the prompt 'a red apple'"
std::string pictures_text(const std::vector<Refusal>& refusals, const std::string& text) {
  const std::size_t all_shapes = distinct(refusals, &Refusal::shape).size();
  const Texts prompts = distinct(refusals, &Refusal::prompt);
  std::map<std::string, Texts> shapes;  // by prompt
  for (const Refusal& refusal : refusals)
    if (refusal.text == text) shapes[refusal.prompt].push_back(refusal.shape);
  const auto shapes_text = [&](const Texts& some) {
    return some.size() == all_shapes ? "every shape" : fmt::format("{}", fmt::join(some, ", "));
  };
  const Texts& first = shapes.begin()->second;
  const bool of_all = shapes.size() == prompts.size() &&
                      std::ranges::all_of(shapes, [&](auto& one) { return one.second == first; });
  if (of_all) return shapes_text(first) + (prompts.size() > 1 ? " with every prompt" : "");
  Texts parts;
  for (const std::string& prompt : prompts)
    if (const auto found = shapes.find(prompt); found != shapes.end())
      parts.push_back(shapes_text(found->second) + ' ' + prompt_text(prompt));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

std::string refusals_text(const std::vector<Refusal>& refusals) {
  constexpr const char* kAdvice = "--shape CxHxW and --prompt TEXT give it others";
  const Texts texts = distinct(refusals, &Refusal::text);
  if (texts.size() == 1 && refusals.size() == 1)
    return fmt::format("it takes no picture of shape {} {}: {}", refusals[0].shape,
                       prompt_text(refusals[0].prompt), texts[0]);
  if (texts.size() == 1)
    return fmt::format("it takes no picture: {}\nIt says so of {} usual pictures; {}.", texts[0],
                       refusals.size(), kAdvice);
  std::string all = fmt::format("it takes none of the usual pictures; {}. It says", kAdvice);
  for (const std::string& text : texts)
    all +=
        fmt::format("\nof {}: {}", pictures_text(refusals, text), text.substr(0, text.find('\n')));
  return all;
}

}  // namespace winnow::validator

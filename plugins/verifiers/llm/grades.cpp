#include "grades.hpp"

#include <openssl/evp.h>
#include <spng.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace winnow {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kBest = 100;
constexpr std::size_t kShown = 200;  // bytes of an answer in a message

constexpr const char* kTask =
    "You grade pictures that a text-to-image model made. For the picture and its prompt, give "
    "first one sentence of reasons, then a grade from 0 (worst) to 100 (best) for each aspect.\n"
    "accuracy_to_prompt: every object, number, colour, material, place and style that the prompt "
    "asks for is there, and nothing contradicts it.\n"
    "creativity_and_originality: the picture adds something of its own to what was asked for.\n"
    "visual_quality_and_realism: detail, light, composition, no artefacts; as real as its style "
    "wants to be.\n"
    "consistency_and_cohesion: the parts fit each other, nothing is out of place.\n"
    "emotional_or_thematic_resonance: the picture carries the mood or theme of the prompt.\n"
    "Use the whole range. Answer with the JSON object alone.";

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Json schema() {
  Json properties = {{"reasons", {{"type", "string"}}}};
  Json required = {"reasons"};
  for (const char* aspect : kAspects) {
    properties[aspect] = {{"type", "integer"}, {"minimum", 0}, {"maximum", 100}};
    required.push_back(aspect);
  }
  return {{"type", "object"},
          {"properties", properties},
          {"required", required},
          {"additionalProperties", false}};
}

std::string excerpt(const std::string& text) {
  return text.size() > kShown ? text.substr(0, kShown) + "..." : text;
}

Json parsed(const std::string& text, const std::string& what) {
  Json out = Json::parse(text, nullptr, false);
  if (out.is_discarded() || !out.is_object()) {
    throw std::runtime_error(what + " is no JSON object: " + excerpt(text));
  }
  return out;
}

// The text of the first choice.
std::string content_of(const Json& answer) {
  try {
    const Json& choice = answer.at("choices").at(0);
    const Json& message = choice.at("message");
    if (message.contains("refusal") && message["refusal"].is_string()) {
      throw std::runtime_error("the model refuses: " + excerpt(message["refusal"]));
    }
    if (choice.value("finish_reason", Json()) == "length") {
      throw std::runtime_error("the grades are cut off at max_tokens");
    }
    return message.at("content").get<std::string>();
  } catch (const Json::exception&) {
    throw std::runtime_error("the answer has no choices[0].message.content: " +
                             excerpt(answer.dump(-1, ' ', false, Json::error_handler_t::replace)));
  }
}

double grade(const Json& grades, const char* aspect) {
  const auto found = grades.find(aspect);
  if (found == grades.end()) {
    throw std::runtime_error(std::string("the grades have no \"") + aspect + "\"");
  }
  const double value = found->is_number() ? found->get<double>() : NAN;
  if (value >= 0 && value <= kBest) return value;
  throw std::runtime_error(std::string("\"") + aspect + "\" is " + excerpt(found->dump()) +
                           ", expected a number from 0 to 100");
}

double count(const Json& usage, const char* key) {
  const auto found = usage.find(key);
  return found != usage.end() && found->is_number() ? std::max(0.0, found->get<double>()) : 0;
}

void encoded(int error) {
  if (error != 0) throw std::runtime_error(std::string("a PNG file: ") + spng_strerror(error));
}

// Interleaved rows, each pixel `scale` times as wide and as high.
std::vector<unsigned char> enlarged(std::span<const float> picture, std::uint32_t channels,
                                    std::uint32_t height, std::uint32_t width,
                                    std::uint32_t scale) {
  std::vector<unsigned char> out;
  out.reserve(picture.size() * scale * scale);
  for (std::uint32_t y = 0; y < height * scale; ++y) {
    for (std::uint32_t x = 0; x < width * scale; ++x) {
      for (std::uint32_t c = 0; c < channels; ++c) {
        const float value = picture[(std::size_t{c} * height + y / scale) * width + x / scale];
        const float clamped = value > 0 ? std::min(value, 1.0f) : 0;  // NaN: 0
        out.push_back(static_cast<unsigned char>(std::floor(255 * clamped + 0.5f)));
      }
    }
  }
  return out;
}

}  // namespace

std::string chat_request(const Question& question, const std::string& prompt,
                         const std::string& png) {
  const Json picture = {{"type", "image_url"},
                        {"image_url", {{"url", "data:image/png;base64," + base64(png)}}}};
  const Json text = {{"type", "text"}, {"text", "The prompt: " + prompt}};
  const Json body = {
      {"model", question.model},
      {"temperature", question.temperature},
      {"max_tokens", question.max_tokens},
      {"messages",
       {{{"role", "system"}, {"content", kTask}},
        {{"role", "user"}, {"content", Json::array({text, picture})}}}},
      {"response_format",
       {{"type", "json_schema"},
        {"json_schema", {{"name", "grades"}, {"strict", true}, {"schema", schema()}}}}}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

double Grades::mean() const {
  return std::accumulate(aspects.begin(), aspects.end(), 0.0) / kAspects.size();
}

Grades read_grades(const std::string& answer) {
  const Json body = parsed(answer, "the answer");
  const Json grades = parsed(content_of(body), "what the model wrote");
  Grades out;
  for (std::size_t i = 0; i < kAspects.size(); ++i) out.aspects[i] = grade(grades, kAspects[i]);
  if (const auto usage = body.find("usage"); usage != body.end() && usage->is_object()) {
    out.prompt_tokens = count(*usage, "prompt_tokens");
    out.completion_tokens = count(*usage, "completion_tokens");
  }
  return out;
}

std::string png_of(std::span<const float> picture, std::uint32_t channels, std::uint32_t height,
                   std::uint32_t width, std::uint32_t least_side) {
  const std::uint32_t shorter = std::max(1u, std::min(height, width));
  const std::uint32_t scale = (least_side + shorter - 1) / shorter;
  const auto pixels = enlarged(picture, channels, height, width, std::max(1u, scale));
  const std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)> context(spng_ctx_new(SPNG_CTX_ENCODER),
                                                                    spng_ctx_free);
  encoded(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  spng_ihdr header{};
  header.width = width * std::max(1u, scale);
  header.height = height * std::max(1u, scale);
  header.bit_depth = 8;
  header.color_type = channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
  encoded(spng_set_ihdr(context.get(), &header));
  encoded(spng_encode_image(context.get(), pixels.data(), pixels.size(), SPNG_FMT_PNG,
                            SPNG_ENCODE_FINALIZE));
  std::size_t size = 0;
  int error = 0;
  const std::unique_ptr<void, decltype(&std::free)> bytes(
      spng_get_png_buffer(context.get(), &size, &error), std::free);
  encoded(error);
  return {static_cast<const char*>(bytes.get()), size};
}

}  // namespace winnow

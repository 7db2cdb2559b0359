// What a chat model is asked about a picture, and what it answers: five aspects from 0 to 100.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace winnow {

// Ma et al., 2025 (arXiv:2501.09732, figure 16).
inline constexpr std::array<const char*, 5> kAspects = {
    "accuracy_to_prompt", "creativity_and_originality", "visual_quality_and_realism",
    "consistency_and_cohesion", "emotional_or_thematic_resonance"};

struct Question {
  std::string model;
  std::int64_t max_tokens = 300;
  double temperature = 0;
};

// The body of a chat completion with one picture, and a JSON schema for the answer. png: the bytes
// of the file.
std::string chat_request(const Question& question, const std::string& prompt,
                         const std::string& png);

struct Grades {
  std::array<double, kAspects.size()> aspects{};    // each in [0, 100]
  double prompt_tokens = 0, completion_tokens = 0;  // as the endpoint counts them; 0: it does not
  double mean() const;
};

// Out of the body of the endpoint's answer. Throws std::runtime_error saying what was found and
// what was expected.
Grades read_grades(const std::string& answer);

// The bytes of a PNG file of a picture [channels, height, width] in [0, 1], channels 1 or 3, each
// pixel enlarged to a square so that the shorter side is not below `least_side`.
std::string png_of(std::span<const float> picture, std::uint32_t channels, std::uint32_t height,
                   std::uint32_t width, std::uint32_t least_side);

}  // namespace winnow

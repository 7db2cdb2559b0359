#include "length.hpp"

#include <algorithm>

namespace winnow::tokenizer {
namespace {

constexpr int64_t kMaxLength = int64_t{1} << 24;

}  // namespace

std::optional<Truncation> read_truncation(const Field& file) {
  const auto field = file.find("truncation");
  if (!field) return std::nullopt;
  field->allow_only({"direction", "max_length", "strategy", "stride"});
  field->at("strategy").choice({"LongestFirst", "OnlyFirst"});
  const auto direction = field->find("direction");
  // Some files have enormous numbers here where they mean "never".
  return Truncation{direction && direction->choice({"Right", "Left"}) == 1,
                    field->at("max_length").integer(0, INT64_MAX)};
}

std::optional<Padding> read_padding(const Field& file, int64_t size) {
  const auto field = file.find("padding");
  if (!field) return std::nullopt;
  field->allow_only(
      {"strategy", "direction", "pad_to_multiple_of", "pad_id", "pad_type_id", "pad_token"});
  Padding padding;
  padding.left = field->at("direction").choice({"Right", "Left"}) == 1;
  padding.id = field->at("pad_id").integer(0, size - 1);
  const Field strategy = field->at("strategy");
  if (strategy.value().is_object()) {
    strategy.allow_only({"Fixed"});
    padding.length = strategy.at("Fixed").integer(0, kMaxLength);
  } else {
    strategy.choice({"BatchLongest"});
  }
  if (const auto multiple = field->find("pad_to_multiple_of"))
    padding.multiple = std::max<int64_t>(multiple->integer(0, kMaxLength), 1);
  return padding;
}

}  // namespace winnow::tokenizer

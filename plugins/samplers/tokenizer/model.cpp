#include "model.hpp"

namespace winnow::tokenizer {
namespace {

const char* type_of_old_file(const Field& field) {
  if (field.find("merges")) return "BPE";
  if (field.find("max_input_chars_per_word")) return "WordPiece";
  if (field.at("vocab").value().is_array()) return "Unigram";
  field.refuse("has no \"type\"");
}

}  // namespace

std::unique_ptr<const Model> read_model(const Field& field) {
  const auto named = field.find("type");
  const Json old = named ? Json() : Json(type_of_old_file(field));
  switch ((named ? *named : Field(old, field.place())).choice({"BPE", "Unigram", "WordPiece"})) {
    case 0:
      return read_bpe(field);
    case 1:
      return read_unigram(field);
    default:
      return read_word_piece(field);
  }
}

size_t character_size(std::string_view text, size_t place) {
  const auto byte = static_cast<uint8_t>(text[place]);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace winnow::tokenizer

// What turns a word into ids: the "model" of a tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "json_field.hpp"
#include "token_table.hpp"

namespace winnow::tokenizer {

class Model {
 public:
  virtual ~Model() = default;
  // Appends the ids of a word, which is UTF-8 and not empty. Throws std::runtime_error when the
  // model needs an unknown token that it does not have.
  virtual void encode(const std::string& word, std::vector<int64_t>& ids) const = 0;
  virtual const TokenTable& vocabulary() const = 0;
};

// Also files without a "type", which older versions of the library wrote.
std::unique_ptr<const Model> read_model(const Field& field);

// One file each.
std::unique_ptr<const Model> read_bpe(const Field& field);
std::unique_ptr<const Model> read_word_piece(const Field& field);
std::unique_ptr<const Model> read_unigram(const Field& field);

// The bytes of the character at `place` of valid UTF-8.
size_t character_size(std::string_view text, size_t place);

}  // namespace winnow::tokenizer

#include "tokenizer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "added_tokens.hpp"
#include "json_field.hpp"
#include "length.hpp"
#include "model.hpp"
#include "normalizer.hpp"
#include "post_processor.hpp"
#include "pre_tokenizer.hpp"
#include "text.hpp"

namespace winnow {

using tokenizer::Field;
using tokenizer::Padding;
using tokenizer::Span;
using tokenizer::Text;
using tokenizer::Truncation;

struct Tokenizer::Parts {
  explicit Parts(const Field& file);

  std::vector<int64_t> tokens(std::string_view text) const;  // without special tokens around them
  void encode_piece(const Text& piece, std::vector<int64_t>& ids) const;
  // How many ids are gone.
  size_t truncate(std::vector<int64_t>& ids, const Truncation& truncation) const;
  Encoding finish(const std::vector<int64_t>& ids, const std::optional<Padding>& padding) const;

  tokenizer::Normalizer normalizer;       // may be empty
  tokenizer::PreTokenizer pre_tokenizer;  // may be empty
  std::unique_ptr<const tokenizer::Model> model;
  tokenizer::AddedTokens added;
  int64_t size = 0;
  tokenizer::Frame frame;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
};

Tokenizer::Parts::Parts(const Field& file) {
  file.allow_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                   "pre_tokenizer", "post_processor", "decoder", "model"});
  if (const auto version = file.find("version")) version->choice({"1.0"});
  if (const auto field = file.find("normalizer")) normalizer = tokenizer::read_normalizer(*field);
  if (const auto field = file.find("pre_tokenizer"))
    pre_tokenizer = tokenizer::read_pre_tokenizer(*field);
  model = tokenizer::read_model(file.at("model"));
  if (const auto field = file.find("added_tokens"))
    added = tokenizer::AddedTokens::read(*field, model->vocabulary(), normalizer);
  size = std::max(model->vocabulary().size(), added.size());
  if (const auto field = file.find("post_processor"))
    frame = tokenizer::read_post_processor(*field, size);
  truncation = tokenizer::read_truncation(file);
  padding = tokenizer::read_padding(file, size);
}

void Tokenizer::Parts::encode_piece(const Text& piece, std::vector<int64_t>& ids) const {
  std::vector<Text> words{piece};
  if (pre_tokenizer) pre_tokenizer(words);
  for (const Text& word : words) model->encode(tokenizer::to_utf8(word.units), ids);
}

std::vector<int64_t> Tokenizer::Parts::tokens(std::string_view text) const {
  std::vector<int64_t> ids;
  for (Span& plain : added.cut(tokenizer::read_text(text), false)) {
    if (plain.id) {
      ids.push_back(*plain.id);
      continue;
    }
    if (normalizer) normalizer(plain.text);
    for (const Span& span : added.cut(plain.text, true)) {
      if (span.id)
        ids.push_back(*span.id);
      else
        encode_piece(span.text, ids);
    }
  }
  return ids;
}

size_t Tokenizer::Parts::truncate(std::vector<int64_t>& ids, const Truncation& truncation) const {
  const auto special = static_cast<int64_t>(frame.size());
  if (truncation.length < special)
    throw std::runtime_error("a length of " + std::to_string(truncation.length) +
                             " leaves no room for the " + std::to_string(special) +
                             " special tokens around a text");
  const auto excess = static_cast<int64_t>(ids.size()) - (truncation.length - special);
  if (excess <= 0) return 0;
  const auto begin = truncation.left ? ids.begin() : ids.end() - excess;
  ids.erase(begin, begin + excess);
  return static_cast<size_t>(excess);
}

Encoding Tokenizer::Parts::finish(const std::vector<int64_t>& ids,
                                  const std::optional<Padding>& padding) const {
  Encoding out{frame.before, {}, 0};
  out.ids.insert(out.ids.end(), ids.begin(), ids.end());
  out.ids.insert(out.ids.end(), frame.after.begin(), frame.after.end());
  out.mask.assign(out.ids.size(), 1);
  if (!padding) return out;
  const auto own = static_cast<int64_t>(out.ids.size());
  int64_t length = padding->length > 0 ? padding->length : own;
  length += (padding->multiple - length % padding->multiple) % padding->multiple;
  const auto missing = static_cast<size_t>(std::max<int64_t>(length - own, 0));
  out.ids.insert(padding->left ? out.ids.begin() : out.ids.end(), missing, padding->id);
  out.mask.insert(padding->left ? out.mask.begin() : out.mask.end(), missing, 0);
  return out;
}

Tokenizer Tokenizer::load(const std::string& path) try {
  const tokenizer::Json json = tokenizer::read_json(path);
  return Tokenizer(std::make_shared<const Parts>(Field(json, "")));
} catch (const std::runtime_error& error) {
  throw std::runtime_error(path + ": " + error.what());
}

Encoding Tokenizer::encode(std::string_view text) const {
  std::vector<int64_t> ids = parts_->tokens(text);
  const size_t cut = parts_->truncation ? parts_->truncate(ids, *parts_->truncation) : 0;
  Encoding out = parts_->finish(ids, parts_->padding);
  out.cut = cut;
  return out;
}

Encoding Tokenizer::encode(std::string_view text, size_t length, std::optional<int64_t> pad) const {
  if (!pad && !parts_->padding)
    throw std::runtime_error(
        "the tokenizer names no padding token, so a text cannot be padded to " +
        std::to_string(length) + " ids");
  if (pad && (*pad < 0 || *pad >= size()))
    throw std::runtime_error("the padding token " + std::to_string(*pad) +
                             " is not one of the tokenizer's, which are 0 to " +
                             std::to_string(size() - 1));
  const auto fixed = static_cast<int64_t>(length);
  const bool left = parts_->padding && parts_->padding->left;
  std::vector<int64_t> ids = parts_->tokens(text);
  const size_t cut = parts_->truncate(ids, {parts_->truncation && parts_->truncation->left, fixed});
  Encoding out = parts_->finish(ids, Padding{left, pad ? *pad : parts_->padding->id, fixed, 1});
  out.cut = cut;
  return out;
}

std::optional<int64_t> Tokenizer::id(std::string_view token) const {
  const auto added = parts_->added.find(std::string(token));
  return added ? added : parts_->model->vocabulary().find(token);
}

int64_t Tokenizer::size() const { return parts_->size; }

void Tokenizer::check_rows(int64_t rows) const {
  if (size() > rows)
    throw std::runtime_error("the tokenizer gives ids up to " + std::to_string(size() - 1) +
                             ", but the embedding table has " + std::to_string(rows) + " rows");
}

}  // namespace winnow

// Reads a `tokenizer.json` as Hugging Face's library `tokenizers` writes it, and turns texts into
// the ids that the library would give, one for one. Needs no LibTorch and no Python.
// https://huggingface.co/docs/tokenizers
//
//   const Tokenizer tokenizer = Tokenizer::load("tokenizer/tokenizer.json");
//   tokenizer.check_rows(49408);                       // rows of the encoder's embedding table
//   Encoding encoding = tokenizer.encode(prompt, 77);  // 77 ids and their attention mask
//
// Read: models BPE, WordPiece, Unigram; normalizers BertNormalizer, Lowercase, NFC, NFD, NFKC,
// NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip, StripAccents; pre-tokenizers
// BertPreTokenizer, ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace,
// WhitespaceSplit; post-processors BertProcessing, ByteLevel, RobertaProcessing, Sequence,
// TemplateProcessing. Whatever else a file asks for is refused by name; decoders are not read.
//
// Characters that came after Unicode 15.0 count as unassigned, where newer versions of the library
// may know them as letters or digits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace winnow {

struct Encoding {
  std::vector<int64_t> ids;
  std::vector<int64_t> mask;  // as long as ids: 1 for a token, 0 for padding
  size_t cut = 0;             // ids of the text that there was no room for
};

// Immutable: any number of threads may use one, and copies are cheap. Every refusal is a
// std::runtime_error.
class Tokenizer {
 public:
  // The file is treated as hostile; a refusal names the file, the place in it, and what was
  // expected there.
  static Tokenizer load(const std::string& path);

  // The ids of a text in UTF-8 with the special tokens around it, cut and padded as the file says,
  // which mostly means not at all. Refuses invalid UTF-8 and texts of more than 16 MiB.
  Encoding encode(std::string_view text) const;

  // Exactly `length` ids: texts that are too long are cut, special tokens stay whole, and the rest
  // is padding. The same as padding="max_length", truncation=True in transformers. Sides are those
  // of the file, else right. Without `pad` the file must name its padding token; those of CLIP and
  // T5 rarely do (it stands in tokenizer_config.json).
  Encoding encode(std::string_view text, size_t length, std::optional<int64_t> pad = {}) const;

  // The id of a token, added ones first; none when there is no such token.
  std::optional<int64_t> id(std::string_view token) const;
  // One more than the greatest id that encode() can give.
  int64_t size() const;
  // Refuses an embedding table of `rows` rows that some id would not find its row in.
  void check_rows(int64_t rows) const;

 private:
  struct Parts;
  explicit Tokenizer(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<const Parts> parts_;
};

}  // namespace winnow

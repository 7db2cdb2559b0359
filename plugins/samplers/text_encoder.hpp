// The text encoders of a bundle: its tokenizers, and one program from their ids to what the
// denoiser is told of a prompt.
//
// Prompts are encoded one by one, so that what comes out depends on nothing else, and once: the
// rows are kept, 1 GiB of them, those that were asked for last.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <list>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bundle.hpp"
#include "exported_network.hpp"
#include "tokenizer/tokenizer.hpp"

namespace winnow {

class TextEncoder {
 public:
  using Rows = std::vector<at::Tensor>;  // of one prompt, [1, ...] each, on the CPU
  using Notice = std::function<void(const std::string&)>;

  static constexpr size_t kKeptBytes = size_t{1} << 30;

  // names: the denoiser's inputs that depend on the prompt, in its order. Encodes one prompt, so
  // that what does not fit together is found out beforehand. notice hears, once per prompt, which
  // part of one that is too long is not seen. Throws std::runtime_error.
  TextEncoder(const Bundle& bundle, const std::vector<std::string>& names, at::Device device,
              Notice notice, size_t kept_bytes = kKeptBytes);

  // Throws std::runtime_error for a prompt that is not UTF-8, or that the program fails with.
  Rows encode(const std::string& prompt);

 private:
  struct Kept {
    std::string prompt;
    Rows rows;
  };

  Rows made(const std::string& prompt);
  Rows zeros() const;
  Rows run(std::vector<at::Tensor> inputs) const;
  void check_shapes(const Rows& rows) const;
  void keep(const std::string& prompt, const Rows& rows);
  void warn(const std::string& prompt, const std::string& prepared, size_t tokenizer);

  BundleTextEncoder files_;
  std::vector<std::string> names_;
  std::vector<std::vector<int64_t>> shapes_;
  at::Device device_;
  Notice notice_;
  std::vector<Tokenizer> tokenizers_;
  ExportedNetwork program_;
  std::list<Kept> kept_;  // the one asked for last first
  std::unordered_map<std::string, std::list<Kept>::iterator> places_;
  size_t bytes_ = 0, most_bytes_;  // of what is kept
  std::set<std::string> warned_;
};

}  // namespace winnow

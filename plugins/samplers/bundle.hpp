// bundle.toml of an exported bundle: what examples/export/export_diffusers.py wrote about the
// network, its latents and its scheduler. docs/bundles.md has every key. Needs no LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "diffusion_path.hpp"

namespace winnow {

enum class Guidance { kNone, kClassifierFree, kDistilled };
enum class ConditionKind { kNone, kClass, kPrompt };

struct BundleTokenizer {
  std::filesystem::path file;    // a tokenizer.json that cuts and pads
  int64_t length = 0, rows = 0;  // ids of a prompt; embeddings of its encoder
  std::vector<std::string> samples;
  std::vector<std::vector<int64_t>> ids;  // of each sample, without padding
};

// Programs that take ids and masks of the tokenizers and give what the denoiser is told.
struct BundleTextEncoder {
  std::filesystem::path program;
  bool lower_strip = false;  // prompts, before they are tokenized
  bool zero_empty = false;   // the empty prompt is zeros
  std::vector<BundleTokenizer> tokenizers;
};

struct Bundle {
  std::filesystem::path folder;
  std::string pipeline;

  std::filesystem::path denoiser;
  std::vector<std::string> inputs;  // "latents", "time", ["guidance"], then the conditions
  diffusion::Prediction prediction = diffusion::Prediction::kEpsilon;
  bool bf16 = false;
  int64_t max_batch = 1;  // of one call of the denoiser
  double flops = 0;       // of one item; 0: not stated

  std::vector<int64_t> latent_shape;   // [C, H, W] or [C, T, H, W]
  double scale = 1, shift = 0;         // latents / scale + shift is what is decoded
  std::filesystem::path decoder;       // empty: latents are pixels
  std::vector<int64_t> picture_shape;  // of a decoder that is a program

  Guidance guidance = Guidance::kNone;
  double guidance_scale = 1;
  ConditionKind condition = ConditionKind::kNone;
  int64_t classes = 0, null_class = 0;
  std::filesystem::path prompts;  // encoded ones; may be empty where there is a text encoder
  std::optional<BundleTextEncoder> text_encoder;
  std::string null_prompt;
  std::map<std::string, std::vector<int64_t>> rows;  // of the prompts' tensors

  diffusion::Schedule schedule;
  diffusion::Solver solver = diffusion::Solver::kEuler;
  uint32_t steps = 1;
  std::optional<double> clip;  // data predictions stay within [-clip, clip]

  bool is_compiled() const;  // some program of it
};

// Throws std::runtime_error, one sentence with the file, what was found and what was expected, for
// anything that is wrong with bundle.toml, and for programs that were compiled for another LibTorch
// than `torch` ("2.13.0") or more of a CPU than `cpu` ("DEFAULT", "AVX2", "AVX512").
Bundle read_bundle(const std::filesystem::path& folder, const std::string& torch,
                   const std::string& cpu);

// Compares every file of the bundle with its sha256 in bundle.toml. Throws std::runtime_error
// naming the file that differs, is missing, or is not named there.
void check_files(const Bundle& bundle);

}  // namespace winnow

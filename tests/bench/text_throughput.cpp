// text_throughput: whole text-to-image runs of winnow against a bare LibTorch loop over the same
// sampler network and the same verifier network on the same batches.
//
//   build/tests/text_throughput PLUGINS SAMPLER.safetensors CLIP.safetensors [--batch 32]
//     [--candidates 256] [--repeats 5]
//
// Prints candidates per second of both, interleaved, and the ratio of the medians. The bare loop
// encodes each prompt once, makes 12 guided Euler steps from fresh noise, and scores the pictures
// with the dual encoder. A whole run means: plugins loaded, noise, ask, batches, decode, scores,
// journal, PNG files, summary, gallery.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "plugins/samplers/text_sit_network.hpp"
#include "plugins/verifiers/dual_encoder_network.hpp"
#include "tests/bench/whole_run.hpp"

namespace {

namespace fs = std::filesystem;
namespace dual = winnow::dual;
namespace text_sit = winnow::text_sit;
using namespace winnow::bench;

constexpr int kSteps = 12;
constexpr double kGuidance = 3;
const std::vector<std::string> kPrompts = {"a red circle and a blue square",
                                           "a green triangle above a yellow ring",
                                           "two purple crosses",
                                           "a striped orange square and a solid cyan circle",
                                           "a pink diamond left of a green square",
                                           "three blue circles",
                                           "a yellow cross on a black background",
                                           "a checkered red square below a blue ring"};

struct Networks {
  text_sit::Network sampler;
  dual::Network verifier;
};

// The prompts of a batch, then as many times none, and what the verifier makes of them.
struct Encoded {
  text_sit::Texts texts;
  at::Tensor embedded;
};

Encoded encode(const Networks& networks, int batch) {
  std::vector<std::vector<int64_t>> words;
  std::vector<std::string> prompts;
  for (int i = 0; i < batch; ++i) {
    prompts.push_back(kPrompts[static_cast<std::size_t>(i) % kPrompts.size()]);
    words.push_back(text_sit::words_of(networks.sampler, prompts.back()));
  }
  words.resize(2 * prompts.size());
  return {text_sit::encode(networks.sampler, words, networks.sampler.config.length),
          dual::embed_texts(networks.verifier, prompts)};
}

// Candidates per second.
double bare(const Networks& networks, const Encoded& encoded, int batch, int candidates) {
  const c10::InferenceMode guard;
  const text_sit::Config& c = networks.sampler.config;
  const auto start = Clock::now();
  for (int done = 0; done < candidates; done += batch) {
    at::Tensor x = at::randn({batch, c.channels, c.size, c.size});
    for (int k = 0; k < kSteps; ++k) {
      const at::Tensor s = at::full({2 * batch}, static_cast<double>(k) / kSteps);
      const auto halves =
          text_sit::velocity(networks.sampler, at::cat({x, x}), s, encoded.texts).chunk(2);
      x = x + (halves[1] + kGuidance * (halves[0] - halves[1])) / kSteps;
    }
    const at::Tensor pictures = ((x + 1) / 2).clamp(0, 1);
    at::sum(dual::embed_images(networks.verifier, pictures) * encoded.embedded, 1);
  }
  return candidates / since(start);
}

void write_config(const fs::path& file, const std::vector<std::string>& words, int batch,
                  int candidates) {
  std::ofstream out(file);
  out << "[run]\nname = \"bench\"\n[budget]\nnfe = "
      << candidates / static_cast<int>(kPrompts.size()) * kSteps << "\n[tasks]\nprompts = [";
  for (const std::string& prompt : kPrompts) out << '"' << prompt << "\", ";
  out << "]\n[sampler]\nplugin = \"winnow.text_sit\"\nweights = \""
      << fs::absolute(words[1]).string() << "\"\nsteps = " << kSteps
      << "\n[[verifier]]\nplugin = \"winnow.clip_score\"\nweights = \""
      << fs::absolute(words[2]).string()
      << "\"\n[search]\nplugin = \"winnow.random\"\n[execution]\nbatch = " << batch << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) {
    std::fprintf(stderr,
                 "usage: text_throughput PLUGINS SAMPLER.safetensors CLIP.safetensors [--batch N] "
                 "[--candidates N] [--repeats N]\n");
    return 2;
  }
  const int batch = option(words, "--batch", 32), candidates = option(words, "--candidates", 256);
  const int repeats = option(words, "--repeats", 5);
  winnow::SearchPath path;
  path.entries = {{words[0], "command line", true}};
  const winnow::Registry registry = winnow::Registry::scan(path, winnow::host_facts());
  const fs::path folder = fs::temp_directory_path() / "winnow-text-throughput";
  fs::create_directories(folder);
  write_config(folder / "run.toml", words, batch, candidates);
  const Networks networks{text_sit::load_network(words[1]), dual::load_network(words[2])};
  const Encoded encoded = encode(networks, batch);
  std::vector<double> bare_rates, run_rates;
  for (int repeat = 0; repeat <= repeats; ++repeat) {  // the first pair warms up
    const double b = bare(networks, encoded, batch, candidates);
    const double r = candidates / whole_run(registry, folder / "run.toml", folder / "out");
    if (repeat == 0) continue;
    bare_rates.push_back(b);
    run_rates.push_back(r);
    std::printf("bare %6.2f/s   whole run %6.2f/s   ratio %.3f\n", b, r, r / b);
  }
  const double b = median(bare_rates), r = median(run_rates);
  std::printf("medians of %d: bare %.2f, whole run %.2f candidates/s, ratio %.3f (batch %d)\n",
              repeats, b, r, r / b, batch);
  fs::remove_all(folder);
}

// exported_loop: the bare loop that winnow.exported is measured against: the network of a bundle,
// its decoder, Euler steps and a verifier, and nothing else.
//
//   build/tests/exported_loop BUNDLE --prompt "a red circle" [--candidates 64] [--batch 8]
//                             [--steps 8]
//
// Prints one line of JSON: seconds of the loop, of its network and of its decoder, the calls of the
// network, the best score. exported_bench.py runs it; a flow with an encoded prompt and guidance
// that needs one pass is all that it takes.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/headeronly/version.h>

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "plugins/safetensors_torch.hpp"
#include "plugins/samplers/bundle.hpp"
#include "plugins/samplers/exported_denoiser.hpp"
#include "plugins/samplers/vae_network.hpp"
#include "tests/bench/whole_run.hpp"

namespace {

using namespace winnow;
using bench::Clock;

struct Seconds {
  double all = 0, network = 0, decoder = 0;
  int calls = 0;
  double best = -1e30;
};

struct Loop {
  Bundle bundle;
  ExportedDenoiser denoiser;
  vae::Decoder decoder;
  diffusion::Path path;

  Loop(const Bundle& read, uint32_t steps)
      : bundle(read),
        denoiser(read, at::kCPU, -1,
                 [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }),
        decoder(vae::decoder_from_tensors(to_tensors(read_safetensors(read.decoder.string())))),
        path(read.schedule, read.solver, steps) {}

  at::Tensor latents(const ExportedDenoiser::Condition& condition, int n, Seconds& seconds) const {
    std::vector<int64_t> shape = bundle.latent_shape;
    shape.insert(shape.begin(), n);
    at::Tensor x = at::randn(shape);
    for (size_t k = 0; k + 1 < path.times().size(); ++k) {
      const diffusion::Step step = path.step(path.times()[k], path.times()[k + 1]);
      const auto start = Clock::now();
      const at::Tensor d = denoiser.data(
          x, std::vector<diffusion::Level>(static_cast<size_t>(n), step.from), condition);
      seconds.network += bench::since(start);
      ++seconds.calls;
      const diffusion::Factors factors = diffusion::euler_factors(step);
      x = factors.x * x + factors.data * d;
    }
    return x;
  }

  double score(const at::Tensor& latent, Seconds& seconds) const {
    const auto start = Clock::now();
    const at::Tensor picture = vae::decode(decoder, latent / bundle.scale + bundle.shift);
    seconds.decoder += bench::since(start);
    const double mean = ((picture + 1) / 2).clamp(0, 1).mean().item<double>();
    return -(mean - 0.5) * (mean - 0.5);
  }

  Seconds run(const std::string& prompt, int candidates, int batch) {
    const c10::InferenceMode guard;
    Seconds seconds;
    const auto start = Clock::now();
    const auto condition =
        denoiser.conditions(std::vector<Asked>(static_cast<size_t>(batch), {-1, prompt}));
    for (int done = 0; done < candidates; done += batch) {
      const at::Tensor x = latents(condition, batch, seconds);
      for (int i = 0; i < batch; ++i)
        seconds.best = std::max(seconds.best, score(x.narrow(0, i, 1), seconds));
    }
    seconds.all = bench::since(start);
    return seconds;
  }
};

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3 || words[1] != "--prompt") {
    std::fprintf(stderr,
                 "usage: exported_loop BUNDLE --prompt TEXT [--candidates N] [--batch N] "
                 "[--steps N]\n");
    return 2;
  }
  const Bundle bundle = read_bundle(words[0], TORCH_VERSION, at::get_cpu_capability());
  Loop loop(bundle, static_cast<uint32_t>(bench::option(words, "--steps", 8)));
  if (const std::string why = loop.denoiser.refusal({-1, words[2]}); !why.empty())
    throw std::runtime_error(why);
  const Seconds seconds = loop.run(words[2], bench::option(words, "--candidates", 64),
                                   bench::option(words, "--batch", 8));
  std::printf(
      "{\"seconds\": %.6f, \"network\": %.6f, \"decoder\": %.6f, \"calls\": %d, \"best\": %.9g}\n",
      seconds.all, seconds.network, seconds.decoder, seconds.calls, seconds.best);
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

// sit_throughput: whole runs of winnow against a bare LibTorch loop that only calls the same
// network on the same batches.
//
//   build/tests/sit_throughput PLUGINS MODEL.safetensors [--batch 16] [--candidates 256] [--repeats
//   5]
//
// Prints network evaluations per second of both and of the bare loop in bfloat16, interleaved, and
// the ratios of the medians. A whole run means: plugins loaded, noise, ask, batches, decode, the
// verifier `brightness`, journal, PNG files, summary, gallery.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "plugins/safetensors.hpp"
#include "plugins/safetensors_torch.hpp"
#include "plugins/samplers/sit_network.hpp"
#include "tests/bench/whole_run.hpp"

namespace {

namespace fs = std::filesystem;
using namespace winnow::bench;

constexpr int kSteps = 13;
constexpr int kNfe = 2 * kSteps - 1;

// Evaluations per second of the bare loop: the shapes of a Heun run, nothing else.
double bare(const winnow::sit::Network& network, int batch, int candidates) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::randn({batch, 1, 28, 28}).to(network.position.scalar_type());
  const at::Tensor s = at::full({batch}, 0.5);
  const at::Tensor label = at::zeros({batch}, at::kLong);
  const auto start = Clock::now();
  for (int done = 0; done < candidates; done += batch)
    for (int k = 0; k < kNfe; ++k) winnow::sit::velocity(network, x, s, label);
  return candidates * static_cast<double>(kNfe) / since(start);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 2) {
    std::fprintf(stderr,
                 "usage: sit_throughput PLUGINS MODEL.safetensors [--batch N] [--candidates N] "
                 "[--repeats N]\n");
    return 2;
  }
  const int batch = option(words, "--batch", 16);
  const int candidates = option(words, "--candidates", 256);
  const int repeats = option(words, "--repeats", 5);

  winnow::SearchPath path;
  path.entries = {{words[0], "command line", true}};
  const winnow::Registry registry = winnow::Registry::scan(path, winnow::host_facts());
  const fs::path folder = fs::temp_directory_path() / "winnow-sit-throughput";
  fs::create_directories(folder);
  std::ofstream(folder / "run.toml")
      << "[run]\nname = \"bench\"\n[budget]\nnfe = " << candidates / 8 * kNfe
      << "\n[tasks]\nclasses = [0, 1, 2, 3, 4, 5, 6, 7]\n"
      << "[sampler]\nplugin = \"winnow.sit\"\nweights = \"" << fs::absolute(words[1]).string()
      << "\"\nsteps = " << kSteps << "\n[[verifier]]\nplugin = \"winnow.brightness\"\n"
      << "[search]\nplugin = \"winnow.random\"\n[execution]\nbatch = " << batch << "\n";
  const winnow::SafetensorsFile file = winnow::read_safetensors(words[1]);
  const auto network = winnow::sit::network_from_tensors(
      winnow::to_tensors(file), winnow::metadata_integer(file, "heads", 1, 1024));
  auto rounded = network;
  winnow::sit::for_each_tensor(
      rounded, [](const std::string&, at::Tensor& tensor) { tensor = tensor.to(at::kBFloat16); });
  std::vector<double> bare_rates, run_rates, bf16_rates;
  for (int repeat = 0; repeat <= repeats; ++repeat) {  // the first pair warms up
    const double b = bare(network, batch, candidates);
    const double r = candidates * static_cast<double>(kNfe) /
                     whole_run(registry, folder / "run.toml", folder / "out");
    const double h = bare(rounded, batch, candidates);
    if (repeat == 0) continue;
    bare_rates.push_back(b);
    run_rates.push_back(r);
    bf16_rates.push_back(h);
    std::printf("bare %8.1f NFE/s   whole run %8.1f NFE/s   ratio %.3f   bare bf16 %8.1f NFE/s\n",
                b, r, r / b, h);
  }
  const double b = median(bare_rates), r = median(run_rates), h = median(bf16_rates);
  std::printf("medians of %d: bare %.1f, whole run %.1f, ratio %.3f (batch %d)\n", repeats, b, r,
              r / b, batch);
  std::printf("bfloat16 over float32, bare: %.1f NFE/s, ratio %.3f\n", h, h / b);
  fs::remove_all(folder);
}

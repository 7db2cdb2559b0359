// sit_gradient: memory and time of the gradient through a whole path of the SiT.
//
//   build/tests/sit_gradient MODEL.safetensors [--steps 125] [--batch 16] [--checkpoints 1]
//
// Heun from noise to data and back, as winnow.sit's vjp does it: with one checkpoint a step, or
// (--checkpoints 0) with the graph of the whole path in memory. Prints the process's peak resident
// memory before and after, and the seconds of a forward pass alone and of the gradient.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "plugins/safetensors_torch.hpp"
#include "plugins/samplers/flow_solvers.hpp"
#include "plugins/samplers/path_gradient.hpp"
#include "plugins/samplers/sit_network.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int option(const std::vector<std::string>& words, const std::string& name, int fallback) {
  const auto found = std::ranges::find(words, name);
  return found == words.end() || found + 1 == words.end() ? fallback : std::stoi(*(found + 1));
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) {
    std::fprintf(stderr,
                 "usage: sit_gradient MODEL.safetensors [--steps N] [--batch N] "
                 "[--checkpoints 0|1]\n");
    return 2;
  }
  const int steps = option(words, "--steps", 125), batch = option(words, "--batch", 16);
  const bool checkpoints = option(words, "--checkpoints", 1) != 0;

  const winnow::SafetensorsFile file = winnow::read_safetensors(words[0]);
  const auto net = winnow::sit::network_from_tensors(
      winnow::to_tensors(file), winnow::metadata_integer(file, "heads", 1, 1024));
  const auto times = winnow::flow::uniform_times(1, 0, static_cast<uint32_t>(steps));
  const at::Tensor label = at::zeros({batch}, at::kLong);
  const auto velocity = [&](const at::Tensor& x, double t) {
    return -winnow::sit::velocity(net, x, at::full({batch}, 1 - t), label);
  };
  const auto step = [&](const at::Tensor& x, size_t k) {
    const double from = times[k], to = times[k + 1];
    const at::Tensor u = velocity(x, from);
    const at::Tensor next = x + (to - from) * u;
    if (to <= 0) return next;
    return x + 0.5 * (to - from) * (u + velocity(next, to));
  };
  const auto& c = net.config;
  at::manual_seed(1);
  const at::Tensor noise = at::randn({batch, c.channels, c.size, c.size});
  const double before = peak_mib();
  const auto start = Clock::now();
  {
    const at::NoGradGuard no_graph;
    at::Tensor x = noise;
    for (size_t k = 0; k + 1 < times.size(); ++k) x = step(x, k);
  }
  const double forward = since(start);
  const auto again = Clock::now();
  at::Tensor gradient;
  if (checkpoints) {
    gradient = winnow::path_gradient(noise, times.size() - 1, step,
                                     [](const at::Tensor& x) { return at::ones_like(x); });
  } else {
    const at::Tensor x0 = noise.detach().requires_grad_();
    at::Tensor x = x0;
    for (size_t k = 0; k + 1 < times.size(); ++k) x = step(x, k);
    x.backward(at::ones_like(x));
    gradient = x0.grad();
  }
  std::printf(
      "%d Heun steps, batch %d, %s: peak %.0f MiB (%.0f before), forward %.1f s, gradient %.1f s "
      "(ratio %.2f), |gradient| %.6g\n",
      steps, batch, checkpoints ? "a checkpoint a step" : "the whole graph", peak_mib(), before,
      forward, since(again), since(again) / forward, gradient.norm().item<double>());
}

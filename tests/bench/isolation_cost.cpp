// isolation_cost: what it costs to have a verifier in a process of its own.
//
//   build/tests/isolation_cost PLUGINS [--calls 2000]
//
// Scores batches of one small picture, and of 16 MiB, with winnow.brightness in this process and in
// its own, in turns, and prints medians with the quartiles. Nothing is asserted.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "host/condition.hpp"
#include "host/guard.hpp"
#include "host/plugin_provider.hpp"

namespace {

using namespace winnow;
using Clock = std::chrono::steady_clock;

struct Judge {
  Judge(const Registry& registry, Isolate mode, std::uint64_t n, std::int64_t side)
      : services(nullptr),
        provider({.mode = mode}),
        verifier(instance(registry), {{"winnow.brightness", {}}, "brightness"}),
        condition(TaskSpec{}, 0),
        samples(n, std::array<std::int64_t, 3>{1, side, side}, verifier.memory()),
        scores(n) {
    samples.fill(0.5f);
    batch.samples = &samples;
    batch.conditions.assign(n, &condition.table);
    batch.candidates.resize(n);
  }

  std::unique_ptr<PluginInstance> instance(const Registry& registry) {
    const FoundPlugin& found = registry.find(PluginKind::kVerifier, "winnow.brightness");
    const PluginUse use{found.plugin().id, {{"target", WN_OPT_F64, OptionData(0.5)}}};
    return std::make_unique<PluginInstance>(provider.code(found, use), use, "1.0.0", services);
  }

  double microseconds() {
    const auto start = Clock::now();
    if (verifier.score(batch, scores)[0].status != WN_OK) std::abort();
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
  }

  HostServices services;
  PluginProvider provider;
  Verifier verifier;
  Condition condition;
  Tensor samples;
  std::vector<float> scores;
  VerifierBatch batch;
};

struct Quartiles {
  double low, median, high;
};

Quartiles quartiles(std::vector<double>& times) {
  std::ranges::sort(times);
  return {times[times.size() / 4], times[times.size() / 2], times[times.size() * 3 / 4]};
}

void compare(const Registry& registry, const char* what, std::uint64_t n, std::int64_t side,
             int calls) {
  Judge here(registry, Isolate::kNone, n, side), there(registry, Isolate::kPlugin, n, side);
  std::vector<double> inside, outside;
  for (int i = 0; i < calls + 10; ++i) {
    const double a = here.microseconds(), b = there.microseconds();
    if (i < 10) continue;  // memory that is touched for the first time
    inside.push_back(a);
    outside.push_back(b);
  }
  const Quartiles a = quartiles(inside), b = quartiles(outside);
  fmt::print(
      "{}: in process {:.1f} us [{:.1f}, {:.1f}], isolated {:.1f} us [{:.1f}, {:.1f}]: "
      "{:+.1f} us, {:+.1f} %\n",
      what, a.median, a.low, a.high, b.median, b.low, b.high, b.median - a.median,
      100 * (b.median / a.median - 1));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const int calls = argc == 4 ? std::atoi(argv[3]) : 2000;
  SearchPath path;
  path.entries = {{argv[1], "bench", true}};
  const Registry registry = Registry::scan(path, host_facts());
  compare(registry, "1 picture of 8 x 8", 1, 8, calls);
  compare(registry, "16 MiB", 64, 256, calls / 20);
}

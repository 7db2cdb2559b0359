// process_tests.cpp: tests of what a life of an instance leaves in its process, and takes from it.
#include <algorithm>
#include <clocale>
#include <cstdlib>

#include "host/text.hpp"
#include "host/validator/bench.hpp"
#include "host/validator/process_state.hpp"

namespace winnow::validator {
namespace {

void live(Bench& bench) {
  Instance instance(bench);
  use(instance);
}

void threads_joined(Bench& bench) {
  bench.library().library();
  const std::size_t before = thread_count();
  live(bench);
  const std::size_t after = settled_thread_count(before);
  bench.stage("ending the library by shutdown");
  bench.library().shutdown();
  const std::size_t at_end = settled_thread_count(before);
  if (at_end <= before) {
    if (after > before) bench.remark("threads end with shutdown only, not with destroy");
    return;
  }
  const auto text = fmt::format("{} threads are left after destroy and shutdown", at_end - before);
  if (bench.subject().found->variant().libtorch.link.empty()) fail("{}, expected none", text);
  bench.warn(text + "; LibTorch keeps a pool of its own");
}

void state_kept(Bench& bench) {
  bench.library().library();
  const ProcessState before = process_state();
  live(bench);
  if (const auto found = changes(before, process_state()); !found.empty())
    fail("create, use and destroy changed the process: {}", fmt::join(found, "; "));
}

void prints_nothing(Bench& bench) {
  bench.needs_this_process();
  const std::string text = printed_by([&] { live(bench); });
  if (!text.empty())
    fail("it printed '{}', expected nothing: {} is for messages", printable(text.substr(0, 100)),
         WN_HOST_LOG_1);
}

void another_process(Bench& bench) {
  if (!must_repeat(bench)) skip("it does not claim to be deterministic");
  const auto used = [&] {
    Instance instance(bench);
    return use(instance);
  };
  bench.stage("using it in two processes");
  const std::string here = from_another_process(used);
  const std::string there = from_another_process([&] {
    // Other addresses, another environment, another locale where there is one.
    const std::vector<char> other(static_cast<std::size_t>(4096 * (1 + bench.random()() % 4096)));
    setenv("WN_CHECK", std::string(5000, 'x').c_str(), 1);
    std::setlocale(LC_ALL, "C.UTF-8");
    return used();
  });
  if (here != there) fail("two processes give different answers, expected the same bits");
}

void shutdown_ends(Bench& bench) {
  bench.needs_this_process();
  live(bench);
  const ProcessState before = process_state();
  bench.stage("ending the library by shutdown");
  bench.library().shutdown();
  const auto found = changes(before, process_state());
  if (!found.empty()) fail("shutdown changed the process: {}", fmt::join(found, "; "));
}

constexpr double kLongest = 25;  // seconds that a test of memory repeats something

// `again` 50 times, or until the time is over; what the last 40 turns keep must be little.
template <class Again>
void expect_no_growth(Bench& bench, Again again) {
  constexpr Memory kAllowed{128 << 10, 8 << 20};
  const double start = now();
  int warm = 0, turns = 0;
  for (; warm < 10 && now() - start < kLongest / 3; ++warm) again();
  const Memory before = memory_now();
  for (; turns < 40 && now() - start < kLongest; ++turns) again();
  const Memory after = memory_now();
  if (turns < 5) skip("only {} turns in {} s", warm + turns, kLongest);
  const auto growth = [](std::uint64_t was, std::uint64_t is) { return is > was ? is - was : 0; };
  const std::uint64_t heap = growth(before.heap, after.heap),
                      resident = growth(before.resident, after.resident);
  const auto text = fmt::format("{} KiB more on the heap and {} KiB more in all after {} turns",
                                heap >> 10, resident >> 10, turns);
  if (heap > kAllowed.heap || resident > kAllowed.resident)
    fail("{}, expected at most {} and {} KiB", text, kAllowed.heap >> 10, kAllowed.resident >> 10);
  bench.remark(text);
}

void create_memory(Bench& bench) {
  bench.needs_this_process();
  bench.stage("creating and destroying 50 instances");
  expect_no_growth(bench, [&] { Instance instance(bench); });
}

void use_memory(Bench& bench) {
  bench.needs_this_process();
  Instance instance(bench);
  const bool once = bench.manifest().kind == PluginKind::kSearch;  // begin comes once
  bench.stage("using an instance 50 times");
  expect_no_growth(bench, [&] {
    if (!once) return void(use(instance));
    Instance another(bench);
    use(another);
  });
}

constexpr Test kTests[] = {
    {"state-kept", 5, kPlugin,
     "A life of an instance keeps locale, signals, rounding, MXCSR, folder, umask, environment and "
     "open files.",
     state_kept},
    {"prints-nothing", 5, kPlugin, "Nothing is written to stdout or stderr.", prints_nothing},
    {"shutdown", 5, kPlugin, "shutdown comes back and changes nothing in the process.",
     shutdown_ends},
    {"threads-joined", 6, kPlugin,
     "No thread is left after destroy and shutdown; a pool of LibTorch's is a warning.",
     threads_joined},
    {"create-memory", 6, kPlugin, "Making and destroying 50 instances keeps no memory.",
     create_memory, Needs::kInstance},
    {"another-process", 6, kPlugin,
     "Who claims to be deterministic gives the same bits in another process.", another_process},
    {"use-memory", 7, kPlugin, "Using an instance 50 times keeps no memory.", use_memory},
};

}  // namespace

Tests process_tests() { return kTests; }

}  // namespace winnow::validator

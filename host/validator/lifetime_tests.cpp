// lifetime_tests.cpp: instances of every kind: made, used, stopped, destroyed, many and at once.
#include <algorithm>
#include <chrono>
#include <thread>

#include "host/validator/bench.hpp"

namespace winnow::validator {
namespace {

void create_works(Bench& bench) { Instance instance(bench); }

void expect_same(Bench& bench, const std::string& expected, const std::string& found,
                 const char* when) {
  if (must_repeat(bench) && expected != found) fail("{} it answers otherwise than alone", when);
}

void two_instances(Bench& bench) {
  Instance one(bench);
  const std::string alone = use(one);
  Instance first(bench), second(bench);
  bench.stage("using two instances in turns");
  const std::string a = use(first), b = use(second);
  expect_same(bench, alone, a, "beside another instance");
  expect_same(bench, alone, b, "beside another instance");
  first.destroy();
  bench.stage("using an instance after another one was destroyed");
  Instance third(bench);
  expect_same(bench, alone, use(third), "after another instance was destroyed");
}

void destroy_at_once(Bench& bench) {
  bench.stage("destroying an instance right after create");
  for (int i = 0; i < 3; ++i) Instance(bench).destroy();
}

// Runs `body` on a thread of its own; its End is thrown here.
template <class Body>
void on_thread(Body body) {
  Verdict verdict;
  std::thread([&] {
    verdict = verdict_of([&] {
      body();
      return Verdict{};
    });
  }).join();
  if (verdict.outcome != Outcome::kPassed) throw End{verdict.outcome, verdict.text};
}

void any_thread(Bench& bench) {
  Instance here(bench);
  const std::string expected = use(here);
  here.destroy();
  std::unique_ptr<Instance> instance;
  std::string found;
  bench.stage("creating an instance on another thread");
  on_thread([&] { instance = std::make_unique<Instance>(bench); });
  bench.stage("using an instance on a thread that did not make it");
  on_thread([&] { found = use(*instance); });
  bench.stage("destroying an instance on a third thread");
  on_thread([&] { instance->destroy(); });
  expect_same(bench, expected, found, "on several threads");
}

void concurrent_instances(Bench& bench) {
  bench.needs_this_process();
  Instance alone(bench);
  const std::string expected = use(alone);
  std::vector<Verdict> verdicts(3);
  std::vector<std::string> found(verdicts.size());
  std::vector<std::thread> threads;
  bench.stage("making and using three instances at once, on three threads");
  for (std::size_t i = 0; i < verdicts.size(); ++i)
    threads.emplace_back([&, i] {
      verdicts[i] = verdict_of([&] {
        Instance instance(bench);
        found[i] = use(instance);
        return Verdict{};
      });
    });
  for (std::thread& thread : threads) thread.join();
  for (const Verdict& verdict : verdicts)
    if (verdict.outcome != Outcome::kPassed) fail("on several threads: {}", verdict.text);
  for (const std::string& bytes : found)
    expect_same(bench, expected, bytes, "while other instances work");
}

// Polls are due every 100 ms and the answer within a second. Only the calls in flight count.
void cancelled(Bench& bench) {
  constexpr double kAllowed = 1.0;
  constexpr int kTries = 5;
  int late = 0;
  double worst = 0;
  for (int k = 0; k < kTries && late <= kTries / 2; ++k) {
    bench.stop() = WN_OK;
    Instance instance(bench);
    const double delay = 0.15 * bench.uniform();
    double asked = 0;
    bench.stage("calling it, and asking it to stop after {:.0f} ms", 1e3 * delay);
    std::atomic<bool> over{false};
    std::jthread canceller([&] {
      const double until = now() + delay;
      while (now() < until && !over) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      asked = now();
      bench.stop() = k % 2 ? WN_E_DEADLINE : WN_E_CANCELLED;
    });
    try {
      const double start = now();
      while (now() - start < 2) {
        if (bench.manifest().kind != PluginKind::kSearch) {
          use(instance);
          continue;
        }
        Instance another(bench);
        use(another);
      }
    } catch (const Cancelled&) {
    }
    over = true;
    canceller.join();
    const double seconds = now() - asked;
    worst = std::max(worst, seconds);
    late += seconds > kAllowed;
    bench.stop() = WN_OK;
  }
  // A busy machine makes one or the other late.
  if (late > kTries / 2)
    fail(
        "{} calls came back more than {} s after they were asked to stop, one of them after {:.1f} "
        "s",
        late, kAllowed, worst);
  bench.remark(fmt::format("at most {:.0f} ms late", 1e3 * worst));
}

void state_round_trip(Bench& bench) {
  if (!bench.provides(WN_STATE_1)) skip("it has no {}", WN_STATE_1);
  Instance one(bench), other(bench);
  const auto& table = one.table<wn_state_1>(WN_STATE_1);
  const auto save = [&](Instance& instance) {
    std::string bytes;
    const wn_sink sink{&bytes, [](void* into, const void* data, std::uint64_t size) {
                         static_cast<std::string*>(into)->append(static_cast<const char*>(data),
                                                                 size);
                         return static_cast<std::int64_t>(size);
                       }};
    Call call(bench, instance.services(), "save");
    bench.stage("saving the state");
    call.must(table.save(instance.get(), call.table(), &sink));
    return bytes;
  };
  const auto load = [&](Instance& instance, std::string_view bytes) {
    const wn_source source{&bytes, [](void* from, void* data, std::uint64_t size) {
                             auto& left = *static_cast<std::string_view*>(from);
                             const std::size_t part = std::min<std::size_t>(size, left.size());
                             std::copy_n(left.data(), part, static_cast<char*>(data));
                             left.remove_prefix(part);
                             return static_cast<std::int64_t>(part);
                           }};
    Call call(bench, instance.services(), "load");
    bench.stage("loading a state of {} bytes", bytes.size());
    return call.over(table.load(instance.get(), call.table(), &source));
  };
  const std::string saved = save(one);
  if (save(one) != saved) fail("saving twice gives different bytes");
  if (load(other, saved) != WN_OK) fail("it does not load what it saved");
  if (save(other) != saved) fail("what was loaded saves as other bytes");
  for (const std::string& wrong : {std::string("nonsense"), std::string(1000, '\xFF')})
    if (load(other, wrong) == WN_OK) fail("it loads {} bytes of nonsense", wrong.size());
}

constexpr Test kTests[] = {
    {"create", 1, kPlugin, "An instance can be made.", create_works, Needs::kLibrary},
    {"two-instances", 3, kPlugin, "Two instances answer as one does alone.", two_instances},
    {"destroy-at-once", 3, kPlugin, "An instance can be destroyed before it was used.",
     destroy_at_once, Needs::kInstance},
    {"any-thread", 4, kPlugin, "An instance can be made, used and destroyed on three threads.",
     any_thread},
    {"concurrent-instances", 5, kPlugin, "Instances work at once on several threads.",
     concurrent_instances},
    {"cancelled", 5, kPlugin,
     "A call that is asked to stop at a random time comes back within a second.", cancelled},
    {"state-round-trip", 5, kPlugin,
     "A saved state is a function of the state, loads again, and nonsense is refused.",
     state_round_trip},
};

}  // namespace

Tests lifetime_tests() { return kTests; }

}  // namespace winnow::validator

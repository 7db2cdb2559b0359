// lifetime_tests.cpp: instances of every kind: made, used, destroyed, many and at once.
#include <algorithm>
#include <chrono>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "host/text.hpp"
#include "host/validator/bench.hpp"
#include "host/validator/process_state.hpp"

namespace winnow::validator {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void create_works(Bench& bench) { Instance instance(bench); }

// The subject's options, one of them replaced.
std::vector<OptionValue> with(const Bench& bench, const OptionSpec& spec, OptionData data) {
  auto options = bench.subject().options;
  const auto found = std::ranges::find(options, spec.key, &OptionValue::key);
  if (found == options.end())
    options.push_back({spec.key, spec.type, std::move(data)});
  else
    found->data = std::move(data);
  std::ranges::sort(options, {}, &OptionValue::key);
  return options;
}

// A refusal with a status and a text is as good as an instance; Call looks at both.
bool create_or_refuse(Bench& bench, const OptionSpec& spec, const OptionData& data) {
  const std::string text = to_toml(data);
  bench.stage("creating an instance with {} = {}", spec.key, text.substr(0, 80));
  Instance instance(bench, with(bench, spec, data), Instance::Failure::kAllowed);
  return instance.made();
}

// The least and the greatest that the bounds let through.
std::vector<OptionData> extremes(const OptionSpec& spec) {
  std::vector<OptionData> all;
  const auto add = [&](double bound, bool open, double inwards) {
    if (spec.type == WN_OPT_F64)
      all.emplace_back(open ? std::nextafter(bound, inwards) : bound);
    else if (std::abs(bound) < 9e15)
      all.emplace_back(static_cast<std::int64_t>(bound) + (open ? (inwards > bound ? 1 : -1) : 0));
  };
  if (spec.type == WN_OPT_BOOL) all = {OptionData(false), OptionData(true)};
  if (spec.type == WN_OPT_I64 || spec.type == WN_OPT_F64) {
    if (spec.min) add(*spec.min, spec.min_open, INFINITY);
    if (spec.max) add(*spec.max, spec.max_open, -INFINITY);
  }
  for (const OptionChoice& choice : spec.choices) all.emplace_back(choice.value);
  return all;
}

void option_limits(Bench& bench) {
  std::size_t tried = 0, made = 0;
  for (const OptionSpec& spec : bench.manifest().options)
    for (const OptionData& data : extremes(spec)) {
      ++tried;
      made += create_or_refuse(bench, spec, data);
    }
  if (!tried) skip("no option has bounds or choices");
  bench.remark(fmt::format("{} values, {} refused", tried, tried - made));
}

class OddFiles {
 public:
  OddFiles() {
    std::string name = std::filesystem::temp_directory_path() / "winnow-check-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder can be made");
    folder_ = name;
    std::ofstream(folder_ / "empty");
    std::ofstream noise(folder_ / "noise");
    std::mt19937 random(1);
    for (int i = 0; i < 1000; ++i) noise.put(static_cast<char>(random()));
  }
  ~OddFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  OddFiles(const OddFiles&) = delete;
  std::vector<std::string> paths() const {
    return {folder_ / "missing", folder_, folder_ / "empty", folder_ / "noise", ""};
  }

 private:
  std::filesystem::path folder_;
};

// Lawful by the manifest, and senseless.
std::vector<OptionData> odd_values(const OptionSpec& spec, const OddFiles& files) {
  std::vector<OptionData> all;
  const std::vector<std::string> texts = {"", "no such thing", std::string(10'000, 'x'),
                                          "{}%s\n\\"};
  if (spec.type == WN_OPT_PATH)
    for (const std::string& path : files.paths()) all.emplace_back(path);
  if (spec.type == WN_OPT_STR && spec.choices.empty()) all.assign(texts.begin(), texts.end());
  if (spec.type == WN_OPT_STR_LIST)
    all = {OptionData(std::vector<std::string>{}), OptionData(std::vector<std::string>(1, "")),
           OptionData(texts)};
  if (spec.type == WN_OPT_I64 && !spec.max) all.emplace_back(std::int64_t{1} << 40);
  if (spec.type == WN_OPT_F64 && !spec.max) all.emplace_back(1e300);
  if (spec.type == WN_OPT_F64 && !spec.min) all.emplace_back(-1e300);
  const double number = spec.min.value_or(0) + (spec.min_open ? 1 : 0);
  if (spec.type == WN_OPT_F64_LIST)
    all = {OptionData(std::vector<double>{}), OptionData(std::vector<double>(1000, number))};
  if (spec.type == WN_OPT_I64_LIST)
    all = {OptionData(std::vector<std::int64_t>{}),
           OptionData(std::vector<std::int64_t>(1000, static_cast<std::int64_t>(number)))};
  return all;
}

void odd_options(Bench& bench) {
  const OddFiles files;
  std::size_t tried = 0, made = 0;
  for (const OptionSpec& spec : bench.manifest().options)
    for (const OptionData& data : odd_values(spec, files)) {
      ++tried;
      made += create_or_refuse(bench, spec, data);
    }
  if (!tried) skip("no option can have a senseless value");
  bench.remark(fmt::format("{} values, {} refused", tried, tried - made));
}

// Searches must be, or runs could not be continued; the others say it.
bool deterministic(Bench& bench) {
  return bench.manifest().kind == PluginKind::kSearch ||
         bench.manifest().claims_true("deterministic");
}

void expect_same(Bench& bench, const std::string& expected, const std::string& found,
                 const char* when) {
  if (deterministic(bench) && expected != found) fail("{} it answers otherwise than alone", when);
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

constexpr double kLongest = 25;  // seconds that a test of memory repeats something

// `again` 50 times, or until the time is over; what the last 40 turns keep must be little.
template <class Again>
void expect_no_growth(Bench& bench, Again again) {
  constexpr Memory kAllowed{128 << 10, 8 << 20};
  const auto start = Clock::now();
  int warm = 0, turns = 0;
  for (; warm < 10 && seconds_since(start) < kLongest / 3; ++warm) again();
  const Memory before = memory_now();
  for (; turns < 40 && seconds_since(start) < kLongest; ++turns) again();
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
  bench.stage("creating and destroying 50 instances");
  expect_no_growth(bench, [&] { Instance instance(bench); });
}

void use_memory(Bench& bench) {
  Instance instance(bench);
  const bool once = bench.manifest().kind == PluginKind::kSearch;  // begin comes once
  bench.stage("using an instance 50 times");
  expect_no_growth(bench, [&] {
    if (!once) return void(use(instance));
    Instance another(bench);
    use(another);
  });
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
  const std::string text = printed_by([&] { live(bench); });
  if (!text.empty())
    fail("it printed '{}', expected nothing: {} is for messages", printable(text.substr(0, 100)),
         WN_HOST_LOG_1);
}

void another_process(Bench& bench) {
  if (!deterministic(bench)) skip("it does not claim to be deterministic");
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

// Polls are due every 100 ms and the answer within a second. Only the calls in flight count.
void cancelled(Bench& bench) {
  constexpr double kAllowed = 1.0;
  constexpr int kTries = 5;
  int late = 0;
  double worst = 0;
  for (int k = 0; k < kTries && late <= kTries / 2; ++k) {
    bench.stop() = WN_OK;
    Instance instance(bench);
    const auto delay = std::chrono::duration<double>(0.15 * bench.uniform());
    Clock::time_point asked;
    bench.stage("calling it, and asking it to stop after {:.0f} ms", 1e3 * delay.count());
    std::atomic<bool> over{false};
    std::jthread canceller([&] {
      const auto until = Clock::now() + delay;
      while (Clock::now() < until && !over)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      asked = Clock::now();
      bench.stop() = k % 2 ? WN_E_DEADLINE : WN_E_CANCELLED;
    });
    try {
      const auto start = Clock::now();
      while (seconds_since(start) < 2) {
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
    const double seconds = seconds_since(asked);
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

void shutdown_ends(Bench& bench) {
  live(bench);
  const ProcessState before = process_state();
  bench.stage("ending the library by shutdown");
  bench.library().shutdown();
  const auto found = changes(before, process_state());
  if (!found.empty()) fail("shutdown changed the process: {}", fmt::join(found, "; "));
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
    {"create", 1, kPlugin, "An instance can be made.", create_works},
    {"two-instances", 3, kPlugin, "Two instances answer as one does alone.", two_instances},
    {"destroy-at-once", 3, kPlugin, "An instance can be destroyed before it was used.",
     destroy_at_once},
    {"any-thread", 4, kPlugin, "An instance can be made, used and destroyed on three threads.",
     any_thread},
    {"option-limits", 4, kPlugin,
     "Each option at its bounds and each of its choices makes an instance or is refused.",
     option_limits},
    {"concurrent-instances", 5, kPlugin, "Instances work at once on several threads.",
     concurrent_instances},
    {"state-kept", 5, kPlugin,
     "A life of an instance keeps locale, signals, rounding, MXCSR, folder, umask, environment and "
     "open files.",
     state_kept},
    {"prints-nothing", 5, kPlugin, "Nothing is written to stdout or stderr.", prints_nothing},
    {"cancelled", 5, kPlugin,
     "A call that is asked to stop at a random time comes back within a second.", cancelled},
    {"shutdown", 5, kPlugin, "shutdown comes back and changes nothing in the process.",
     shutdown_ends},
    {"state-round-trip", 5, kPlugin,
     "A saved state is a function of the state, loads again, and nonsense is refused.",
     state_round_trip},
    {"odd-options", 6, kPlugin,
     "Senseless values (files that are missing or no models, odd texts) make an instance or are "
     "refused with a text.",
     odd_options},
    {"threads-joined", 6, kPlugin,
     "No thread is left after destroy and shutdown; a pool of LibTorch's is a warning.",
     threads_joined},
    {"create-memory", 6, kPlugin, "Making and destroying 50 instances keeps no memory.",
     create_memory},
    {"another-process", 6, kPlugin,
     "Who claims to be deterministic gives the same bits in another process.", another_process},
    {"use-memory", 7, kPlugin, "Using an instance 50 times keeps no memory.", use_memory},
};

}  // namespace

Tests lifetime_tests() { return kTests; }

}  // namespace winnow::validator

// bench.hpp: where a test works: the plugin, its library, instances of it, and calls into them.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>

#include "host/host_services.hpp"
#include "host/isolation/isolated_code.hpp"
#include "host/plugin_code.hpp"
#include "host/registry.hpp"
#include "host/validator/process.hpp"
#include "host/validator/raw_library.hpp"

namespace winnow::validator {

// What is tested: a package (its first plugin), or one of its plugins.
struct Subject {
  std::filesystem::path manifest = {};  // the file
  std::optional<FoundPlugin> found = {};
  std::string unreadable = {};             // why there is no `found`
  std::vector<OptionValue> options = {};   // checked, defaults filled in
  std::vector<std::int64_t> shape = {};    // of one picture; empty: the first that a verifier takes
  std::optional<std::string> prompt = {};  // of each item; nothing: none, or a usual one
  std::filesystem::path scratch = {};      // a folder that is there until the last test is over
  std::uint64_t seed = 0;
};

class Bench {
 public:
  Bench(const Subject& subject, const Test& test, Stage& stage);

  const Subject& subject() const { return subject_; }
  const PackageManifest& package() const { return *subject_.found->package; }
  const PluginManifest& manifest() const { return subject_.found->plugin(); }
  // Its code runs in a process of its own, as what is written in Python does.
  bool isolated() const { return !subject_.found->variant().python.empty(); }
  void needs_this_process() const;     // skips the test where it is isolated
  std::filesystem::path file() const;  // the library; skips the test when there is none
  bool provides(const std::string& interface) const;

  // Seeded by the run's seed and the test's name.
  std::mt19937_64& random() { return random_; }
  double uniform();  // in [0, 1)

  template <class... Parts>
  void stage(fmt::format_string<Parts...> format, Parts&&... parts) {
    stage_.set(fmt::format(format, std::forward<Parts>(parts)...));
  }
  // The test goes on.
  void remark(const std::string& text) { note(Outcome::kPassed, text); }
  void warn(const std::string& text) { note(Outcome::kWarned, text); }
  const Verdict& verdict() const { return verdict_; }

  RawLibrary& library();  // loaded at the first use
  const wn_plugin_1& plugin() { return library().plugin(manifest().id); }
  std::shared_ptr<PluginCode> code();  // for one instance
  void start_process();                // where it is isolated: as the first instance would
  std::atomic<wn_status>& stop() { return stop_; }  // what should_stop answers

 private:
  void note(Outcome outcome, const std::string& text);

  const Subject& subject_;
  Stage& stage_;
  std::mt19937_64 random_;
  std::unique_ptr<RawLibrary> library_;
  ProcessPool processes_;
  std::atomic<wn_status> stop_{WN_OK};
  Verdict verdict_;
};

// Thrown by Call when it is over and should_stop had asked for that.
struct Cancelled {};

// One call: its context, and afterwards the look at its status and its texts.
class Call {
 public:
  Call(Bench& bench, HostServices& services, const char* function);
  Call(const Call&) = delete;
  const wn_call* table() const { return &table_; }
  // `status` of the call; ends the test when it is no status, or a failure without a text.
  wn_status over(wn_status status);
  // The same for an item.
  wn_status item(std::size_t i, wn_status status);
  // Ends the test unless `status` is OK.
  void must(wn_status status);
  std::string text() const;
  std::string item_text(std::size_t i) const;

 private:
  void check(wn_status status, const std::string& text, const std::string& where);
  void look_at(const char* text, std::uint64_t size);  // from any thread
  Bench& bench_;
  const char* function_;
  CallContext context_;
  wn_errors errors_;
  wn_call table_;
  std::mutex mutex_;
  std::string bad_text_;
};

// A made instance; destroyed at the end unless that was done before.
class Instance {
 public:
  explicit Instance(Bench& bench);  // by the subject's options; ends the test when create fails
  enum class Failure { kEndsTest, kAllowed };
  Instance(Bench& bench, const std::vector<OptionValue>& options, Failure failure);
  ~Instance() { destroy(); }
  Instance(const Instance&) = delete;

  bool made() const { return instance_ != nullptr; }
  const std::string& why_not() const { return why_not_; }
  wn_instance* get() const { return instance_; }
  void destroy();
  HostServices& services() { return services_; }
  Bench& bench() const { return bench_; }
  // Null when the plugin does not offer it.
  template <class Table>
  const Table* optional_table(const char* id) const {
    return static_cast<const Table*>(code_->interface(id));
  }
  template <class Table>
  const Table& table(const char* id) const {
    const auto* found = optional_table<Table>(id);
    if (!found) fail("get_interface(\"{}\") gave NULL, which the manifest says it provides", id);
    return *found;
  }

 private:
  Bench& bench_;
  std::shared_ptr<PluginCode> code_;
  HostServices services_;
  PluginHost host_;
  wn_instance* instance_ = nullptr;
  std::string why_not_;
};

// A small use of an instance that says all about it: scores of pictures, the candidates of a
// search, samples; as bytes. Ends the test when a call fails.
std::string use(Instance& instance);

// Must it give the same answers again? Searches must, or runs could not be continued; the others
// say so.
bool must_repeat(const Bench& bench);

// Ends the test unless the flags of info are what the manifest claims.
void expect_claims(const Bench& bench, std::uint32_t flags);

// A verifier_1 etc. has growable structs that a plugin fills in: `fill` is called with one of
// `size` bytes by its struct_size, and must leave the size and all behind it as they are.
template <class Struct, class Fill>
void check_bounds(const char* function, std::uint32_t size, Fill fill) {
  for (const std::uint32_t more : {0u, 64u}) {  // a host of this minor, and a newer one
    alignas(Struct) unsigned char room[sizeof(Struct) + 256];
    std::fill(std::begin(room), std::end(room), static_cast<unsigned char>(0));
    std::fill(room + size, std::end(room), static_cast<unsigned char>(0xA5));
    auto* out = reinterpret_cast<Struct*>(room);
    out->struct_size = size + more;
    fill(out);
    if (out->struct_size != size + more)
      fail("{} set struct_size to {}, it was {}: that is the host's", function, out->struct_size,
           size + more);
    for (std::size_t at = size; at < sizeof room; ++at)
      if (room[at] != 0xA5)
        fail("{} wrote at byte {} of a struct of which it knows {} (struct_size {})", function, at,
             size, size + more);
  }
}

}  // namespace winnow::validator

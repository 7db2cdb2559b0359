// bench.cpp: see bench.hpp.
#include "host/validator/bench.hpp"

#include <algorithm>

#include "host/option_views.hpp"
#include "host/text.hpp"
#include "host/validator/sampler_bench.hpp"
#include "host/validator/search_bench.hpp"
#include "host/validator/verifier_bench.hpp"

namespace winnow::validator {
namespace {

constexpr wn_status kKnown[] = {
    WN_OK,          WN_E_CANCELLED,          WN_E_INVALID_ARGUMENT,    WN_E_DEADLINE,
    WN_E_NOT_FOUND, WN_E_RESOURCE_EXHAUSTED, WN_E_FAILED_PRECONDITION, WN_E_UNIMPLEMENTED,
    WN_E_INTERNAL,  WN_E_INCOMPATIBLE};

// No time limit but the test's, and whoever dies has failed.
constexpr Isolation kIsolation{.mode = Isolate::kPlugin, .call_timeout = 0, .restarts = 0};

// Nothing of the host lies between the test and the plugin.
class RawCode final : public PluginCode {
 public:
  RawCode(const wn_plugin_1& plugin, std::uint32_t minor) : plugin_(plugin), minor_(minor) {}
  std::uint32_t minor() const override { return minor_; }
  wn_status create(const wn_host* host, std::span<const wn_option* const> options,
                   const wn_call* call, wn_instance** out) override {
    return plugin_.create(host, options.data(), options.size(), call, out);
  }
  void destroy(wn_instance* instance) override { plugin_.destroy(instance); }
  const void* interface(const char* name) const override { return plugin_.get_interface(name); }

 private:
  const wn_plugin_1& plugin_;
  std::uint32_t minor_;
};

// FNV-1a; std::hash may differ between builds, and a seed must not.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

Bench::Bench(const Subject& subject, const Test& test, Stage& stage)
    : subject_(subject), stage_(stage), random_(subject.seed ^ hash_of(test.name)) {
  stage_.set("preparing");
}

bool Bench::provides(const std::string& interface) const {
  return std::ranges::count(manifest().provides, interface) > 0;
}

void Bench::needs_this_process() const {
  if (isolated())
    skip("{} is written in Python, which does not run in this process",
         subject_.found->variant().file.string());
}

std::filesystem::path Bench::file() const {
  needs_this_process();
  return subject_.found->library();
}

std::shared_ptr<PluginCode> Bench::code() {
  if (!isolated()) return std::make_shared<RawCode>(plugin(), library().library().minor);
  if (!subject_.found->skipped.empty())
    skip("the package cannot be used here: {}", subject_.found->skipped);
  return isolated_code(*subject_.found, kIsolation, processes_);
}

void Bench::start_process() {
  const auto process = processes_.process(*subject_.found, {}, kIsolation);
  try {
    process->run(nullptr);
  } catch (const Died& death) {
    process->spend_restart(death.how);  // there is none, which it says
  }
}

double Bench::uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

RawLibrary& Bench::library() {
  if (library_) return *library_;
  if (!subject_.found->skipped.empty())
    skip("the package cannot be used here: {}", subject_.found->skipped);
  const std::string stage = stage_.text();
  stage_.set("loading the library");
  library_ = std::make_unique<RawLibrary>(file());
  stage_.set(stage);
  return *library_;
}

void Bench::note(Outcome outcome, const std::string& text) {
  verdict_.outcome = std::max(verdict_.outcome, outcome);
  verdict_.text += (verdict_.text.empty() ? "" : "; ") + text;
}

// Before the texts go to the host's own sink, which mends them.
Call::Call(Bench& bench, HostServices& services, const char* function)
    : bench_(bench), function_(function), context_(services), table_(*context_.table()) {
  errors_ = {
      .struct_size = WN_SIZE(wn_errors, set_item),
      .reserved0 = 0,
      .ctx = this,
      .set =
          [](void* ctx, wn_status code, const char* text, std::uint64_t size) {
            auto& call = *static_cast<Call*>(ctx);
            call.look_at(text, size);
            const wn_errors& to = *call.context_.table()->errors;
            to.set(to.ctx, code, text, size);
          },
      .set_item =
          [](void* ctx, std::uint64_t item, wn_status code, const char* text, std::uint64_t size) {
            auto& call = *static_cast<Call*>(ctx);
            call.look_at(text, size);
            const wn_errors& to = *call.context_.table()->errors;
            to.set_item(to.ctx, item, code, text, size);
          }};
  table_.errors = &errors_;
}

void Call::look_at(const char* text, std::uint64_t size) {
  constexpr std::uint64_t kLongest = 1 << 20;
  const std::scoped_lock lock(mutex_);
  if (size > kLongest)
    bad_text_ = fmt::format("a text of {} bytes, expected a sentence or two", size);
  else if (text && first_bad_utf8({text, size}) != std::string::npos)
    bad_text_ = fmt::format("a text that is no UTF-8: {}", printable({text, size}));
}

void Call::check(wn_status status, const std::string& text, const std::string& where) {
  if (!bad_text_.empty()) fail("{}{} gave {}", function_, where, bad_text_);
  if (std::ranges::count(kKnown, status) == 0)
    fail("{}{} answered status {}, which is none of winnow.h", function_, where, status);
  if (status != WN_OK && text.empty())
    fail("{}{} failed with status {} and without a text, expected one that says why", function_,
         where, status);
}

wn_status Call::over(wn_status status) {
  if (bench_.stop().load() != WN_OK) throw Cancelled{};
  check(status, text(), "");
  return status;
}

wn_status Call::item(std::size_t i, wn_status status) {
  check(status, item_text(i), fmt::format(", item {},", i));
  return status;
}

void Call::must(wn_status status) {
  if (over(status) != WN_OK)
    fail("{} failed with status {}: {}", function_, status, printable_lines(text()));
}

std::string Call::text() const { return context_.errors().text(); }
std::string Call::item_text(std::size_t i) const { return context_.errors().item_text(i); }

Instance::Instance(Bench& bench) : Instance(bench, bench.subject().options, Failure::kEndsTest) {}

Instance::Instance(Bench& bench, const std::vector<OptionValue>& options, Failure failure)
    : bench_(bench),
      code_(bench.code()),
      services_(&bench.stop()),
      host_(services_, bench.manifest().id, code_->minor()) {
  const OptionViews views(options);
  Call call(bench, services_, "create");
  const wn_status status = code_->create(&host_.table, views.all(), call.table(), &instance_);
  if (status != WN_OK) instance_ = nullptr;
  if (call.over(status) == WN_OK && !instance_) fail("create returned OK but no instance");
  why_not_ = printable_lines(call.text());
  if (failure == Failure::kEndsTest) call.must(status);
}

void Instance::destroy() {
  if (!instance_) return;
  bench_.stage("destroying an instance");
  code_->destroy(std::exchange(instance_, nullptr));
}

bool must_repeat(const Bench& bench) {
  return bench.manifest().kind == PluginKind::kSearch ||
         bench.manifest().claims_true("deterministic");
}

void expect_claims(const Bench& bench, std::uint32_t flags) {
  const struct {
    const char* claim;
    std::uint32_t flag;
  } pairs[] = {{"deterministic", WN_F_DETERMINISTIC},
               {"batch_invariant", WN_F_BATCH_INVARIANT},
               {"reentrant", WN_F_REENTRANT}};
  for (const auto& [claim, flag] : pairs) {
    const bool stated = bench.manifest().claims.contains(claim);
    const bool claimed = bench.manifest().claims_true(claim), has = (flags & flag) != 0;
    if (stated && claimed != has)
      fail("the manifest claims {} = {}, info says {}", claim, claimed, has);
  }
}

std::string use(Instance& instance) {
  switch (instance.bench().manifest().kind) {
    case PluginKind::kSampler:
      return use_sampler(instance);
    case PluginKind::kVerifier:
      return use_verifier(instance);
    case PluginKind::kSearch:
      return use_search(instance);
  }
  return "";
}

}  // namespace winnow::validator

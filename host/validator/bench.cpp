// bench.cpp: see bench.hpp.
#include "host/validator/bench.hpp"

#include <algorithm>

#include "host/text.hpp"
#include "host/validator/option_views.hpp"
#include "host/validator/sampler_bench.hpp"
#include "host/validator/search_bench.hpp"
#include "host/validator/verifier_bench.hpp"

namespace winnow::validator {
namespace {

constexpr wn_status kKnown[] = {
    WN_OK,          WN_E_CANCELLED,          WN_E_INVALID_ARGUMENT,    WN_E_DEADLINE,
    WN_E_NOT_FOUND, WN_E_RESOURCE_EXHAUSTED, WN_E_FAILED_PRECONDITION, WN_E_UNIMPLEMENTED,
    WN_E_INTERNAL,  WN_E_INCOMPATIBLE};

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

Call::Call(Bench& bench, HostServices& services, const char* function)
    : bench_(bench), function_(function), context_(services) {}

void Call::check(wn_status status, const std::string& text, const std::string& where) {
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
    fail("{} failed with status {}: {}", function_, status, printable(text()));
}

std::string Call::text() const { return context_.errors().text(); }
std::string Call::item_text(std::size_t i) const { return context_.errors().item_text(i); }

Instance::Instance(Bench& bench) : Instance(bench, bench.subject().options, Failure::kEndsTest) {}

Instance::Instance(Bench& bench, const std::vector<OptionValue>& options, Failure failure)
    : bench_(bench),
      plugin_(bench.plugin()),
      services_(&bench.stop()),
      host_(services_, bench.manifest().id, bench.library().library().minor) {
  const OptionViews views(options);
  Call call(bench, services_, "create");
  const wn_status status =
      plugin_.create(&host_.table, views.data(), views.size(), call.table(), &instance_);
  if (status != WN_OK) instance_ = nullptr;
  if (call.over(status) == WN_OK && !instance_) fail("create returned OK but no instance");
  why_not_ = printable(call.text());
  if (failure == Failure::kEndsTest) call.must(status);
}

void Instance::destroy() {
  if (!instance_) return;
  bench_.stage("destroying an instance");
  plugin_.destroy(std::exchange(instance_, nullptr));
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

// guard_search.cpp: the guard's half for searches: proposals cross the plugin's frames without
// exceptions.
#include <fmt/format.h>

#include <exception>

#include "host/guard.hpp"

namespace winnow {
namespace {

// wn_proposals over a ProposalSink. An exception may not cross the plugin's frames: it is kept and
// thrown when ask is back.
struct ProposalBridge {
  ProposalSink& sink;
  std::exception_ptr thrown;

  template <typename Body>
  static auto fenced(void* ctx, Body body) -> decltype(body(std::declval<ProposalSink&>())) {
    auto& bridge = *static_cast<ProposalBridge*>(ctx);
    using Result = decltype(body(bridge.sink));
    if (bridge.thrown) return Result(WN_E_FAILED_PRECONDITION);
    try {
      return body(bridge.sink);
    } catch (...) {
      bridge.thrown = std::current_exception();
      return Result(WN_E_INVALID_ARGUMENT);
    }
  }

  wn_proposals table() {
    return {.struct_size = WN_SIZE(wn_proposals, forget),
            .reserved0 = 0,
            .ctx = this,
            .noise =
                [](void* ctx, const wn_noise_recipe* recipe) {
                  return fenced(ctx, [&](ProposalSink& s) { return s.noise(*recipe); });
                },
            .candidate =
                [](void* ctx, const wn_candidate* candidate) {
                  return fenced(ctx, [&](ProposalSink& s) { return s.candidate(*candidate); });
                },
            .cost =
                [](void* ctx, const wn_candidate* const* all, uint64_t n, double* nfe) {
                  return fenced(ctx, [&](ProposalSink& s) {
                    *nfe = s.cost({all, n});
                    return WN_OK;
                  });
                },
            .left = [](void* ctx) { return fenced(ctx, [](ProposalSink& s) { return s.left(); }); },
            .forget =
                [](void* ctx, const uint64_t* ids, uint64_t n) {
                  return fenced(ctx, [&](ProposalSink& s) { return s.forget({ids, n}), WN_OK; });
                }};
  }
};

}  // namespace

Search::Search(std::unique_ptr<PluginInstance> instance)
    : instance_(std::move(instance)),
      table_(required_interface<wn_search_1>(*instance_, WN_SEARCH_1)) {}

void Search::begin(const wn_problem& problem) {
  CallContext context(instance_->services());
  const wn_status status = table_->begin(instance_->get(), context.table(), &problem);
  // A search that refuses the problem has found a mistake of the config, not made one of its own.
  if ((status == WN_E_INVALID_ARGUMENT || status == WN_E_FAILED_PRECONDITION) &&
      !context.errors().text().empty())
    throw Error(Exit::kUsage, fmt::format("{}: {}", id(), context.errors().text()));
  if (status != WN_OK) instance_->fail("begin", status, context.errors().text());
}

wn_status Search::ask(std::uint64_t max_n, ProposalSink& sink) {
  CallContext context(instance_->services());
  ProposalBridge bridge{sink, nullptr};
  const wn_proposals proposals = bridge.table();
  const wn_status status = table_->ask(instance_->get(), context.table(), max_n, &proposals);
  if (bridge.thrown) {
    try {
      std::rethrow_exception(bridge.thrown);
    } catch (const Error& error) {
      throw Error(error.exit(), fmt::format("{}: {}", id(), error.what()));
    }
  }
  if (status != WN_OK && status != WN_WAIT && status != WN_DONE)
    instance_->fail("ask", status, context.errors().text());
  return status;
}

void Search::tell(std::span<const wn_result* const> results) {
  CallContext context(instance_->services());
  const wn_status status =
      table_->tell(instance_->get(), context.table(), results.data(), results.size());
  if (status != WN_OK) instance_->fail("tell", status, context.errors().text());
}

std::vector<std::uint64_t> Search::best(std::uint64_t max_n) {
  std::vector<std::uint64_t> ids(max_n);
  std::uint64_t count = 0;
  const wn_status status = table_->best(instance_->get(), max_n, ids.data(), &count);
  if (status != WN_OK) instance_->fail("best", status, "no best candidate");
  if (count > max_n)
    instance_->fail("best", WN_E_INTERNAL, fmt::format("{} ids, room for {}", count, max_n));
  ids.resize(count);
  return ids;
}

}  // namespace winnow

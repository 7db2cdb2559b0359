// judge.hpp: a verifier with a few small pictures, here or in a process of its own.
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <sstream>

#include "host/condition.hpp"
#include "host/guard.hpp"
#include "host/plugin_provider.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

namespace winnow::test {

using Catch::Contains;

inline OptionValue text(const char* key, const std::string& value) {
  return {key, WN_OPT_STR, OptionData(value)};
}

inline std::vector<OptionValue> deadly(const std::string& how, const std::string& where = "score",
                                       const std::string& mark = "") {
  return {{"above", WN_OPT_F64, OptionData(0.9)},
          text("how", how),
          text("mark", mark),
          text("where", where)};
}

// What a Judge finds; each test program defines it.
Registry plugins_to_judge();

// A verifier, and `n` pictures of 2 x 2 pixels: item i holds i / 10.
struct Judge {
  Judge(const std::string& id, std::vector<OptionValue> options, Isolation isolation, size_t n = 5)
      : Judge(plugins_to_judge(), id, std::move(options), isolation, n) {}
  Judge(Registry plugins, const std::string& id, std::vector<OptionValue> options,
        Isolation isolation, size_t n)
      : registry(std::move(plugins)),
        services(nullptr),
        provider(isolation),
        verifier(instance({id, std::move(options)}), {{id, {}}, id}),
        condition(TaskSpec{}, 0),
        samples(n, std::array<std::int64_t, 3>{1, 2, 2}, verifier.memory()) {
    for (std::size_t i = 0; i < n; ++i)
      std::ranges::fill(samples.item(i), static_cast<float>(i) / 10);
  }

  std::unique_ptr<PluginInstance> instance(const PluginUse& use) {
    const FoundPlugin& found = registry.find(PluginKind::kVerifier, use.id);
    return std::make_unique<PluginInstance>(provider.code(found, use), use, found.package->version,
                                            services);
  }

  VerifierBatch batch() const {
    VerifierBatch batch;
    batch.samples = &samples;
    batch.previews = verifier.wants_previews() ? &samples : nullptr;
    batch.conditions.assign(samples.items(), &condition.table);
    batch.candidates.resize(samples.items());
    return batch;
  }
  ItemFailures score() {
    scores.resize(samples.items() * verifier.info().n_heads);
    return verifier.score(batch(), scores);
  }
  void poison(std::size_t item) { samples.item(item)[0] = 1; }

  Registry registry;
  HostServices services;
  PluginProvider provider;
  Verifier verifier;
  Condition condition;
  Tensor samples;
  std::vector<float> scores;
};

inline Isolation isolated(double timeout = 60) {
  Isolation isolation;
  isolation.mode = Isolate::kPlugin;
  isolation.call_timeout = timeout;
  return isolation;
}

inline Isolation in_process() {
  Isolation isolation;
  isolation.mode = Isolate::kNone;
  return isolation;
}

template <class Body>
std::string logged(Body body) {
  std::ostringstream text;
  const auto before = spdlog::default_logger();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>(
      "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text)));
  body();
  spdlog::set_default_logger(before);
  return text.str();
}

}  // namespace winnow::test

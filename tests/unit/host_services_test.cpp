// host_services_test.cpp: what plugins may call, called as plugins may.
#include "host/host_services.hpp"

#include <cstdint>
#include <thread>

#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("many threads of a plugin report at once and every item keeps its text",
          "[host_services]") {
  constexpr int kThreads = 4, kItems = 500;
  ErrorSink sink;
  const wn_errors& errors = *sink.table();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kItems; ++i) {
        const std::string text = "item " + std::to_string(t * kItems + i);
        errors.set_item(errors.ctx, static_cast<std::uint64_t>(t * kItems + i), WN_E_INTERNAL,
                        text.data(), text.size());
        errors.set(errors.ctx, WN_E_INTERNAL, "x", 1);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kThreads * kItems; i += 37)
    CHECK(sink.item_text(static_cast<std::uint64_t>(i)) == "item " + std::to_string(i));
  CHECK(sink.text().size() == 3 * kThreads * kItems - 2);  // "x; x; ..."
}

TEST_CASE("scratch memory is aligned, dies with the call and is refused when it cannot be",
          "[host_services]") {
  HostServices services(nullptr);
  CallContext context(services);
  for (const std::uint64_t align : {1, 64, 4096})
    CHECK(reinterpret_cast<std::uintptr_t>(context.scratch(100, align)) % align == 0);
  CHECK(context.scratch(100, 3) == nullptr);
  CHECK(context.scratch(UINT64_MAX, 64) == nullptr);
}

// host_services_test.cpp: what plugins may call, called as plugins may.
#include "host/host_services.hpp"

#include <atomic>
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

TEST_CASE("many threads of a plugin ask for noise at once, and its source hears one at a time",
          "[host_services]") {
  struct Source final : NoiseSource {
    void normal(std::uint64_t, std::uint32_t, std::span<float> out) override {
      ++inside;
      std::this_thread::yield();
      out[0] = static_cast<float>(inside.load());
      --inside;
    }
    std::atomic<int> inside{0};
  } source;
  HostServices services(nullptr);
  services.set_noise_source(&source);
  const PluginHost host(services, "x", 0);
  const auto* noise =
      static_cast<const wn_host_noise_1*>(host.table.get_interface(&host.table, WN_HOST_NOISE_1));
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        float value = 0;
        std::int64_t shape[] = {1, 1};
        wn_tensor out{&value, {1, 0}, 2, {2, 32, 1}, shape, nullptr, 0};
        const std::uint64_t handle = 1;
        const std::uint32_t position = 0;
        noise->normal(&host.table, nullptr, &handle, &position, 1, &out);
        if (value > 1) most = 2;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(most == 0);
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

// host_test.cpp: hosts of two minors against plugins of two minors. Compiled twice: with the header
// as it is, and with the next minor that raise_minor.py makes of it. Loader, registry and handshake
// are the host's own; the calls are made here, as a host of that minor makes them.
#include <string>

#include "host/error.hpp"
#include "host/plugin_library.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;
using Catch::Contains;

namespace {

#ifdef WN_HOST_ECHO_1
constexpr bool kRaised = true;
#else
constexpr bool kRaised = false;
#endif
constexpr std::uint32_t kOld = kRaised ? WN_ABI_MINOR - 1 : WN_ABI_MINOR;
constexpr std::uint32_t kNew = kOld + 1;

HostFacts facts() {
  HostFacts facts = host_facts();
#ifdef WN_HOST_ECHO_1
  facts.interfaces.emplace_back(WN_HOST_ECHO_1);
#endif
  return facts;
}

const void* interface_of_host(const wn_host*, const char* id) {
#ifdef WN_HOST_ECHO_1
  static const wn_host_echo_1 kEcho{[](const wn_host*, std::int64_t value) { return value; }};
  if (std::string(id) == WN_HOST_ECHO_1) return &kEcho;
#endif
  (void)id;
  return nullptr;
}

struct Seen {
  std::uint32_t minor = 0;
  double spread = 0;  // what follows wn_verifier_info in an old host: nobody may write there
  float weight = 0, echo = 0;
};

Package package(const std::string& library, std::uint32_t needs, std::uint32_t built) {
  return {.abi = fmt::format("major = 1\nneeds_minor = {}\nbuilt_minor = {}\n", needs, built),
          .library = read_bytes(std::filesystem::path(PLUGINS_OF_MINORS) / (library + ".so"))};
}

// Loads the package and makes one call, as a host of this header's minor does.
Seen use(const Package& package) {
  const TemporaryFolder folder;
  write_package(folder / "p", package);
  const Registry registry = scan({folder.path()}, facts());
  const auto library = load_library(registry.find(PluginKind::kVerifier, "test.plugin"));
  const wn_plugin_1& plugin = library->plugin("test.plugin");

  Seen seen{.minor = library->minor()};
  const wn_host host{WN_SIZE(wn_host, get_interface), seen.minor, nullptr, interface_of_host};
  wn_call call{};
  call.struct_size = WN_SIZE(wn_call, memory_budget);
  wn_instance* instance = nullptr;
  REQUIRE(plugin.create(&host, nullptr, 0, &call, &instance) == WN_OK);
  const auto* table = static_cast<const wn_verifier_1*>(plugin.get_interface(WN_VERIFIER_1));
  REQUIRE(table);
  CHECK(plugin.get_interface("wn.verifier/1x") == nullptr);
  CHECK(plugin.get_interface("wn.verifier/2") == nullptr);

  wn_verifier_batch batch{};
  batch.n = 1;
  float scores[2];
  wn_status status = WN_OK;
#ifdef WN_HOST_ECHO_1
  wn_verifier_info info{};
  info.struct_size = WN_SIZE(wn_verifier_info, spread);
  batch.struct_size = WN_SIZE(wn_verifier_batch, weight);
  batch.weight = 2.5;
  REQUIRE(table->info(instance, &info) == WN_OK);
  seen.spread = info.spread;
#else
  struct {
    wn_verifier_info info{};
    double after = 0;
  } room;
  room.info.struct_size = WN_SIZE(wn_verifier_info, preview_time);
  batch.struct_size = WN_SIZE(wn_verifier_batch, previews);
  REQUIRE(table->info(instance, &room.info) == WN_OK);
  seen.spread = room.after;
#endif
  REQUIRE(table->score(instance, &call, &batch, scores, &status) == WN_OK);
  plugin.destroy(instance);
  seen.weight = scores[0];
  seen.echo = scores[1];
  return seen;
}

void check_as_before(const Seen& seen) {
  CHECK(seen.minor == kOld);
  CHECK(seen.spread == 0);
  CHECK(seen.weight == -1);
  CHECK(seen.echo == -1);
}

void check_new(const Seen& seen) {
  CHECK(seen.minor == kNew);
  CHECK(seen.spread == 0.25);
  CHECK(seen.weight == 2.5f);
  CHECK(seen.echo == 42);
}

}  // namespace

TEST_CASE("a plugin of the older minor works as ever", "[minors]") {
  CHECK(host_facts().max_minor == (kRaised ? kNew : kOld));
  check_as_before(use(package("old", kOld, kOld)));
}

TEST_CASE("a plugin of the newer minor that can do without has what this host has", "[minors]") {
  const Seen seen = use(package("new", kOld, kNew));
  kRaised ? check_new(seen) : check_as_before(seen);
}

TEST_CASE("a plugin built with the newer header for the older minor is one of the older",
          "[minors]") {
  check_as_before(use(package("targeted", kOld, kOld)));
}

TEST_CASE("a plugin that needs the newer minor is refused by an older host with both minors",
          "[minors]") {
  if (kRaised) return check_new(use(package("needs", kNew, kNew)));
  const std::string both =
      fmt::format("needs plugin ABI 1.{}, this host speaks 1.0 to 1.{}", kNew, kOld);
  CHECK_THROWS_WITH(use(package("needs", kNew, kNew)),
                    Contains(both + ": update the host, or take an older version"));
  // The handshake does not believe the manifest.
  CHECK_THROWS_WITH(use(package("needs", kOld, kNew)),
                    Contains("plugin.so: " + both) && !Contains("update"));
}

TEST_CASE("a plugin that requires an interface of the newer minor is refused without it",
          "[minors]") {
  Package wants = package("new", kOld, kNew);
  wants.plugin_keys = "requires = [\"wn.host.echo/1\"]\n";
  if (kRaised) return check_new(use(wants));
  CHECK_THROWS_WITH(use(wants), Contains("needs wn.host.echo/1, which this host does not offer"));
}

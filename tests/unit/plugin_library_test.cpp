// plugin_library_test.cpp: a sound library, loaded through the real loader; tests/broken has the
// others.
#include "host/plugin_library.hpp"

#include "host/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;

namespace {

const Registry& built_plugins() {
  static const Registry registry =
      Registry::scan({{{PLUGINS, kInstallPrefix, true}}, {}, {}}, host_facts());
  return registry;
}

}  // namespace

TEST_CASE("a shipped library gives its descriptor, and a name it lacks is an error",
          "[plugin_library]") {
  const FoundPlugin& found = built_plugins().find(PluginKind::kVerifier, "winnow.brightness");
  const auto library = load_library(found);
  CHECK(library->minor() == WN_ABI_MINOR);
  CHECK(std::string(library->plugin("winnow.brightness").kind) == "verifier");
  CHECK_THROWS_WITH(library->plugin("winnow.other"),
                    Catch::Contains("winnow.other") && Catch::Contains("winnow.brightness"));
}

TEST_CASE("one cache opens each file once", "[plugin_library]") {
  const FoundPlugin& found = built_plugins().find(PluginKind::kVerifier, "winnow.brightness");
  LibraryCache cache;
  CHECK(cache.load(found) == cache.load(found));
}

TEST_CASE("a failed load is not remembered", "[plugin_library]") {
  const TemporaryFolder folder;
  const FoundPlugin& sound = built_plugins().find(PluginKind::kVerifier, "winnow.brightness");
  std::filesystem::copy(sound.package->directory, folder / "p");
  const Registry registry = scan({folder.path()});
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, "winnow.brightness");
  const std::string bytes = read_bytes(found.library());
  LibraryCache cache;
  write_bytes(found.library(), "damaged");
  CHECK_THROWS_AS(cache.load(found), Error);
  write_bytes(found.library(), bytes);
  CHECK(cache.load(found)->minor() == WN_ABI_MINOR);
}

TEST_CASE("a library that leads out of its package is refused", "[plugin_library]") {
  const TemporaryFolder folder;
  const FoundPlugin& sound = built_plugins().find(PluginKind::kVerifier, "winnow.brightness");
  std::filesystem::copy(sound.package->directory, folder / "p");
  const Registry registry = scan({folder.path()});
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, "winnow.brightness");
  std::filesystem::rename(found.library(), folder / "elsewhere.so");
  std::filesystem::create_symlink(folder / "elsewhere.so", found.library());
  CHECK_THROWS_WITH(load_library(found), Catch::Contains("leads out of its package"));
}

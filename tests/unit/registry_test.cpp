// registry_test.cpp: search path, precedence, shadowing, and a reason for all that is not taken.
#include "host/registry.hpp"

#include <stdlib.h>

#include <optional>

#include "host/error.hpp"
#include "host/variant.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;
using Catch::Contains;

namespace {

HostFacts facts() { return {1, 0, 3, {"wn.host.log/1", "wn.host.noise/1"}, "2.13.0"}; }

std::string skipped(const Package& package) {
  const TemporaryFolder folder;
  write_package(folder / "p", package);
  const Registry registry = scan({folder.path()}, facts());
  REQUIRE(registry.broken().empty());
  REQUIRE(registry.plugins().size() == 1);
  return registry.plugins()[0].skipped;
}

// Sets environment variables for one scope.
class Environment {
 public:
  void set(const char* name, const std::optional<std::string>& value) {
    const char* old = getenv(name);
    before_.emplace_back(name, old ? std::optional<std::string>(old) : std::nullopt);
    put(name, value);
  }
  ~Environment() {
    for (auto at = before_.rbegin(); at != before_.rend(); ++at) put(at->first, at->second);
  }

 private:
  static void put(const char* name, const std::optional<std::string>& value) {
    value ? setenv(name, value->c_str(), 1) : unsetenv(name);
  }
  std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

std::vector<std::string> origins(const SearchPath& path) {
  std::vector<std::string> origins;
  for (const auto& entry : path.entries)
    origins.push_back(entry.origin + " " + entry.directory.string());
  return origins;
}

}  // namespace

TEST_CASE("packages are found sorted by folder, and no library is opened", "[registry]") {
  const TemporaryFolder folder;
  for (const std::string name : {"c", "a", "b"})
    write_package(folder / name, {.id = "test." + name, .library = "garbage"});
  const Registry registry = scan({folder.path()});
  std::vector<std::string> found;
  for (const auto& plugin : registry.plugins()) {
    CHECK(plugin.skipped == "");
    found.push_back(plugin.plugin().id);
  }
  CHECK(found == std::vector<std::string>{"test.a", "test.b", "test.c"});
  CHECK(registry.find(PluginKind::kVerifier, "test.b").library() == folder / "b" / "plugin.so");
}

TEST_CASE("the first package that offers an id wins and the other says where", "[registry]") {
  const TemporaryFolder first, second;
  write_package(first / "x", {.version = "1.0.0"});
  write_package(second / "y", {.version = "2.0.0"});
  const Registry registry = scan({first.path(), second.path()});
  CHECK(registry.find(PluginKind::kVerifier, "test.plugin").package->version == "1.0.0");
  CHECK_THAT(registry.plugins()[1].skipped,
             Contains("shadowed by " + (first / "x").string() + "/winnow-plugin.toml (test)"));
  const Registry swapped = scan({second.path(), first.path()});
  CHECK(swapped.find(PluginKind::kVerifier, "test.plugin").package->version == "2.0.0");
}

TEST_CASE("a package that does not fit does not shadow one that does", "[registry]") {
  const TemporaryFolder first, second;
  write_package(first / "x", {.abi = "major = 1\nneeds_minor = 9\nbuilt_minor = 9\n"});
  write_package(second / "y", {.version = "2.0.0"});
  const Registry registry = scan({first.path(), second.path()}, facts());
  CHECK(registry.find(PluginKind::kVerifier, "test.plugin").package->version == "2.0.0");
}

TEST_CASE("the same folder on the path twice is read once", "[registry]") {
  const TemporaryFolder folder;
  write_package(folder / "x", {});
  CHECK(scan({folder.path(), folder / ".", folder / "x"}).plugins().size() == 1);
}

TEST_CASE("what does not fit this host is skipped with both sides of the reason", "[registry]") {
  CHECK(skipped({.abi = "major = 2\nneeds_minor = 0\nbuilt_minor = 0\n"}) ==
        "needs plugin ABI 2, this host speaks 1.0 to 1.3");
  CHECK(skipped({.abi = "major = 1\nneeds_minor = 5\nbuilt_minor = 5\n"}) ==
        "needs plugin ABI 1.5, this host speaks 1.0 to 1.3: update the host, or take an older "
        "version");
  CHECK(skipped({.abi = "major = 1\nneeds_minor = 3\nbuilt_minor = 4\n"}) == "");
  CHECK(skipped({.plugin_keys = "requires = [\"wn.host.noise/2\"]\n"}) ==
        "needs wn.host.noise/2, this host offers wn.host.noise/1");
  CHECK(skipped({.plugin_keys = "requires = [\"wn.host.tea/1\"]\n"}) ==
        "needs wn.host.tea/1, which this host does not offer");
}

TEST_CASE("a variant is taken only where all its conditions hold", "[registry]") {
  CHECK(skipped({.variant_keys = "libtorch = { link = \"host\", version = \"==2.13.*\" }\n"}) ==
        "");
  CHECK(skipped({.variant_keys = "libtorch = { link = \"host\", version = \"==2.9.*\" }\n"}) ==
        "no variant fits: plugin.so needs LibTorch ==2.9.*, this host has 2.13.0");
  CHECK_THAT(skipped({.variant_keys = "arch = \"z80\"\n"}),
             Contains("is for z80, this machine is"));
  CHECK_THAT(skipped({.variant_keys = "libc = \"glibc>=9.0\"\n"}), Contains("has glibc 2."));
  CHECK_THAT(skipped({.variant_keys = "cpu = [\"nonsense\"]\n"}), Contains("a CPU with nonsense"));
}

TEST_CASE("the first variant that fits is taken, in file order", "[registry]") {
  const TemporaryFolder folder;
  const std::string other =
      "[[variant]]\nfile = \"other.so\"\nsha256 = \"" + sha256_hex("") + "\"\nsize = 0\n";
  write_package(folder / "p", {.before_variant = other + "os = \"plan9\"\n"});
  CHECK(scan({folder.path()}).plugins().at(0).library().filename() == "plugin.so");
  write_package(folder / "p", {.before_variant = other});
  CHECK(scan({folder.path()}).plugins().at(0).library().filename() == "plugin.so");  // is there
  write_bytes(folder / "p" / "other.so", "");
  CHECK(scan({folder.path()}).plugins().at(0).library().filename() == "other.so");
}

TEST_CASE("a missing library is a reason, not a crash at the first use", "[registry]") {
  const TemporaryFolder folder;
  write_package(folder / "p", {});
  std::filesystem::remove(folder / "p" / "plugin.so");
  CHECK_THROWS_WITH(scan({folder.path()}).find(PluginKind::kVerifier, "test.plugin"),
                    Contains("'test.plugin' cannot be used") && Contains("plugin.so is missing"));
}

TEST_CASE("globs disable, enable wins, and third parties are those from elsewhere", "[registry]") {
  const TemporaryFolder own, other;
  write_package(own / "a", {.id = "winnow.a"});
  write_package(other / "b", {.id = "test.b"});
  const auto usable = [&](std::vector<std::string> disable, std::vector<std::string> enable) {
    SearchPath path;
    path.entries = {{other.path(), "user", false}, {own.path(), kInstallPrefix, false}};
    path.disable = std::move(disable);
    path.enable = std::move(enable);
    return Registry::scan(path, host_facts()).ids(PluginKind::kVerifier);
  };
  using Ids = std::vector<std::string>;
  CHECK(usable({}, {}) == Ids{"test.b", "winnow.a"});
  CHECK(usable({"test.*"}, {}) == Ids{"winnow.a"});
  CHECK(usable({"~all~"}, {"winnow.*"}) == Ids{"winnow.a"});
  CHECK(usable({"~third-party~"}, {}) == Ids{"winnow.a"});
  CHECK(usable({"~third-party~"}, {"test.b"}) == Ids{"test.b", "winnow.a"});
}

TEST_CASE("a disabled package lets the next one through", "[registry]") {
  const TemporaryFolder first, second;
  write_package(first / "p", {.version = "1.0.0"});
  write_package(second / "p", {.version = "2.0.0"});
  SearchPath path;
  path.entries = {{first.path(), "user", false}, {second.path(), kInstallPrefix, false}};
  path.disable = {"~third-party~"};
  CHECK(Registry::scan(path, host_facts())
            .find(PluginKind::kVerifier, "test.plugin")
            .package->version == "2.0.0");
}

TEST_CASE("a name that is not there gets the nearest one", "[registry]") {
  const TemporaryFolder folder;
  write_package(folder / "a",
                {.id = "test.brightness", .plugin_keys = "aliases = [\"test.luminance\"]\n"});
  write_package(folder / "b", {.id = "test.tree", .kind = "search"});
  const Registry registry = scan({folder.path()});
  const auto mistake = [&](const std::string& id) {
    try {
      registry.find(PluginKind::kVerifier, id);
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::kPlugin);
      return std::string(error.what());
    }
    return std::string("no mistake");
  };
  CHECK(mistake("test.brigtness") ==
        "no verifier 'test.brigtness'; did you mean 'test.brightness'?");
  CHECK(mistake("brightness") == "no verifier 'brightness'; did you mean 'test.brightness'?");
  CHECK(mistake("test.tree") == "'test.tree' is a search, not a verifier");
  CHECK(registry.find(PluginKind::kVerifier, "test.luminance").plugin().id == "test.brightness");
}

TEST_CASE("a manifest that cannot be read is kept with its reason", "[registry]") {
  const TemporaryFolder folder;
  write_package(folder / "good", {});
  std::filesystem::create_directory(folder / "bad");
  write_bytes(folder / "bad" / "winnow-plugin.toml", "this is no TOML");
  std::filesystem::create_symlink(folder / "nowhere", folder / "link");
  const Registry registry = scan({folder.path(), folder / "absent"});
  REQUIRE(registry.broken().size() == 2);
  CHECK(registry.broken()[0].path.filename() == "bad");
  CHECK_THAT(registry.broken()[0].reason, Contains("winnow-plugin.toml"));
  CHECK(registry.broken()[1].reason == "is a symbolic link to nothing");
  CHECK(registry.plugins().size() == 1);
  CHECK_THROWS_WITH(registry.find(PluginKind::kSearch, "test.nothing"), Contains("bad"));
}

TEST_CASE("what is named explicitly must be there", "[registry]") {
  const TemporaryFolder folder;
  const auto scan_named = [&](const std::filesystem::path& path) {
    return Registry::scan({{{path, "--plugin", true}}, {}, {}}, host_facts());
  };
  CHECK_THROWS_WITH(scan_named(folder / "absent"), Contains("--plugin") && Contains("absent"));
  CHECK_THROWS_WITH(scan_named(folder.path()), Contains("holds no package"));
  write_package(folder / "p", {});
  CHECK(scan_named(folder.path()).plugins().size() == 1);
  CHECK(scan_named(folder / "p").plugins().size() == 1);
  CHECK(scan_named(folder / "p" / "winnow-plugin.toml").plugins().size() == 1);
}

TEST_CASE("the environment decides where to look, in the documented order", "[registry]") {
  Environment environment;
  environment.set("WN_PLUGIN_PATH", std::nullopt);
  environment.set("WN_ADD_PLUGIN_PATH", "/add/one:/add/two");
  environment.set("XDG_DATA_HOME", "/home/data");
  environment.set("XDG_DATA_DIRS", "/sys");
  environment.set("WN_PLUGINS_DISABLE", "a.*,~third-party~");
  const SearchPath path = default_search_path({"/named"});
  auto found = origins(path);
  REQUIRE(found.size() == 6);
  CHECK_THAT(found.back(), Contains("install prefix") && Contains("/lib/winnow/plugins"));
  found.pop_back();
  CHECK(found == std::vector<std::string>{"--plugin /named", "WN_ADD_PLUGIN_PATH /add/one",
                                          "WN_ADD_PLUGIN_PATH /add/two",
                                          "user /home/data/winnow/plugins",
                                          "system /sys/winnow/plugins"});
  CHECK(path.entries[0].required);
  CHECK(path.disable == std::vector<std::string>{"a.*", "~third-party~"});

  environment.set("WN_PLUGIN_PATH", "/only");
  CHECK(origins(default_search_path({"/named"})) ==
        std::vector<std::string>{"--plugin /named", "WN_PLUGIN_PATH /only"});
}

TEST_CASE("version needs are compared number by number", "[registry]") {
  CHECK(version_fulfils("2.13.0", "==2.13.*"));
  CHECK_FALSE(version_fulfils("2.1.0", "==2.13.*"));
  CHECK_FALSE(version_fulfils("2.130.0", "==2.13.*"));
  CHECK(version_fulfils("2.13", ">=2.6"));
  CHECK(version_fulfils("2.13", "==2.13.0"));
  CHECK_FALSE(version_fulfils("2.5.1", ">=2.6"));
  CHECK(version_fulfils("2.7", ">=2.6, <3"));
  CHECK_FALSE(version_fulfils("3.0", ">=2.6, <3"));
  CHECK_FALSE(version_fulfils("2.7", "nonsense"));
  CHECK_FALSE(version_fulfils("2.7", ""));
}

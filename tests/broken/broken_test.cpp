// broken_test.cpp: loads every plugin of the zoo through the registry, as a run would.
#include <elf.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "host/error.hpp"
#include "host/guard.hpp"
#include "host/plugin_library.hpp"
#include "host/plugin_provider.hpp"
#include "host/why_not_taken.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/package.hpp"

using namespace winnow;
using namespace winnow::test;
using Catch::Contains;

namespace {

std::string zoo(const std::string& name) {
  return read_bytes(std::filesystem::path(ZOO) / (name + ".so"));
}

std::shared_ptr<PluginLibrary> load(const TemporaryFolder& folder, const Package& package) {
  write_package(folder / "p", package);
  const Registry registry = scan({folder.path()});
  return load_library(registry.find(PluginKind::kVerifier, "test.plugin"));
}

// The same in a process of its own; what it says.
std::string sentence_there(const TemporaryFolder& folder) try {
  const Registry registry = scan({folder.path()});
  const FoundPlugin& found = registry.find(PluginKind::kVerifier, "test.plugin");
  const PluginUse use{"test.plugin", {}};
  HostServices services(nullptr);
  PluginProvider provider({.mode = Isolate::kPlugin});
  PluginInstance(provider.code(found, use), use, "1.0.0", services);
  return "loaded without a complaint";
} catch (const Error& error) {
  CHECK(error.exit() == Exit::kPlugin);
  return error.what();
}

// The sentence with which loading fails; it must name the file.
std::string sentence(const Package& package) {
  const TemporaryFolder folder;
  try {
    load(folder, package);
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kPlugin);
    const std::string text = error.what();
    CHECK_THAT(text, Contains((folder / "p").string()));
    CHECK(text.find('\n') == std::string::npos);
    CHECK(text.back() != '.');
    CHECK(sentence_there(folder) == text);
    return text;
  }
  return "loaded without a complaint";
}

std::string sentence_of(const std::string& name) { return sentence({.library = zoo(name)}); }

// What the host logs while `body` runs.
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

const std::string kOption =
    "[[plugin.option]]\nkey = \"size\"\ntype = \"i64\"\ndefault = 3\nhelp = \"Size.\"\n";

}  // namespace

TEST_CASE("the sound animal of the zoo loads", "[broken]") {
  const TemporaryFolder folder;
  const auto library = load(folder, {.library = zoo("none")});
  CHECK(library->minor() == WN_ABI_MINOR);
  CHECK(std::string(library->plugin("test.plugin").version) == "1.0.0");
}

TEST_CASE("another machine's library is refused before it is loaded", "[broken]") {
  std::string bytes = zoo("none");
  const Elf64_Half machine = EM_RISCV;
  bytes.replace(offsetof(Elf64_Ehdr, e_machine), sizeof machine,
                reinterpret_cast<const char*>(&machine), sizeof machine);
  CHECK_THAT(sentence({.library = bytes}), Contains("is built for riscv, this program for"));
}

TEST_CASE("a file that is no library is refused", "[broken]") {
  CHECK_THAT(sentence({.library = "#!/bin/sh\n"}), Contains("is no ELF shared library"));
  CHECK_THAT(sentence({.library = zoo("none").substr(0, 200)}),
             Contains("its symbols cannot be read") || Contains("does not export"));
}

TEST_CASE("a file that was altered after packing is refused with both hashes", "[broken]") {
  const TemporaryFolder folder;
  write_package(folder / "p", {.library = zoo("none")});
  std::string bytes = zoo("none");
  bytes.back() ^= 1;
  write_bytes(folder / "p" / "plugin.so", bytes);
  const Registry registry = scan({folder.path()});
  const auto& found = registry.find(PluginKind::kVerifier, "test.plugin");
  CHECK_THROWS_WITH(load_library(found),
                    Contains(sha256_hex(bytes)) && Contains(sha256_hex(zoo("none"))));
  write_bytes(folder / "p" / "plugin.so", bytes + "x");
  CHECK_THROWS_WITH(load_library(found), Contains("bytes, winnow-plugin.toml says"));
}

TEST_CASE("an altered or missing data file is refused", "[broken]") {
  const TemporaryFolder folder;
  const std::string data =
      "[[data]]\nfile = \"table.bin\"\nsha256 = \"" + sha256_hex("good") + "\"\n";
  const Package package = {.library = zoo("none"), .before_variant = data};
  CHECK_THROWS_WITH(load(folder, package), Contains("table.bin: is missing"));
  write_bytes(folder / "p" / "table.bin", "evil");
  CHECK_THROWS_WITH(load(folder, package), Contains("table.bin: its sha256 is"));
  write_bytes(folder / "p" / "table.bin", "good");
  CHECK_NOTHROW(load(folder, package));
}

TEST_CASE("a library that is not there is refused", "[broken]") {
  const TemporaryFolder folder;
  write_package(folder / "p", {.library = zoo("none")});
  const Registry registry = scan({folder.path()});
  const auto& found = registry.find(PluginKind::kVerifier, "test.plugin");
  std::filesystem::remove(folder / "p" / "plugin.so");
  CHECK_THROWS_WITH(load_library(found), Contains("plugin.so: is missing"));
}

TEST_CASE("every broken handshake gives one sentence that names what is wrong", "[broken]") {
  CHECK_THAT(sentence_of("no_symbol"), Contains("does not export wn_plugin_negotiate_v1"));
  CHECK_THAT(sentence_of("undefined_symbol"), Contains("cannot be loaded") &&
                                                  Contains("undefined symbol") &&
                                                  Contains("function_that_is_nowhere"));
  CHECK_THAT(sentence_of("magic"), Contains("magic 0x0000002a, expected 0x31574e57"));
  CHECK_THAT(sentence_of("pointer_bits"), Contains("16 bits, expected 64"));
  CHECK_THAT(sentence_of("minor"), Contains("chose minor 77"));
  CHECK_THAT(sentence_of("newer_minor"), Contains("needs plugin ABI 1.9, this host speaks 1.0"));
  CHECK_THAT(sentence_of("zero"), Contains("offers no plugin"));
  CHECK_THAT(sentence_of("null_list"), Contains("its list of plugins is NULL"));
  CHECK_THAT(sentence_of("null_slot"), Contains("plugin 1: the descriptor is NULL"));
  CHECK_THAT(sentence_of("null_create"), Contains("plugin 0: create is NULL"));
  CHECK_THAT(sentence_of("twice"), Contains("offers 'test.plugin' twice"));
  CHECK_THAT(sentence_of("refuses"), Contains("refused the handshake: no licence"));
  CHECK_THAT(sentence_of("silent"), Contains("status 13 and no message (plugin misbehaving)"));
}

TEST_CASE("a library that differs from its manifest is refused with both sides", "[broken]") {
  CHECK_THAT(sentence_of("other_id"),
             Contains("has no plugin 'test.plugin'") && Contains("it has 'test.other'"));
  CHECK_THAT(sentence_of("other_kind"),
             Contains("the library says kind 'search', its manifest 'verifier'"));
  CHECK_THAT(sentence_of("other_version"),
             Contains("the library says version '1.0.1', its manifest '1.0.0'"));
  CHECK_THAT(sentence_of("no_interface"), Contains("provides wn.verifier/1, the library does not"));
  CHECK_THAT(sentence({.options = kOption, .library = zoo("none")}),
             Contains("the option 'size' differs"));
  CHECK_THAT(sentence({.options = kOption, .library = zoo("other_options")}),
             Contains("the option 'size' differs"));
  CHECK_THAT(sentence_of("other_options"), Contains("the option 'size' differs"));
  CHECK_THAT(sentence_of("bad_options"), Contains("its embedded options are no TOML"));
}

TEST_CASE("what is seen without running it gives one reason before anything is loaded",
          "[broken]") {
  const TemporaryFolder folder;
  std::string riscv = zoo("none");
  const Elf64_Half machine = EM_RISCV;
  riscv.replace(offsetof(Elf64_Ehdr, e_machine), sizeof machine,
                reinterpret_cast<const char*>(&machine), sizeof machine);
  const auto why_not = [&](const Package& package) {
    write_package(folder / "p", package);
    const Registry registry = scan({folder.path()});
    const auto all = verdicts(registry, nullptr);
    REQUIRE(all.size() == 1);
    return all.front().why_not;
  };
  CHECK(why_not({.library = zoo("none")}).empty());
  CHECK_THAT(why_not({.library = zoo("no_symbol")}), Contains("does not export"));
  CHECK_THAT(why_not({.library = riscv}), Contains("is built for riscv"));
  CHECK_THAT(why_not({.library = "#!/bin/sh\n"}), Contains("is no ELF shared library"));
  CHECK(why_not({.library = zoo("magic")}).empty());  // only its own code says so
}

TEST_CASE("further exported symbols are a warning that names one", "[broken]") {
  const TemporaryFolder folder;
  const std::string log = logged([&] { load(folder, {.library = zoo("extra_symbol")}); });
  CHECK_THAT(log, Contains("exports 2 symbols") && Contains("leaked_symbol"));
}

TEST_CASE("a -ffast-math library cannot change the host's arithmetic", "[broken]") {
  const TemporaryFolder folder;
  const std::string log = logged([&] { load(folder, {.library = zoo("fast_math")}); });
  volatile double tiny = std::numeric_limits<double>::min();
  tiny = tiny / 2;  // a denormal: zero when the mode was left changed
  CHECK(tiny > 0);
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
  CHECK_THAT(log, Contains("changed the floating-point mode") && Contains("undone"));
#endif
}

TEST_CASE("a built package copied elsewhere is found and loads as it is", "[broken]") {
  const TemporaryFolder folder;
  for (const std::string name : {"winnow.brightness", "winnow.sharpness"})
    std::filesystem::copy(std::filesystem::path(PLUGINS) / name, folder / name);
  setenv("WN_PLUGIN_PATH", folder.path().c_str(), 1);
  const Registry registry = Registry::scan(default_search_path({}), host_facts());
  unsetenv("WN_PLUGIN_PATH");
  LibraryCache cache;
  for (const std::string name : {"winnow.brightness", "winnow.sharpness"}) {
    const FoundPlugin& found = registry.find(PluginKind::kVerifier, name);
    CHECK(found.library().parent_path() == folder / name);
    const auto library = cache.load(found);
    CHECK(library == cache.load(found));
    CHECK(library->plugin(name).get_interface(WN_VERIFIER_1) != nullptr);
    CHECK(library->plugin(name).get_interface("wn.verifier/1x") == nullptr);
  }
}

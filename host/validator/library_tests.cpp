// library_tests.cpp: tests of a loaded library and of its plugins' descriptors; no instance is
// made.
#include <link.h>
#include <time.h>

#include <algorithm>
#include <set>
#include <thread>

#include "host/error.hpp"
#include "host/plugin_library.hpp"
#include "host/text.hpp"
#include "host/validator/bench.hpp"
#include "host/validator/process_state.hpp"

namespace winnow::validator {
namespace {

constexpr double kLoadSeconds = 0.1;

constexpr const char* kInterfaces[] = {
    WN_STATE_1,  WN_VERIFIER_1, WN_VERIFIER_GRAD_1,   WN_VERIFIER_SET_1, WN_VERIFIER_FEATURES_1,
    WN_SEARCH_1, WN_SAMPLER_1,  WN_SAMPLER_RENOISE_1, WN_SAMPLER_VJP_1};

void loads(Bench& bench) {
  if (!bench.subject().found->skipped.empty())
    skip("the package cannot be used here: {}", bench.subject().found->skipped);
  if (bench.isolated()) {
    bench.stage("starting its process as a run would");
    return bench.start_process();
  }
  bench.stage("loading it as a run would");
  load_library(*bench.subject().found);
}

void matches_manifest(Bench& bench) {
  const wn_library& library = bench.library().library();
  std::set<std::string> ids;
  for (std::uint32_t i = 0; i < library.n_plugins; ++i) {
    const wn_plugin_1* plugin = library.plugins[i];
    if (!plugin || !plugin->id || !plugin->kind || !plugin->version)
      fail("plugin {} of the library has no descriptor, id, kind or version", i);
    const auto found =
        std::ranges::find(bench.package().plugins, std::string(plugin->id), &PluginManifest::id);
    if (found == bench.package().plugins.end())
      fail("the library has '{}', which the manifest does not name", printable(plugin->id));
    if (!ids.insert(plugin->id).second) fail("the library has '{}' twice", plugin->id);
    if (plugin->kind != to_string(found->kind))
      fail("{}: the library says kind '{}', the manifest '{}'", plugin->id, printable(plugin->kind),
           to_string(found->kind));
    if (plugin->version != bench.package().version)
      fail("{}: the library says version '{}', the manifest '{}'", plugin->id,
           printable(plugin->version), bench.package().version);
  }
  for (const PluginManifest& plugin : bench.package().plugins)
    if (!ids.contains(plugin.id))
      fail("the manifest names '{}', which the library does not have", plugin.id);
}

void options_match(Bench& bench) {
  const char* text = bench.plugin().options_toml;
  std::vector<OptionSpec> embedded;
  if (text) {
    try {
      const toml::table table = toml::parse(std::string_view(text));
      Diagnostics diagnostics;
      if (const toml::array* tables = table["plugin"]["option"].as_array())
        embedded = parse_option_specs(*tables, diagnostics, /*lenient=*/true);
      diagnostics.throw_if_any(Exit::kPlugin);
    } catch (const toml::parse_error& error) {
      fail("the options embedded in the library are no TOML: {}", error.description());
    }
  }
  auto declared = bench.manifest().options;
  for (auto* specs : {&embedded, &declared}) std::ranges::sort(*specs, {}, &OptionSpec::key);
  if (embedded == declared) return;
  for (const OptionSpec& spec : declared)
    if (std::ranges::count(embedded, spec) == 0)
      fail("the option '{}' of the manifest is not, or not so, in the library", spec.key);
  fail("the library has options that the manifest does not declare");
}

void handshake(Bench& bench) {
  const RawLibrary& library = bench.library();
  const auto refused = [&](const Handshake& answer, const std::string& what) {
    if (answer.status == WN_OK) fail("the handshake with {} succeeded, expected a refusal", what);
  };
  bench.stage("shaking hands with hosts of other minors");
  const Handshake own = library.negotiate(0, WN_ABI_MINOR);
  if (own.status != WN_OK)
    fail("refused a host of minors 0 to {}, with status {}", WN_ABI_MINOR, own.status);
  if (own.library.max_minor > 99 || own.library.min_minor > own.library.max_minor)
    fail("works with minors {} to {}", own.library.min_minor, own.library.max_minor);
  const Handshake newer = library.negotiate(0, 99);
  if (newer.status != WN_OK) fail("refused a newer host, of minors 0 to 99: {}", newer.text);
  if (newer.library.minor > newer.library.max_minor ||
      newer.library.minor < newer.library.min_minor)
    fail("chose minor {} with a host of minors 0 to 99, though it works with {} to {}",
         newer.library.minor, newer.library.min_minor, newer.library.max_minor);
  refused(library.negotiate(100, 120), "a host that speaks minor 100 at least");
  refused(library.negotiate(0, WN_ABI_MINOR, 0x12345678), "a host without the magic");
}

void handshake_in_bounds(Bench& bench) {
  if (bench.library().negotiate(0, WN_ABI_MINOR).beyond)
    fail("the handshake wrote struct_size of wn_library, or behind it");
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// CPU time, because the machine may be busy with other things.
void load_time(Bench& bench) {
  std::vector<double> seconds;
  for (int i = 0; i < 3; ++i)
    seconds.push_back(std::stod(from_another_process([&] {
      load_needed_libraries(bench.file());
      const double start = thread_seconds();
      bench.library().library();
      return std::to_string(thread_seconds() - start);
    })));
  std::ranges::sort(seconds);
  if (seconds[1] > kLoadSeconds)
    fail(
        "loading takes {:.0f} ms of CPU time (median of 3; the libraries it needs not counted), "
        "expected at most {:.0f}",
        1e3 * seconds[1], 1e3 * kLoadSeconds);
  bench.remark(fmt::format("{:.1f} ms of CPU time", 1e3 * seconds[1]));
}

void load_starts_no_thread(Bench& bench) {
  load_needed_libraries(bench.file());
  const std::size_t before = thread_count();
  bench.library().library();
  if (const std::size_t now = thread_count(); now > before)
    fail("loading started {} threads", now - before);
}

void load_keeps_state(Bench& bench) {
  const ProcessState before = process_state();
  bench.library().library();
  if (const auto found = changes(before, process_state()); !found.empty())
    fail("loading changed the process: {}", fmt::join(found, "; "));
}

void one_openmp(Bench& bench) {
  bench.library();
  std::set<std::string> found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* into) {
        const std::string name = std::filesystem::path(info->dlpi_name).filename();
        if (name.starts_with("libgomp") || name.starts_with("libomp") ||
            name.starts_with("libiomp"))
          static_cast<std::set<std::string>*>(into)->insert(name);
        return 0;
      },
      &found);
  if (found.size() > 1)
    fail("{} OpenMP runtimes are loaded with it, expected at most one: {}", found.size(),
         fmt::join(found, ", "));
}

void unknown_interfaces(Bench& bench) {
  const wn_plugin_1& plugin = bench.plugin();
  std::vector<std::string> unknown = {"", "wn", "wn.nothing/1", "org.example.unknown/7",
                                      std::string(100'000, 'x')};
  for (const char* id : kInterfaces) {
    unknown.push_back(std::string(id) + "x");
    unknown.push_back(std::string(id).substr(0, std::string(id).size() - 1));
    unknown.push_back(std::string(id).substr(0, std::string(id).size() - 1) + "2");
  }
  for (const std::string& id : unknown) {
    bench.stage("asking for the interface '{}'", id.substr(0, 40));
    if (plugin.get_interface(id.c_str()))
      fail("get_interface(\"{}\") gave a table, expected NULL", id.substr(0, 40));
  }
}

void interfaces_constant(Bench& bench) {
  const wn_plugin_1& plugin = bench.plugin();
  for (const std::string& id : bench.manifest().provides) {
    const void* first = plugin.get_interface(id.c_str());
    const void* other = nullptr;
    std::thread([&] { other = plugin.get_interface(id.c_str()); }).join();
    if (plugin.get_interface(std::string(id).c_str()) != first || other != first)
      fail("get_interface(\"{}\") gave another table the second time", id);
  }
}

void provides_all(Bench& bench) {
  for (const std::string& id : bench.manifest().provides)
    if (!bench.plugin().get_interface(id.c_str()))
      fail("the manifest provides {}, get_interface gave NULL", id);
}

void provides_no_more(Bench& bench) {
  for (const char* id : kInterfaces)
    if (bench.plugin().get_interface(id) && !bench.provides(id))
      fail(
          "get_interface gives {}, which the manifest does not provide: a host that reads the "
          "manifest will not use it",
          id);
}

constexpr Test kTests[] = {
    {"loads", 1, kPackage, "The library loads and shakes hands as a run would have it.", loads,
     Needs::kNothing},
    {"matches-manifest", 1, kPackage,
     "Ids, kinds and versions in the library are those of the manifest.", matches_manifest,
     Needs::kLibrary},
    {"options-match", 1, kPlugin, "The option table in the library is that of the manifest.",
     options_match, Needs::kLibrary},
    {"provides-all", 1, kPlugin, "Every interface that the manifest provides is there.",
     provides_all, Needs::kLibrary},
    {"unknown-interfaces", 2, kPlugin,
     "Interfaces that the plugin does not know give NULL, wn.verifier/1x and wn.verifier/2 too.",
     unknown_interfaces, Needs::kLibrary},
    {"provides-no-more", 3, kPlugin, "No known interface is there that the manifest leaves out.",
     provides_no_more, Needs::kLibrary},
    {"interfaces-constant", 3, kPlugin,
     "An interface is the same table every time and on every thread.", interfaces_constant,
     Needs::kLibrary},
    {"handshake", 3, kPackage,
     "Hosts of this and newer minors are taken, hosts that are too new or no hosts refused.",
     handshake, Needs::kLibrary},
    {"handshake-in-bounds", 3, kPackage, "The handshake writes nothing behind struct_size.",
     handshake_in_bounds, Needs::kLibrary},
    {"load-time", 3, kPackage,
     "Loading takes less than 100 ms of CPU time, the libraries it needs not counted.", load_time,
     Needs::kLibrary},
    {"load-starts-no-thread", 3, kPackage, "Loading starts no thread.", load_starts_no_thread,
     Needs::kLibrary},
    {"load-keeps-state", 3, kPackage,
     "Loading keeps locale, signals, rounding, MXCSR, folder, umask, environment and open files.",
     load_keeps_state, Needs::kLibrary},
    {"one-openmp", 4, kPackage, "At most one OpenMP runtime is in the process.", one_openmp,
     Needs::kLibrary},
};

}  // namespace

Tests library_tests() { return kTests; }

}  // namespace winnow::validator

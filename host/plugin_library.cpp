// plugin_library.cpp: loads a checked library, shakes hands, and compares what it offers with its
// manifest.
#include "host/plugin_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <boost/dll/shared_library.hpp>
#include <set>

#include "host/error.hpp"
#include "host/host_services.hpp"
#include "host/library_file.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const std::string& why) {
  throw Error(Exit::kPlugin, fmt::format("{}: {}", file.string(), why));
}

// A library linked with -ffast-math by gcc <= 12 turns denormals off for the loading thread, and
// with them the host's own numbers.
class FloatingPointState {
 public:
  explicit FloatingPointState(const fs::path& file) : file_(file), before_(current()) {}
  ~FloatingPointState() {
    const unsigned after = current();
    if ((after & kControlBits) == (before_ & kControlBits)) return;
    spdlog::warn(
        "{}: changed the floating-point mode (MXCSR {:#x} to {:#x}) while it was loaded; "
        "undone. It was probably linked with -ffast-math",
        file_.string(), before_, after);
    restore(before_);
  }

 private:
  static constexpr unsigned kControlBits = ~0x3Fu;  // the low six are sticky exception flags
#if defined(__SSE__)
  static unsigned current() { return _mm_getcsr(); }
  static void restore(unsigned state) { _mm_setcsr(state); }
#else
  static unsigned current() { return 0; }
  static void restore(unsigned) {}
#endif
  const fs::path& file_;
  unsigned before_;
};

boost::dll::shared_library open(const fs::path& file) {
  using boost::dll::load_mode::type;
  const auto mode =
      static_cast<type>(boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local |
                        static_cast<type>(RTLD_NODELETE));
  try {
    return boost::dll::shared_library(file, mode);  // this overload keeps dlerror's text
  } catch (const std::exception& error) {
    fail(file, fmt::format("cannot be loaded: {}", error.what()));
  }
}

wn_str str(const std::string& text) { return {text.data(), text.size()}; }

wn_library negotiate(const fs::path& file, wn_negotiate_fn entry) {
  const HostFacts facts = host_facts();
  const std::string name = "winnow", version = WN_SDK_VERSION, directory = file.parent_path();
  ErrorSink errors;
  wn_loader loader{};
  loader.struct_size = WN_SIZE(wn_loader, library_dir);
  loader.magic = WN_MAGIC;
  loader.min_minor = facts.min_minor;
  loader.max_minor = facts.max_minor;
  loader.errors = errors.table();
  loader.host_name = str(name);
  loader.host_version = str(version);
  loader.library_dir = str(directory);
  wn_library library{};
  library.struct_size = WN_SIZE(wn_library, shutdown);

  const wn_status status = entry(&loader, &library);
  if (status == WN_OK) return library;
  if (!errors.text().empty())
    fail(file, fmt::format("refused the handshake: {}", printable(errors.text())));
  if (status == WN_E_INCOMPATIBLE)
    fail(file, fmt::format("needs plugin ABI {}.{}, this host speaks {}.{} to {}.{}", WN_ABI_MAJOR,
                           library.min_minor, WN_ABI_MAJOR, facts.min_minor, WN_ABI_MAJOR,
                           facts.max_minor));
  fail(file, fmt::format("refused the handshake with status {} and no message (plugin misbehaving)",
                         status));
}

void check_handshake(const fs::path& file, const wn_library& library) {
  const HostFacts facts = host_facts();
  if (library.magic != WN_MAGIC)
    fail(file,
         fmt::format("answered with magic {:#010x}, expected {:#010x}", library.magic, WN_MAGIC));
  if (library.pointer_bits != 8 * sizeof(void*))
    fail(file, fmt::format("says its pointers have {} bits, expected {}", library.pointer_bits,
                           8 * sizeof(void*)));
  if (library.minor < facts.min_minor || library.minor > facts.max_minor ||
      library.minor < library.min_minor || library.minor > library.max_minor)
    fail(file,
         fmt::format("chose minor {} though it works with {} to {} and this host with {} to {}",
                     library.minor, library.min_minor, library.max_minor, facts.min_minor,
                     facts.max_minor));
  if (library.n_plugins == 0) fail(file, "offers no plugin (n_plugins is 0)");
  if (!library.plugins) fail(file, "its list of plugins is NULL");
}

void check_slots(const fs::path& file, const wn_plugin_1* plugin, std::uint32_t index) {
  const auto needed = [&](bool there, const char* slot) {
    if (!there) fail(file, fmt::format("plugin {}: {} is NULL", index, slot));
  };
  needed(plugin, "the descriptor");
  needed(plugin->id, "id");
  needed(plugin->kind, "kind");
  needed(plugin->version, "version");
  needed(plugin->create, "create");
  needed(plugin->destroy, "destroy");
  needed(plugin->get_interface, "get_interface");
}

std::vector<OptionSpec> embedded_options(const fs::path& file, const wn_plugin_1& plugin) {
  if (!plugin.options_toml) return {};
  Diagnostics diagnostics;
  try {
    const toml::table table = toml::parse(std::string_view(plugin.options_toml));
    const toml::array* tables = table["plugin"]["option"].as_array();
    if (!tables) return {};
    auto specs = parse_option_specs(*tables, diagnostics, /*lenient=*/true);
    diagnostics.throw_if_any(Exit::kPlugin);
    return specs;
  } catch (const toml::parse_error& error) {
    fail(file, fmt::format("{}: its embedded options are no TOML: {}", printable(plugin.id),
                           error.description()));
  } catch (const Error& error) {
    fail(file, fmt::format("{}: its embedded options are wrong:\n{}", printable(plugin.id),
                           error.what()));
  }
}

void check_options(const fs::path& file, const wn_plugin_1& plugin,
                   const std::vector<OptionSpec>& manifest) {
  auto by_key = [](std::vector<OptionSpec> specs) {
    std::sort(specs.begin(), specs.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
    return specs;
  };
  const auto in_binary = by_key(embedded_options(file, plugin)), in_manifest = by_key(manifest);
  if (in_binary == in_manifest) return;
  const auto [binary, text] =
      std::mismatch(in_binary.begin(), in_binary.end(), in_manifest.begin(), in_manifest.end());
  const auto key =
      text == in_manifest.end() || (binary != in_binary.end() && binary->key < text->key)
          ? binary->key
          : text->key;
  fail(file, fmt::format("{}: the option '{}' differs between the library and its manifest",
                         plugin.id, printable(key)));
}

void check_against_manifest(const fs::path& file, const wn_plugin_1& plugin,
                            const PackageManifest& package, const PluginManifest& manifest) {
  const auto equal = [&](const char* what, const std::string& binary, const std::string& text) {
    if (binary != text)
      fail(file, fmt::format("{}: the library says {} '{}', its manifest '{}'", manifest.id, what,
                             printable(binary), text));
  };
  equal("kind", plugin.kind, to_string(manifest.kind));
  equal("version", plugin.version, package.version);
  for (const auto& interface : manifest.provides)
    if (!plugin.get_interface(interface.c_str()))
      fail(file, fmt::format("{}: its manifest provides {}, the library does not", manifest.id,
                             interface));
  check_options(file, plugin, manifest.options);
}

class Loaded : public PluginLibrary {
 public:
  Loaded(fs::path file, std::shared_ptr<const PackageManifest> package)
      : file_(std::move(file)), package_(std::move(package)) {
    const FloatingPointState restored_at_the_end(file_);
    code_ = open(file_);
    // Not get<wn_negotiate_fn>(): that would be a pointer to a function pointer variable.
    const auto entry =
        &code_.get<wn_status WN_CALL(const wn_loader*, wn_library*)>(WN_ENTRY_SYMBOL);
    library_ = negotiate(file_, entry);
    check_handshake(file_, library_);
    check_plugins();
  }
  ~Loaded() override {
    if (library_.shutdown) library_.shutdown();
  }

  std::uint32_t minor() const override { return library_.minor; }

  const wn_plugin_1& plugin(const std::string& id) const override {
    for (std::uint32_t i = 0; i < library_.n_plugins; ++i)
      if (library_.plugins[i]->id == id) return *library_.plugins[i];
    fail(file_, fmt::format("has no plugin '{}', though its manifest says so; it has {}", id,
                            list_of(ids())));
  }

 private:
  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (std::uint32_t i = 0; i < library_.n_plugins; ++i)
      ids.push_back(printable(library_.plugins[i]->id));
    return ids;
  }

  // A constructor that throws runs no destructor, so shutdown is called here.
  void check_plugins() try {
    std::set<std::string> seen;
    for (std::uint32_t i = 0; i < library_.n_plugins; ++i) {
      check_slots(file_, library_.plugins[i], i);
      if (!seen.insert(library_.plugins[i]->id).second)
        fail(file_, fmt::format("offers '{}' twice", printable(library_.plugins[i]->id)));
    }
    for (const auto& manifest : package_->plugins)
      check_against_manifest(file_, plugin(manifest.id), *package_, manifest);
    for (const auto& id : ids())
      if (std::none_of(package_->plugins.begin(), package_->plugins.end(),
                       [&](const auto& manifest) { return manifest.id == id; }))
        fail(file_, fmt::format("offers '{}', which its manifest does not name", id));
  } catch (...) {
    if (library_.shutdown) library_.shutdown();
    throw;
  }

  fs::path file_;
  std::shared_ptr<const PackageManifest> package_;
  boost::dll::shared_library code_;
  wn_library library_{};
};

}  // namespace

std::shared_ptr<PluginLibrary> load_library(const FoundPlugin& found) {
  return std::make_shared<Loaded>(check_library_file(found), found.package);
}

std::shared_ptr<PluginLibrary> LibraryCache::load(const FoundPlugin& found) {
  auto& library = loaded_[std::filesystem::weakly_canonical(found.library())];
  if (!library) library = load_library(found);
  return library;
}

}  // namespace winnow

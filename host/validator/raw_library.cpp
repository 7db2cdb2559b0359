// raw_library.cpp: see raw_library.hpp.
#include "host/validator/raw_library.hpp"

#include <dlfcn.h>

#include <algorithm>

#include "host/elf_file.hpp"
#include "host/host_services.hpp"
#include "host/registry.hpp"
#include "host/text.hpp"
#include "host/validator/test.hpp"

namespace winnow::validator {
namespace {

namespace fs = std::filesystem;

wn_str str(const std::string& text) { return {text.c_str(), text.size()}; }

}  // namespace

RawLibrary::RawLibrary(const fs::path& file) : file_(file) {
  void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!handle) fail("cannot be loaded: {}", dlerror());
  entry_ = reinterpret_cast<wn_negotiate_fn>(dlsym(handle, WN_ENTRY_SYMBOL));
  if (!entry_) fail("does not export {}", WN_ENTRY_SYMBOL);
}

Handshake RawLibrary::negotiate(std::uint32_t min_minor, std::uint32_t max_minor,
                                std::uint32_t magic) const {
  struct {
    wn_library library;
    unsigned char canary[64];
  } room{};
  constexpr unsigned char kCanary = 0xA5;
  std::fill(std::begin(room.canary), std::end(room.canary), kCanary);
  room.library.struct_size = WN_SIZE(wn_library, shutdown);
  const std::string name = "winnow", version = WN_SDK_VERSION, directory = file_.parent_path();
  ErrorSink errors;
  wn_loader loader{};
  loader.struct_size = WN_SIZE(wn_loader, library_dir);
  loader.magic = magic;
  loader.min_minor = min_minor;
  loader.max_minor = max_minor;
  loader.errors = errors.table();
  loader.host_name = str(name);
  loader.host_version = str(version);
  loader.library_dir = str(directory);
  Handshake handshake;
  handshake.status = entry_(&loader, &room.library);
  handshake.text = printable_lines(errors.text());
  handshake.library = room.library;
  handshake.beyond = room.library.struct_size != WN_SIZE(wn_library, shutdown) ||
                     std::any_of(std::begin(room.canary), std::end(room.canary),
                                 [](unsigned char byte) { return byte != kCanary; });
  return handshake;
}

const wn_library& RawLibrary::library() {
  if (library_.magic) return library_;
  const HostFacts facts = host_facts();
  const Handshake handshake = negotiate(facts.min_minor, facts.max_minor);
  if (handshake.status != WN_OK)
    fail("refused the handshake with status {}: {}", handshake.status, handshake.text);
  if (handshake.library.magic != WN_MAGIC || !handshake.library.plugins)
    fail("answered the handshake without magic or without plugins");
  return library_ = handshake.library;
}

const wn_plugin_1& RawLibrary::plugin(const std::string& id) {
  const wn_library& all = library();
  for (std::uint32_t i = 0; i < all.n_plugins; ++i) {
    const wn_plugin_1* plugin = all.plugins[i];
    if (!plugin || !plugin->id || id != plugin->id) continue;
    if (!plugin->create || !plugin->destroy || !plugin->get_interface)
      fail("create, destroy or get_interface of {} is NULL", id);
    return *plugin;
  }
  fail("the library has no plugin '{}'", id);
}

void RawLibrary::shutdown() {
  if (library_.shutdown) library_.shutdown();
}

void load_needed_libraries(const fs::path& file) {
  const ElfLibrary elf = read_elf_library(file);
  std::vector<std::string> folders;
  for (std::size_t at = 0; at <= elf.run_path.size();) {
    const std::size_t end = std::min(elf.run_path.find(':', at), elf.run_path.size());
    std::string folder = elf.run_path.substr(at, end - at);
    const std::string origin = "$ORIGIN";
    if (folder.starts_with(origin)) folder.replace(0, origin.size(), file.parent_path().string());
    if (!folder.empty()) folders.push_back(folder);
    at = end + 1;
  }
  for (const std::string& name : elf.needed) {
    bool found = false;
    for (const std::string& folder : folders)
      found = found || dlopen((fs::path(folder) / name).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!found) dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  }
}

}  // namespace winnow::validator

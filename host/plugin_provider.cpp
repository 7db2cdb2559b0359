// plugin_provider.cpp: see plugin_provider.hpp.
#include "host/plugin_provider.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace winnow {
namespace {

std::string why_not_here(const FoundPlugin& found) {
  if (!found.variant().python.empty())
    return "is written in Python, which does not run in winnow's process";
  if (found.variant().libtorch.link == "own")
    return "brings a LibTorch of its own, which cannot live in winnow's process";
  if (found.package->isolation == "process")
    return "does not want to be in winnow's process, by its manifest";
  return "";
}

}  // namespace

bool came_with_this_host(const PackageManifest& package) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  const fs::path own =
      fs::weakly_canonical(program.parent_path().parent_path() / "lib/winnow/plugins", failed);
  const fs::path folder = fs::weakly_canonical(package.directory, failed);
  return !failed &&
         std::mismatch(own.begin(), own.end(), folder.begin(), folder.end()).first == own.end();
}

std::shared_ptr<PluginCode> PluginProvider::code(const FoundPlugin& found, const PluginUse& use) {
  Isolation isolation = isolation_;
  if (use.isolate != Isolate::kDefault) isolation.mode = use.isolate;
  const std::string refusal = why_not_here(found);
  if (isolation.mode == Isolate::kDefault)
    isolation.mode =
        came_with_this_host(*found.package) && refusal.empty() ? Isolate::kNone : Isolate::kPlugin;
  if (isolation.mode == Isolate::kNone && !refusal.empty())
    throw Error(Exit::kPlugin,
                fmt::format("{} {}; take isolate = \"plugin\" for it", use.id, refusal));
  if (isolation.mode == Isolate::kNone) return code_of(libraries_.load(found), use.id);
  return isolated_code(found, isolation, processes_);
}

}  // namespace winnow

// registry.cpp: one pass over the search path; everything found is kept, with the reason when it is
// not usable.
#include "host/registry.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "host/error.hpp"
#include "host/package_files.hpp"
#include "host/semantic_version.hpp"
#include "host/text.hpp"
#include "host/variant.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using Package = std::shared_ptr<const PackageManifest>;
constexpr const char* kDisabled = "disabled by WN_PLUGINS_DISABLE";

bool names(const PluginManifest& plugin, const std::string& id) {
  return plugin.id == id ||
         std::find(plugin.aliases.begin(), plugin.aliases.end(), id) != plugin.aliases.end();
}

bool any_glob(const std::vector<std::string>& globs, const FoundPlugin& found) {
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    if (glob == "~all~") return true;
    if (glob == "~third-party~") return found.origin != kInstallPrefix;
    return fnmatch(glob.c_str(), found.plugin().id.c_str(), 0) == 0 ||
           fnmatch(glob.c_str(), found.package->id.c_str(), 0) == 0;
  });
}

std::string why_not_abi(const PackageManifest& package, const HostFacts& facts) {
  const auto speaks = fmt::format("this host speaks {}.{} to {}.{}", facts.abi_major,
                                  facts.min_minor, facts.abi_major, facts.max_minor);
  if (package.abi_major != facts.abi_major)
    return fmt::format("needs plugin ABI {}, {}", package.abi_major, speaks);
  if (package.needs_minor > facts.max_minor)
    return fmt::format("needs plugin ABI {}.{}, {}: update the host, or take an older version",
                       package.abi_major, package.needs_minor, speaks);
  if (package.built_minor < facts.min_minor)
    return fmt::format("was built for plugin ABI {}.{}, {}: take a newer version",
                       package.abi_major, package.built_minor, speaks);
  return "";
}

// Interfaces differ in their revision more often than in their name.
std::string why_not_interfaces(const PluginManifest& plugin, const HostFacts& facts) {
  for (const auto& needed : plugin.requires_host) {
    if (std::find(facts.interfaces.begin(), facts.interfaces.end(), needed) !=
        facts.interfaces.end())
      continue;
    const std::string name = needed.substr(0, needed.find('/') + 1);
    for (const auto& offered : facts.interfaces)
      if (offered.starts_with(name))
        return fmt::format("needs {}, this host offers {}", needed, offered);
    return fmt::format("needs {}, which this host does not offer", needed);
  }
  return "";
}

bool is_file(const fs::path& path) {
  std::error_code none;  // what may not be looked at cannot be loaded either
  return fs::is_regular_file(path, none);
}

// Chooses the first variant that fits and whose library is there; else says why none does.
std::string choose_variant(FoundPlugin& found, const HostFacts& facts) {
  const auto& variants = found.package->variants;
  std::string reasons;
  for (std::size_t i = 0; i < variants.size(); ++i) {
    found.variant_index = i;
    std::string reason = why_not(variants[i], facts);
    if (reason.empty() && !is_file(found.library())) reason = "is missing";
    if (reason.empty()) return "";
    reasons +=
        fmt::format("{}{} {}", reasons.empty() ? "" : "; ", variants[i].file.string(), reason);
  }
  found.variant_index = 0;
  return variants.empty() ? "the manifest has no [[variant]], so there is no library"
                          : "no variant fits: " + reasons;
}

class Scan {
 public:
  Scan(const SearchPath& path, const HostFacts& facts, std::vector<FoundPlugin>& plugins,
       std::vector<BrokenPackage>& broken)
      : path_(path), facts_(facts), plugins_(plugins), broken_(broken) {}

  void run() {
    for (const auto& entry : path_.entries) scan_entry(entry);
  }

 private:
  void scan_entry(const SearchPath::Entry& entry) {
    const fs::path directory = entry.directory.filename() == kManifestFile
                                   ? entry.directory.parent_path()
                                   : entry.directory;
    std::error_code none;  // a folder that may not be searched is like one that is not there
    if (fs::exists(directory / kManifestFile, none)) {
      if (const Package package = read_package(directory, entry)) add(package, entry);
      return;
    }
    std::error_code failed;
    std::vector<fs::path> children;
    for (fs::directory_iterator at(directory, failed), end; !failed && at != end;
         at.increment(failed))
      children.push_back(at->path());
    if (failed && (entry.required || failed != std::errc::no_such_file_or_directory))
      return refuse(directory, entry, "cannot be read: " + failed.message());
    std::sort(children.begin(), children.end());  // the order of a directory is not stable
    bool any = false;
    std::vector<Package> packages;
    for (const auto& child : children) {
      if (fs::is_symlink(child, none) && !fs::exists(child, none)) {
        refuse(child, entry, "is a symbolic link to nothing");
      } else if (fs::exists(child / kManifestFile, failed)) {
        if (Package package = read_package(child, entry)) packages.push_back(std::move(package));
        any = true;
      }
    }
    for (const Package& package : newest_first(packages)) add(package, entry);
    if (entry.required && !any)
      refuse(directory, entry, fmt::format("holds no package (no {} in it)", kManifestFile));
  }

  void refuse(const fs::path& path, const SearchPath::Entry& entry, const std::string& reason) {
    if (entry.required)
      throw Error(Exit::kPlugin, fmt::format("{} {}: {}", entry.origin, path.string(), reason));
    broken_.push_back({path, entry.origin, reason});
  }

  // Nothing: it was seen before, or is refused.
  Package read_package(const fs::path& directory, const SearchPath::Entry& entry) {
    std::error_code none;
    if (!seen_.insert(fs::weakly_canonical(directory, none)).second) return nullptr;
    try {
      return std::make_shared<PackageManifest>(read_manifest(directory / kManifestFile));
    } catch (const Error& error) {
      refuse(directory, entry, error.what());
      return nullptr;
    }
  }

  // Several versions of a package in one folder: the newest is looked at first, where the first of
  // them stands.
  static std::vector<Package> newest_first(const std::vector<Package>& packages) {
    std::vector<Package> sorted;
    for (const Package& package : packages) {
      const auto same = [&](const Package& other) { return other->id == package->id; };
      auto place = std::ranges::find_if(sorted, same);
      while (place != sorted.end() && same(*place) &&
             compare_versions((*place)->version, package->version) >= 0)
        ++place;
      sorted.insert(place, package);
    }
    return sorted;
  }

  void add(const Package& package, const SearchPath::Entry& entry) {
    const std::size_t first = plugins_.size();
    for (std::size_t i = 0; i < package->plugins.size(); ++i) {
      FoundPlugin found{package, i, 0, entry.origin, ""};
      found.skipped = why_skipped(found, first);
      plugins_.push_back(std::move(found));
    }
  }

  // `first`: where this package begins; earlier packages shadow it.
  std::string why_skipped(FoundPlugin& found, std::size_t first) const {
    std::string reason = why_not_abi(*found.package, facts_);
    if (reason.empty()) reason = choose_variant(found, facts_);
    if (reason.empty()) reason = why_not_interfaces(found.plugin(), facts_);
    if (reason.empty() && any_glob(path_.disable, found) && !any_glob(path_.enable, found))
      reason = kDisabled;
    if (!reason.empty()) return reason;
    for (std::size_t i = 0; i < plugins_.size(); ++i)
      if (plugins_[i].skipped.empty() && names(plugins_[i].plugin(), found.plugin().id))
        return i < first ? why_shadowed(found, plugins_[i])
                         : "the same id stands twice in this manifest";
    return "";
  }

  static std::string why_shadowed(const FoundPlugin& found, const FoundPlugin& taken) {
    const PackageManifest &own = *found.package, &other = *taken.package;
    const std::string older =
        own.id == other.id && compare_versions(own.version, other.version) < 0
            ? fmt::format("is {}, older than {}: ", own.version, other.version)
            : "";
    return fmt::format("{}shadowed by {} ({})", older, other.path.string(), taken.origin);
  }

  const SearchPath& path_;
  const HostFacts& facts_;
  std::vector<FoundPlugin>& plugins_;
  std::vector<BrokenPackage>& broken_;
  std::set<fs::path> seen_;
};

// "brightness" for "winnow.brightness" is the mistake to expect.
std::string suggestion(const std::string& id, const std::vector<std::string>& ids) {
  for (const auto& known : ids)
    if (known.ends_with("." + id)) return fmt::format("; did you mean '{}'?", known);
  const std::string near = did_you_mean(id, ids);
  if (!near.empty()) return "; " + near;
  return ids.empty() ? "; none is installed" : fmt::format("; there are {}", list_of(ids));
}

}  // namespace

Registry Registry::scan(const SearchPath& path, const HostFacts& facts) {
  Registry registry;
  Scan(path, facts, registry.plugins_, registry.broken_).run();
  return registry;
}

const FoundPlugin& Registry::find(PluginKind kind, const std::string& id) const {
  const FoundPlugin* skipped = nullptr;
  for (const auto& found : plugins_) {
    if (!names(found.plugin(), id)) continue;
    if (!found.skipped.empty()) {
      if (!skipped) skipped = &found;
      continue;
    }
    if (found.plugin().kind != kind)
      throw Error(Exit::kPlugin, fmt::format("'{}' is a {}, not a {}", id,
                                             to_string(found.plugin().kind), to_string(kind)));
    if (skipped && skipped->skipped != kDisabled)
      spdlog::warn("{}: {}; taking {}", skipped->package->path.string(), skipped->skipped,
                   found.package->path.string());
    return found;
  }
  if (skipped)
    throw Error(Exit::kPlugin, fmt::format("'{}' cannot be used: {}: {}", id,
                                           skipped->package->path.string(), skipped->skipped));
  std::string message = fmt::format("no {} '{}'{}", to_string(kind), id, suggestion(id, ids(kind)));
  for (const auto& broken : broken_)
    message += fmt::format("\nnot readable: {}: {}", broken.path.string(), broken.reason);
  throw Error(Exit::kPlugin, message);
}

std::vector<std::string> Registry::ids(PluginKind kind) const {
  std::vector<std::string> ids;
  for (const auto& found : plugins_)
    if (found.skipped.empty() && found.plugin().kind == kind) ids.push_back(found.plugin().id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace winnow

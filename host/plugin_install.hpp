// plugin_install.hpp: the user's own folder of plugin packages: put in, taken out, checked.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "host/package_files.hpp"

namespace winnow {

// $XDG_DATA_HOME/winnow/plugins, else $HOME/.local/share/winnow/plugins; nothing when neither is
// set, or when the program runs with another user's rights. Defined beside default_search_path,
// which looks there.
std::optional<std::filesystem::path> user_plugin_folder();

struct Installed {
  std::filesystem::path directory;
  std::string id, version;
  std::string before;      // the version that it replaced; empty: there was none
  bool unchanged = false;  // the same package was there already, whole
};

// Puts a packed package, or a folder that is one, into `root` as root/<package id>. It is unpacked
// into a temporary folder in `root`, checked (require_sound) and renamed into place, so that a
// killed or refused install leaves what was there (where the file system cannot swap two names, the
// next install or removal puts it back). An installed package is replaced by a newer
// version (semantic_version.hpp) and by the same one when it is damaged; by an older one, or
// another one of the same version, only when `force`. None of its code runs. Throws
// Error(Exit::kPlugin) when it is refused, Error(Exit::kUsage) for what is not there,
// Error(Exit::kResources) for a full disk, Error(Exit::kJournal) while another process changes
// `root`.
Installed install_package(const std::filesystem::path& source, const std::filesystem::path& root,
                          bool force);

// Removes the package in `root` that has this id, or, when its manifest cannot be read, lies in a
// folder of this name; else the one that offers a plugin of this id. Throws Error(Exit::kPlugin)
// with the nearest id when there is none, and when several offer the plugin.
struct Removed {
  std::filesystem::path directory;
  std::string id, version;
};
Removed remove_package(const std::string& id, const std::filesystem::path& root);

// What the packages in `root` are, all or the one of an id (as for remove_package).
struct Verified {
  std::filesystem::path directory;
  std::string id, version;                       // empty when the manifest cannot be read
  std::string broken;                            // why not; empty: it can
  std::vector<PackageFile> files;                // with what is wrong with them
  std::vector<std::filesystem::path> strangers;  // files that the manifest does not name
  bool good() const;
};
std::vector<Verified> verify_packages(const std::string& id, const std::filesystem::path& root);

}  // namespace winnow

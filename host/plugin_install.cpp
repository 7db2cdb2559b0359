// plugin_install.cpp: see plugin_install.hpp.
#include "host/plugin_install.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/folder_lock.hpp"
#include "host/package_archive.hpp"
#include "host/semantic_version.hpp"
#include "host/sha256.hpp"
#include "host/text.hpp"
#include "host/unpacked.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWork = "install-";      // behind disk::kTemporary
constexpr const char* kReplaced = "replaced";  // in a work folder: a package between two renames

disk::File lock(const fs::path& root) {
  try {
    return lock_folder(root);
  } catch (const Error& error) {
    if (error.exit() != Exit::kJournal) throw;
    throw Error(
        Exit::kJournal,
        fmt::format("another process changes '{}'; try again when it is done", root.string()));
  }
}

// A folder in `root` that is gone afterwards. Packages lie one level deeper in it, so that nobody
// who looks for plugins meanwhile takes them for installed ones.
class WorkFolder {
 public:
  explicit WorkFolder(const fs::path& root) {
    for (const auto& entry : fs::directory_iterator(root))
      if (entry.path().filename().string().starts_with(std::string(disk::kTemporary) + kWork))
        clear(entry.path(), root);
    std::string name = (root / (std::string(disk::kTemporary) + kWork + "XXXXXX")).string();
    if (!::mkdtemp(name.data())) throw disk::failure("write", root, errno);
    path_ = name;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  // What a killed process left.
  static void clear(const fs::path& left, const fs::path& root) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(left / kReplaced, none))
      if (!fs::exists(fs::symlink_status(root / entry.path().filename())))
        fs::rename(entry.path(), root / entry.path().filename());
    fs::remove_all(left);
  }

  fs::path path_;
};

// As read_manifest, but the package is told by its folder when the manifest is no good.
Verified look_at(const fs::path& directory) {
  Verified found;
  found.directory = directory;
  try {
    const PackageManifest manifest = read_manifest(directory / kManifestFile);
    found.id = manifest.id;
    found.version = manifest.version;
  } catch (const Error& error) {
    found.broken = error.what();
  }
  return found;
}

std::vector<fs::path> packages_in(const fs::path& root) {
  std::vector<fs::path> packages;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(root, missing)) {
    if (entry.path().filename().string().starts_with(".")) continue;
    if (fs::exists(entry.path() / kManifestFile, missing)) packages.push_back(entry.path());
  }
  std::ranges::sort(packages);
  return packages;
}

std::vector<std::string> names_of(const fs::path& directory) {
  std::vector<std::string> names;
  try {
    const PackageManifest manifest = read_manifest(directory / kManifestFile);
    names.push_back(manifest.id);
    for (const PluginManifest& plugin : manifest.plugins) names.push_back(plugin.id);
  } catch (const Error&) {
    names.push_back(directory.filename().string());
  }
  return names;
}

// A package of this id, else the one that offers a plugin of this id.
fs::path find_package(const std::string& id, const fs::path& root) {
  std::vector<std::string> known, offering;
  for (const fs::path& directory : packages_in(root)) {
    const std::vector<std::string> names = names_of(directory);
    if (names.front() == id) return directory;
    if (std::ranges::count(names, id) > 0) offering.push_back(directory.string());
    known.insert(known.end(), names.begin(), names.end());
  }
  if (offering.size() == 1) return offering.front();
  if (!offering.empty())
    throw Error(Exit::kPlugin, fmt::format("{} packages offer '{}': {}; name one by its own id",
                                           offering.size(), id, list_of(offering)));
  std::ranges::sort(known);
  known.erase(std::unique(known.begin(), known.end()), known.end());
  std::string near = did_you_mean(id, known);
  for (const std::string& name : known)
    if (name.ends_with("." + id)) near = fmt::format("did you mean '{}'?", name);
  if (near.empty()) near = known.empty() ? "none is" : "there are " + list_of(known);
  throw Error(Exit::kPlugin,
              fmt::format("no plugin '{}' is installed in '{}'; {}", id, root.string(), near));
}

// `to`, which is not there yet, gets the bytes of the regular file `from`, durable; links are not
// followed.
void copy_new(const fs::path& from, const fs::path& to) {
  const disk::File in = disk::open(from, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  disk::size(in, from);  // throws for what is no regular file
  const disk::File out = disk::open(to, O_WRONLY | O_CREAT | O_EXCL);
  std::string block(std::size_t{1} << 20, '\0');
  for (std::uint64_t offset = 0;;) {
    const ssize_t n = ::read(in.fd(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw disk::failure("read", from, errno);
    if (n == 0) break;
    disk::write_at(out, std::string_view(block).substr(0, static_cast<std::size_t>(n)), offset, to);
    offset += static_cast<std::uint64_t>(n);
  }
  disk::sync_data(out, to);
}

void copy_package(const fs::path& from, const fs::path& to) {
  const PackageManifest manifest = require_sound(from);
  for (const fs::path& file : files_of(manifest)) {
    fs::create_directories((to / file).parent_path());
    copy_new(fs::canonical(manifest.directory / file), to / file);
  }
}

void sync_folders(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_directory()) disk::sync_folder(entry.path());
  disk::sync_folder(folder);
}

// Code or data that no hash vouches for.
void refuse_strangers(const PackageManifest& manifest) {
  const auto strangers = strangers_in(manifest);
  if (!strangers.empty())
    throw Error(Exit::kPlugin,
                fmt::format("{}: does not name '{}'; list it as [[data]] and pack again",
                            manifest.path.string(), printable(strangers.front().string())));
}

class Installer {
 public:
  // `members`: what is packed in `source`, if it is no folder.
  Installer(const fs::path& source, const std::vector<ArchiveMember>& members, const fs::path& root,
            bool force)
      : source_(source), members_(members), root_(root), force_(force) {}

  Installed install() {
    const WorkFolder work(root_);
    const fs::path fresh = work / "new";
    fs::create_directory(fresh);
    const PackageManifest manifest = speaking_of(source_, fresh, [&] {
      if (members_.empty())
        copy_package(source_, fresh);
      else
        unpack_archive(source_, members_, fresh);
      PackageManifest sound = require_sound(fresh);
      refuse_strangers(sound);
      return sound;
    });
    Installed installed{root_ / manifest.id, manifest.id, manifest.version, "", false};
    decide(fresh, installed);
    if (!installed.unchanged) put(fresh, installed.directory, work / kReplaced);
    return installed;
  }

 private:
  // Fills in `before` and `unchanged`, or refuses.
  void decide(const fs::path& fresh, Installed& installed) const {
    for (const fs::path& directory : packages_in(root_))
      if (directory != installed.directory && look_at(directory).id == installed.id)
        throw Error(Exit::kPlugin,
                    fmt::format("'{}' holds {} already; remove it first: winnow plugins remove {}",
                                directory.string(), installed.id, installed.id));
    if (!fs::exists(fs::symlink_status(installed.directory))) return;
    const Verified there = look_at(installed.directory);
    if (there.id != installed.id) {
      if (!force_)
        throw Error(Exit::kPlugin, fmt::format("'{}' is there and is no package {}; --force "
                                               "replaces it",
                                               installed.directory.string(), installed.id));
      return;
    }
    installed.before = there.version;
    const auto hash = [](const fs::path& folder) {
      return sha256_hex_of_file(folder / kManifestFile);
    };
    if (hash(installed.directory) == hash(fresh)) {
      installed.unchanged = verify_packages(installed.id, root_).front().good();
      return;
    }
    if (force_ || compare_versions(installed.version, there.version) > 0) return;
    throw Error(
        Exit::kPlugin,
        fmt::format("{} {} is installed, '{}' holds {}; --force takes it all the same",
                    installed.id, there.version, source_.string(),
                    installed.version == there.version ? "another package of the same version"
                                                       : installed.version));
  }

  void put(const fs::path& fresh, const fs::path& target, const fs::path& replaced) const {
    sync_folders(fresh);
    if (!fs::exists(fs::symlink_status(target)))
      fs::rename(fresh, target);
    else if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0)
      put_in_two_steps(fresh, target, replaced);
    disk::sync_folder(root_);
  }

  // On a file system that cannot swap two names. Killed between the two renames, the next change
  // of the folder puts the old package back.
  static void put_in_two_steps(const fs::path& fresh, const fs::path& target,
                               const fs::path& replaced) {
    fs::create_directory(replaced);
    fs::rename(target, replaced / target.filename());
    try {
      fs::rename(fresh, target);
    } catch (...) {
      fs::rename(replaced / target.filename(), target);
      throw;
    }
  }

  const fs::path& source_;
  const std::vector<ArchiveMember>& members_;
  const fs::path& root_;
  bool force_;
};

}  // namespace

bool Verified::good() const {
  const auto wrong = [](const PackageFile& file) { return !file.problem.empty(); };
  return broken.empty() && strangers.empty() && std::ranges::none_of(files, wrong);
}

Installed install_package(const fs::path& source, const fs::path& root, bool force) {
  if (!fs::exists(source))
    throw Error(Exit::kUsage, fmt::format("'{}' is not there; expected a package: a .tar.gz or a "
                                          "folder with a {}",
                                          source.string(), kManifestFile));
  std::vector<ArchiveMember> members;
  if (!fs::is_directory(source)) members = list_archive(source);  // before anything is made
  fs::create_directories(root);
  const disk::File held = lock(root);
  return Installer(source, members, root, force).install();
}

Removed remove_package(const std::string& id, const fs::path& root) {
  find_package(id, root);  // refused before anything is made
  const disk::File held = lock(root);
  const WorkFolder work(root);
  const fs::path directory = find_package(id, root);
  Verified found = look_at(directory);
  if (found.id.empty()) found.id = directory.filename().string();
  fs::rename(directory, work / "removed");  // gone at once, or not at all
  disk::sync_folder(root);
  return {directory, found.id, found.version};
}

std::vector<Verified> verify_packages(const std::string& id, const fs::path& root) {
  std::vector<fs::path> directories = packages_in(root);
  if (!id.empty()) directories = {find_package(id, root)};
  std::vector<Verified> all;
  for (const fs::path& directory : directories) {
    Verified& one = all.emplace_back(look_at(directory));
    if (!one.broken.empty()) continue;
    const PackageManifest manifest = read_manifest(directory / kManifestFile);
    one.files = check_files(manifest);
    one.strangers = strangers_in(manifest);
  }
  return all;
}

}  // namespace winnow

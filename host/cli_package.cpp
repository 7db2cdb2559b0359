// cli_package.cpp: the verbs that ship packages: plugins pack, install, remove and verify; and
// plugins docs.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "host/cli_verbs.hpp"
#include "host/disk.hpp"
#include "host/elf_file.hpp"
#include "host/figures.hpp"
#include "host/library_file.hpp"
#include "host/manifest_fill.hpp"
#include "host/package_archive.hpp"
#include "host/plugin_install.hpp"
#include "host/plugin_page.hpp"
#include "host/sha256.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

fs::path user_folder() {
  if (const auto folder = user_plugin_folder()) return *folder;
  throw Error(Exit::kUsage,
              "there is no folder for your own plugins: neither XDG_DATA_HOME nor HOME is set");
}

// The folder of the package that is named by it or by its manifest.
fs::path package_folder(const fs::path& named) {
  const fs::path folder =
      named.filename() == kManifestFile ? fs::absolute(named).parent_path() : fs::absolute(named);
  if (fs::exists(folder / kManifestFile)) return folder.lexically_normal();
  throw Error(
      Exit::kUsage,
      fmt::format("'{}' is no package: it {}", named.string(),
                  fs::exists(named) ? fmt::format("holds no {}", kManifestFile) : "is not there"));
}

// Fills in the hashes and checks the package; a manifest that is refused stays as it was. True:
// the manifest was changed.
bool fill_and_check(const fs::path& folder, PackageManifest& package) {
  const fs::path file = folder / kManifestFile;
  const std::string before = disk::read_all(file, kLargestTomlFile);
  const std::string filled = filled_manifest(before, file);
  if (filled != before) disk::replace_file(folder, kManifestFile, filled);
  try {
    package = require_sound(folder);
  } catch (...) {
    if (filled != before) disk::replace_file(folder, kManifestFile, before);
    throw;
  }
  return filled != before;
}

void warn_of(const PackageManifest& package) {
  for (const Variant& variant : package.variants) {
    if (!variant.python.empty()) continue;
    try {
      const ElfLibrary library = read_elf_library(package.directory / variant.file);
      for (const std::string& remark : remarks_on(library, variant))
        spdlog::warn("{}: {}", variant.file.string(), remark);
    } catch (const Error& error) {  // of a machine unlike this one
      spdlog::warn("{}", error.what());
    }
  }
  if (const auto strangers = strangers_in(package); !strangers.empty())
    spdlog::warn("{} and {} more in '{}' are not named by the manifest and were left out",
                 printable(strangers.front().string()), strangers.size() - 1,
                 package.directory.string());
}

// What an installed package means for the configs of its user.
struct Effect {
  std::vector<std::string> not_taken;  // its plugins that they do not get, with the reason
  std::vector<std::string> hidden;     // other packages' plugins that they do not get any more
};

Effect effect_of(const CommandLine& line, const fs::path& directory) {
  Effect effect;
  bool seen = false;
  const Registry registry = scan_plugins(line);
  const std::string own = fmt::format("shadowed by {} ", (directory / kManifestFile).string());
  for (const FoundPlugin& found : registry.plugins()) {
    const std::string& id = found.plugin().id;
    std::error_code gone;
    if (fs::equivalent(found.package->directory, directory, gone)) {
      seen = true;
      if (!found.skipped.empty())
        effect.not_taken.push_back(fmt::format("{}: {}", id, found.skipped));
    } else if (found.skipped.find(own) != found.skipped.npos) {
      effect.hidden.push_back(
          fmt::format("{} of '{}' ({})", id, found.package->directory.string(), found.origin));
    }
  }
  if (!seen)
    effect.not_taken.push_back(fmt::format("'{}' is not looked at: WN_PLUGIN_PATH is set",
                                           directory.parent_path().string()));
  return effect;
}

std::string problems_text(const Verified& package) {
  std::string text;
  if (!package.broken.empty()) text += "  " + package.broken + "\n";
  for (const PackageFile& file : package.files)
    if (!file.problem.empty()) text += fmt::format("  {}: {}\n", file.file.string(), file.problem);
  for (const fs::path& file : package.strangers)
    text += fmt::format("  {}: is not named by the manifest\n", printable(file.string()));
  return text;
}

ordered_json to_json(const Verified& package) {
  ordered_json json = {{"id", package.id},
                       {"version", package.version},
                       {"directory", package.directory.string()},
                       {"good", package.good()},
                       {"files", ordered_json::array()},
                       {"others", ordered_json::array()}};
  if (!package.broken.empty()) json["reason"] = package.broken;
  for (const PackageFile& file : package.files)
    json["files"].push_back({{"file", file.file.string()}, {"problem", file.problem}});
  for (const fs::path& file : package.strangers) json["others"].push_back(file.string());
  return json;
}

// What its process will be given beyond the system's libraries and its own folder.
std::string wishes_of(const PackageManifest& package) {
  std::string text;
  if (package.network) text += "  its plugins may use the network\n";
  for (const std::string& folder : package.writes)
    text += fmt::format("  its plugins may write in '{}'{}\n", printable(folder),
                        fs::path(folder).is_absolute() ? "" : " of a cache folder of their own");
  return text;
}

}  // namespace

Answer plugins_pack_verb(const CommandLine& line) {
  const fs::path folder = package_folder(line.package);
  PackageManifest package;
  const bool changed = fill_and_check(folder, package);
  warn_of(package);
  const fs::path out = line.out.empty()
                           ? fs::path(fmt::format("{}-{}.tar.gz", package.id, package.version))
                           : line.out;
  const std::vector<fs::path> files = files_of(package);
  write_archive(folder, package.id, files, out);
  const std::string sha256 = sha256_hex_of_file(out);
  Answer answer;
  answer.text = fmt::format("{}: {} {}, {} files, {}, sha256 {}\n", out.string(), package.id,
                            package.version, files.size(), bytes_text(fs::file_size(out)), sha256);
  if (changed)
    answer.text += fmt::format("the hashes in '{}' were brought up to date\n",
                               (folder / kManifestFile).string());
  answer.json = {{"file", out.string()},          {"id", package.id},
                 {"version", package.version},    {"sha256", sha256},
                 {"size", fs::file_size(out)},    {"manifest_changed", changed},
                 {"files", ordered_json::array()}};
  for (const fs::path& file : files) answer.json["files"].push_back(file.string());
  return answer;
}

Answer plugins_install_verb(const CommandLine& line) {
  const Installed installed = install_package(line.package, user_folder(), line.force);
  const Effect effect = effect_of(line, installed.directory);
  for (const std::string& reason : effect.not_taken) spdlog::warn("not in use: {}", reason);
  for (const std::string& plugin : effect.hidden) spdlog::warn("it takes the place of {}", plugin);
  Answer answer;
  answer.text =
      fmt::format("{} {} {} '{}'{}\n", installed.id, installed.version,
                  installed.unchanged ? "was there already, whole, in" : "is installed in",
                  installed.directory.string(),
                  installed.before.empty() || installed.unchanged
                      ? ""
                      : fmt::format(" instead of {}", installed.before));
  const PackageManifest package = read_manifest(installed.directory / kManifestFile);
  answer.text += wishes_of(package);
  answer.json = {
      {"id", installed.id},
      {"version", installed.version},
      {"directory", installed.directory.string()},
      {"before", installed.before.empty() ? ordered_json() : ordered_json(installed.before)},
      {"unchanged", installed.unchanged},
      {"network", package.network},
      {"writes", package.writes},
      {"not_in_use", effect.not_taken},
      {"takes_the_place_of", effect.hidden}};
  return answer;
}

Answer plugins_remove_verb(const CommandLine& line) {
  const Removed removed = remove_package(line.id, user_folder());
  Answer answer;
  answer.text = fmt::format("{} {} is removed from '{}'\n", removed.id, removed.version,
                            removed.directory.parent_path().string());
  answer.json = {
      {"id", removed.id}, {"version", removed.version}, {"directory", removed.directory.string()}};
  return answer;
}

Answer plugins_verify_verb(const CommandLine& line) {
  const fs::path folder = user_folder();
  Answer answer;
  answer.json = {{"exit", 0}, {"folder", folder.string()}, {"packages", ordered_json::array()}};
  for (const Verified& package : verify_packages(line.id, folder)) {
    const std::string name = package.id.empty() ? package.directory.filename().string()
                                                : fmt::format("{} {}", package.id, package.version);
    answer.text +=
        fmt::format("{}: {}\n", name, package.good() ? "as its manifest says" : "differs") +
        problems_text(package);
    answer.json["packages"].push_back(to_json(package));
    if (!package.good()) answer.exit = Exit::kPlugin;
  }
  if (answer.text.empty()) answer.text = fmt::format("no packages in '{}'\n", folder.string());
  answer.json["exit"] = static_cast<int>(answer.exit);
  return answer;
}

Answer plugins_docs_verb(const CommandLine& line) {
  const Registry registry = scan_plugins(line);
  const std::string page = plugin_page(find_any_plugin(registry, line.id));
  return {Exit::kDone, page, {{"markdown", page}}};
}

}  // namespace winnow

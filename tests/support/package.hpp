// package.hpp: writes plugin packages for tests, good and bad ones.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "host/config.hpp"
#include "host/registry.hpp"
#include "host/sha256.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow::test {

struct Package {
  std::string id = "test.plugin";  // of the package and of its one plugin
  std::string kind = "verifier";
  std::string version = "1.0.0";
  std::string abi = "major = 1\nneeds_minor = 0\nbuilt_minor = 0\n";
  std::string plugin_keys = "";             // further lines of [[plugin]]
  std::string options = "";                 // [[plugin.option]] tables
  std::string library = "not an ELF file";  // bytes of plugin.so
  std::string variant_keys = "";            // further lines of [[variant]]
  std::string before_variant = "";          // further tables
};

inline std::string manifest_text(const Package& package) {
  return fmt::format(
      "file_format = \"1.0\"\n[package]\nid = \"{0}\"\nversion = \"{1}\"\nsummary = \"For a "
      "test.\"\n"
      "license = \"Apache-2.0\"\n[abi]\n{2}[[plugin]]\nid = \"{0}\"\nkind = \"{3}\"\n"
      "summary = \"For a test.\"\nprovides = [\"wn.{3}/1\"]\n{4}{5}{6}[[variant]]\n"
      "file = \"plugin.so\"\nsha256 = \"{7}\"\nsize = {8}\nos = \"linux\"\n{9}",
      package.id, package.version, package.abi, package.kind, package.plugin_keys, package.options,
      package.before_variant, sha256_hex(package.library), package.library.size(),
      package.variant_keys);
}

// Makes `folder` a package and returns it.
inline std::filesystem::path write_package(const std::filesystem::path& folder,
                                           const Package& package) {
  std::filesystem::create_directories(folder);
  write_bytes(folder / "plugin.so", package.library);
  write_bytes(folder / "winnow-plugin.toml", manifest_text(package));
  return folder;
}

// These options of the plugin, and its defaults for the others.
inline PluginUse use_of(const FoundPlugin& found, std::vector<OptionValue> options) {
  for (const OptionSpec& spec : found.plugin().options) {
    const auto same = [&](const OptionValue& option) { return option.key == spec.key; };
    if (spec.default_value && std::ranges::none_of(options, same))
      options.push_back({spec.key, spec.type, *spec.default_value});
  }
  std::ranges::sort(options, {}, &OptionValue::key);
  return {found.plugin().id, std::move(options)};
}

inline Registry scan(const std::vector<std::filesystem::path>& folders,
                     const HostFacts& facts = host_facts()) {
  SearchPath path;
  for (const auto& folder : folders) path.entries.push_back({folder, "test", false});
  return Registry::scan(path, facts);
}

}  // namespace winnow::test

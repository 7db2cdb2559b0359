// cli_inspect_package.cpp: the verb plugins inspect: what a package is, without running any of it.
#include <fmt/format.h>

#include "host/cli_verbs.hpp"
#include "host/elf_file.hpp"
#include "host/figures.hpp"
#include "host/isolation/python.hpp"
#include "host/library_file.hpp"
#include "host/package_files.hpp"
#include "host/sha256.hpp"
#include "host/text.hpp"
#include "host/unpacked.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

// "GLIBC 2.34, GLIBCXX 3.4.30"
std::string versions_text(const ElfLibrary& library) {
  std::vector<std::string> words;
  for (const auto& [family, version] : library.versions) words.push_back(family + " " + version);
  return fmt::format("{}", fmt::join(words, ", "));
}

ordered_json to_json(const ElfLibrary& library) {
  ordered_json json = {{"exports", library.exports},     {"needed", library.needed},
                       {"run_path", library.run_path},   {"versions", library.versions},
                       {"compilers", library.compilers}, {"static_tls", library.static_tls},
                       {"fast_math", library.fast_math}};
  return json;
}

class Inspection {
 public:
  // `shown`: where people know the package to be.
  Inspection(PackageManifest package, const fs::path& shown)
      : package_(std::move(package)), shown_(shown.string()) {
    text_ = fmt::format("{} {}: {}\n", package_.id, package_.version, package_.summary);
    json_ = {{"id", package_.id},
             {"version", package_.version},
             {"summary", package_.summary},
             {"license", package_.license},
             {"vendor", package_.vendor},
             {"url", package_.url},
             {"abi",
              {{"major", package_.abi_major},
               {"needs_minor", package_.needs_minor},
               {"built_minor", package_.built_minor}}},
             {"isolation", package_.isolation},
             {"network", package_.network},
             {"writes", package_.writes},
             {"directory", shown_}};
    json_["manifest"] = sha256_hex_of_file(package_.path);
  }

  Answer answer() {
    add_facts();
    add_files();
    for (const Variant& variant : package_.variants) add_library(variant);
    return {Exit::kDone, text_, json_};
  }

 private:
  void add_facts() {
    Rows rows = {
        {"  package", shown_},
        {"  manifest", json_["manifest"].get<std::string>()},
        {"  plugin ABI", fmt::format("{}.{} to {}.{}", package_.abi_major, package_.needs_minor,
                                     package_.abi_major, package_.built_minor)}};
    if (!package_.license.empty()) rows.push_back({"  license", package_.license});
    if (!package_.vendor.empty()) rows.push_back({"  vendor", package_.vendor});
    if (!package_.url.empty()) rows.push_back({"  url", package_.url});
    if (package_.network) rows.push_back({"  network", "yes"});
    if (!package_.writes.empty())
      rows.push_back({"  writes", fmt::format("{}", fmt::join(package_.writes, ", "))});
    json_["plugins"] = ordered_json::array();
    for (const PluginManifest& plugin : package_.plugins) {
      rows.push_back({"  " + to_string(plugin.kind), plugin.id});
      json_["plugins"].push_back({{"id", plugin.id},
                                  {"kind", to_string(plugin.kind)},
                                  {"provides", plugin.provides},
                                  {"requires", plugin.requires_host},
                                  {"claims", plugin.claims}});
    }
    text_ += table_text(rows);
  }

  void add_files() {
    Rows rows;
    json_["files"] = ordered_json::array();
    bool intact = true;
    for (const PackageFile& file : check_files(package_)) {
      rows.push_back({"  " + file.file.string(),
                      file.problem.empty() ? "sha256 as in the manifest" : file.problem});
      json_["files"].push_back({{"file", file.file.string()},
                                {"kind", file.library ? "library" : "data"},
                                {"sha256", file.sha256},
                                {"intact", file.problem.empty()},
                                {"problem", file.problem}});
      intact = intact && file.problem.empty();
    }
    json_["others"] = ordered_json::array();
    for (const fs::path& file : strangers_in(package_)) {
      rows.push_back({"  " + printable(file.string()), "not named by the manifest"});
      json_["others"].push_back(file.string());
    }
    json_["intact"] = intact;
    text_ += "\nfiles\n" + table_text(rows);
  }

  void add_library(const Variant& variant) {
    ordered_json json = {{"file", variant.file.string()}};
    const fs::path file = package_.directory / variant.file;
    Rows rows;
    const auto header = read_elf_header(file);
    if (!variant.python.empty()) {
      add_interpreter(variant, rows, json);
    } else if (!header) {
      rows.push_back({"  kind", "no ELF file"});
    } else {
      rows.push_back({"  built for", fmt::format("{}, {} bits{}", header->machine, header->bits,
                                                 header->shared_library ? "" : ", no library")});
      rows.push_back({"  size", bytes_text(fs::file_size(file))});
      json["machine"] = header->machine;
      json["bits"] = header->bits;
      json["size"] = fs::file_size(file);
      add_symbols(variant, rows, json);
    }
    json_["libraries"].push_back(json);
    text_ += fmt::format("\n{}\n", variant.file.string()) + table_text(rows);
  }

  void add_interpreter(const Variant& variant, Rows& rows, ordered_json& json) const {
    json["python"] = variant.python;
    rows.push_back({"  written in", "Python " + variant.python});
    rows.push_back({"  size", bytes_text(fs::file_size(package_.directory / variant.file))});
    try {
      json["interpreter"] = python_for(package_).string();
      rows.push_back({"  runs in", printable(json["interpreter"].get<std::string>())});
    } catch (const Error& error) {
      json["error"] = error.what();
      rows.push_back({"  note", printable(error.what())});
    }
  }

  void add_symbols(const Variant& variant, Rows& rows, ordered_json& json) const try {
    const ElfLibrary library = read_elf_library(package_.directory / variant.file);
    const auto add = [&rows](const char* name, const std::string& value) {
      if (!value.empty()) rows.push_back({std::string("  ") + name, printable(value)});
    };
    add("exports", fmt::format("{}", fmt::join(library.exports, ", ")));
    add("needs", fmt::format("{}", fmt::join(library.needed, ", ")));
    add("at least", versions_text(library));
    add("looks in", library.run_path);
    add("built by", fmt::format("{}", fmt::join(library.compilers, "; ")));
    const std::vector<std::string> remarks = remarks_on(library, variant);
    for (const std::string& remark : remarks) add("note", remark);
    json.update(to_json(library));
    json["notes"] = remarks;
  } catch (const Error& error) {
    rows.push_back({"  symbols", error.what()});
    json["error"] = error.what();
  }

  const PackageManifest package_;
  const std::string shown_;
  std::string text_;
  ordered_json json_;
};

bool is_path(const std::string& name) { return name.find('/') != name.npos || fs::exists(name); }

}  // namespace

Answer plugins_inspect_verb(const CommandLine& line) {
  if (!is_path(line.id)) {
    const Registry registry = scan_plugins(line);
    const PackageManifest& package = *find_any_plugin(registry, line.id).package;
    return Inspection(package, package.directory).answer();
  }
  const Unpacked package(line.id);
  return speaking_of(line.id, package.directory(), [&] {
    return Inspection(read_manifest(package.directory() / kManifestFile), line.id).answer();
  });
}

}  // namespace winnow

// code_trust.cpp: see code_trust.hpp.
#include "host/code_trust.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "host/disk.hpp"
#include "host/error.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLargestLock = 64u << 20;

// The value of an option of type str or path; empty: there is none.
std::string text_of(const PluginUse& use, const std::string& key) {
  const auto given = std::ranges::find(use.options, key, &OptionValue::key);
  const auto* text = given == use.options.end() ? nullptr : std::get_if<std::string>(&given->data);
  return text ? *text : "";
}

// Of that program when the run was made; empty: `run` is none, or names no such program.
std::string hash_in_run(const fs::path& run, const NamedCode& code) {
  if (!fs::exists(run / "lock.json")) return "";
  const auto lock = nlohmann::json::parse(disk::read_all(run / "lock.json", kLargestLock), nullptr,
                                          /*allow_exceptions=*/false);
  const auto files = lock.is_object() ? lock.value("files", nlohmann::json()) : nlohmann::json();
  const std::string file = code.path.string();
  const bool named = files.is_object() && files.contains(file) && files[file].is_string();
  return named ? files[file].get<std::string>() : "";
}

bool is_locked(const fs::path& folder, const NamedCode& code, const std::string& hash) {
  const std::string was = hash_in_run(folder, code);
  if (!was.empty() && was != hash)
    throw Error(Exit::kUsage,
                fmt::format("'{}' is not what the run in '{}' was made with: its sha256 is {}, "
                            "lock.json says {}; put that one back",
                            code.path.string(), folder.string(), hash, was));
  const fs::path file = folder / kLockFile;
  return was == hash ||
         (fs::exists(fs::symlink_status(file)) && read_code_lock(file).count(hash) != 0);
}

}  // namespace

std::string sha256_hex_of_code(const fs::path& path) {
  if (!fs::is_directory(path)) return sha256_hex_of_file(path);
  std::vector<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_symlink() || !(entry.is_directory() || entry.is_regular_file()))
      throw Error(Exit::kUsage,
                  fmt::format("'{}' is neither a file nor a folder", entry.path().string()));
    if (entry.is_regular_file())
      lines.push_back(entry.path().lexically_relative(path).generic_string());
  }
  std::ranges::sort(lines);
  std::string all;
  for (const std::string& name : lines)
    all += fmt::format("{}  {}\n", sha256_hex_of_file(path / name), name);
  return sha256_hex(all);
}

std::vector<NamedCode> code_of(const FoundPlugin& found, const PluginUse& use) {
  const auto claim = found.plugin().claims.find("code");
  if (claim == found.plugin().claims.end()) return {};
  const std::string path = text_of(use, claim->second);
  if (path.empty()) return {};
  return {{use.id, claim->second, path, text_of(use, "trust") == "full"}};
}

std::vector<NamedCode> code_of_config(const RunConfig& config, const Registry& registry) {
  std::vector<NamedCode> out;
  const auto add = [&](PluginKind kind, const PluginUse& use) {
    for (NamedCode& code : code_of(registry.find(kind, use.id), use))
      out.push_back(std::move(code));
  };
  add(PluginKind::kSampler, config.sampler);
  add(PluginKind::kSearch, config.search);
  for (const VerifierUse& verifier : config.verifiers) add(PluginKind::kVerifier, verifier.use);
  return out;
}

void require_trust(const fs::path& config_file, const std::vector<NamedCode>& named,
                   const std::string& words) {
  const fs::path folder = fs::absolute(config_file).parent_path();
  std::set<fs::path> seen;
  for (const NamedCode& code : named) {
    if (code.trusted || !fs::exists(code.path)) continue;  // what is not there the plugin refuses
    if (!seen.insert(code.path).second) continue;
    const std::string hash = sha256_hex_of_code(code.path);
    if (is_locked(folder, code, hash)) continue;
    throw Error(
        Exit::kPlugin,
        fmt::format("option {} of {} names a program, '{}', and nobody has allowed it: its sha256 "
                    "{} is not in '{}'. If you trust where it came from, allow exactly this one: "
                    "winnow plugins lock {}; or whatever lies there: trust = \"full\" beside the "
                    "option; isolate = \"plugin\" fences it in, too",
                    code.option, code.plugin, code.path.string(), hash,
                    (folder / kLockFile).string(), words));
  }
}

}  // namespace winnow

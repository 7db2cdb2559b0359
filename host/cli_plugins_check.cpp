// cli_plugins_check.cpp: the verb that tests a package of plugins, and the page about its tests.
#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <random>

#include "host/cli_verbs.hpp"
#include "host/text.hpp"
#include "host/validator/report.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using validator::Outcome;

std::vector<std::int64_t> shape_of(const std::string& text) {
  std::vector<std::int64_t> shape;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    std::int64_t extent = 0;
    const auto [stopped, failed] = std::from_chars(at, end, extent);
    if (failed != std::errc() || extent < 1 || extent > 1 << 14 ||
        (stopped != end && *stopped != 'x'))
      break;
    shape.push_back(extent);
    if (stopped == end && shape.size() == 3) return shape;
    at = stopped + 1;
  }
  throw Error(Exit::kUsage,
              fmt::format("--shape is '{}', expected channels, height and width: 3x64x64", text));
}

// The manifest behind a folder, a file, or the id of an installed plugin, which goes to `plugin`.
fs::path manifest_of(const CommandLine& line, std::string& plugin) {
  constexpr const char* kName = "winnow-plugin.toml";
  const fs::path path = line.id;
  if (fs::is_regular_file(path)) {
    if (path.filename() == kName) return fs::absolute(path);
    throw Error(Exit::kUsage,
                fmt::format("{} is no {}; give the folder of the package", path.string(), kName));
  }
  if (fs::is_directory(path)) {
    if (fs::is_regular_file(path / kName)) return fs::absolute(path / kName);
    throw Error(Exit::kUsage,
                fmt::format("{} has no {}, so it is no package", path.string(), kName));
  }
  std::vector<std::string> ids;
  const Registry registry = scan_plugins(line);
  for (const FoundPlugin& found : registry.plugins()) {
    ids.push_back(found.plugin().id);
    if (ids.back() != line.id) continue;
    plugin = line.id;
    return found.package->path;
  }
  const std::string near = did_you_mean(line.id, ids);
  throw Error(Exit::kUsage, fmt::format("'{}' is neither a folder nor an installed plugin{}{}",
                                        line.id, near.empty() ? "" : "; ", near));
}

void write_junit(const fs::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text << std::flush;
  if (!out) throw Error(Exit::kUsage, fmt::format("{} cannot be written", file.string()));
}

}  // namespace

Answer plugins_check_verb(const CommandLine& line,
                          const std::function<void(const std::string&)>& print) {
  const PluginCheck& check = line.plugin_check;
  if (check.list) {
    Answer answer;
    answer.text = validator::tests_text();
    for (const validator::Test& test : validator::all_tests())
      answer.json["tests"].push_back(
          {{"name", test.name}, {"level", test.level}, {"help", test.help}});
    return answer;
  }
  if (line.id.empty())
    throw Error(Exit::kUsage, "which package? give its folder, or the id of an installed plugin");
  const std::size_t colon = line.only.find(':');  // "winnow.sit:sampler-path"
  validator::Wanted wanted{.level = check.level,
                           .only = line.only.substr(colon == line.only.npos ? 0 : colon + 1),
                           .options = line.overrides,
                           .prompt = check.prompt,
                           .seconds = check.seconds,
                           .in_process = check.in_process};
  wanted.seed = check.seed ? *check.seed : std::random_device{}();
  if (!check.shape.empty()) wanted.shape = shape_of(check.shape);
  const fs::path manifest = manifest_of(line, wanted.plugin);
  if (colon != line.only.npos) wanted.plugin = line.only.substr(0, colon);
  Answer answer;
  const validator::Report report =
      validator::validate(manifest, wanted, [&](const validator::Result& result) {
        const bool plain = result.verdict.outcome == Outcome::kPassed ||
                           result.verdict.outcome == Outcome::kSkipped;
        if ((!plain || line.verbose || !line.only.empty()) && !line.json)
          print(validator::result_text(result));
      });
  answer.text = validator::summary_text(report);
  answer.json = validator::report_json(report);
  if (!check.junit.empty()) write_junit(check.junit, validator::junit_text(report));
  if (report.count(Outcome::kFailed) > 0) answer.exit = Exit::kPlugin;
  answer.json["exit"] = static_cast<int>(answer.exit);
  return answer;
}

Answer docs_check_verb() {
  const std::string page = validator::tests_page();
  return {Exit::kDone, page, {{"markdown", page}}};
}

}  // namespace winnow

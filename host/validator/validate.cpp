// validate.cpp: see validate.hpp.
#include "host/validator/validate.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "host/config_merge.hpp"
#include "host/disk.hpp"
#include "host/text.hpp"
#include "host/validator/bench.hpp"

namespace winnow::validator {
namespace {

constexpr const char* kFirstTest = "manifest-parses";

// For what tests write: a test may be killed, its folder would stay.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = std::filesystem::temp_directory_path() / "winnow-check-XXXXXX";
    if (!::mkdtemp(name.data()))
      throw disk::failure("write", std::filesystem::temp_directory_path(), errno);
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

unsigned kind_of(PluginKind kind) {
  switch (kind) {
    case PluginKind::kSampler:
      return kSampler;
    case PluginKind::kVerifier:
      return kVerifier;
    case PluginKind::kSearch:
      return kSearch;
  }
  return 0;
}

std::vector<Test> chosen_tests(const Wanted& wanted) {
  std::vector<Test> all = all_tests();
  if (wanted.only.empty()) {
    std::erase_if(all, [&](const Test& test) { return test.level > wanted.level; });
    return all;
  }
  std::vector<std::string> names;
  for (const Test& test : all) names.push_back(test.name);
  std::erase_if(all, [&](const Test& test) { return test.name != wanted.only; });
  if (!all.empty()) return all;
  const std::string near = did_you_mean(wanted.only, names);
  throw Error(Exit::kUsage,
              fmt::format("no test '{}'; {}", wanted.only, near.empty() ? "see --list" : near));
}

// One per plugin, in the order of the manifest; one without `found` when it cannot be read.
std::vector<Subject> subjects_of(const std::filesystem::path& manifest, const Wanted& wanted,
                                 const std::filesystem::path& scratch) {
  SearchPath path;
  path.entries.push_back({manifest.parent_path(), "check", false});
  const Registry registry = Registry::scan(path, host_facts());
  Subject subject{.manifest = manifest,
                  .shape = wanted.shape,
                  .prompt = wanted.prompt,
                  .scratch = scratch,
                  .seed = wanted.seed};
  std::vector<Subject> all;
  std::vector<std::string> ids;
  for (const FoundPlugin& found : registry.plugins()) {
    ids.push_back(found.plugin().id);
    if (!wanted.plugin.empty() && found.plugin().id != wanted.plugin) continue;
    subject.found = found;
    all.push_back(subject);
  }
  if (all.empty() && !ids.empty())
    throw Error(Exit::kUsage, fmt::format("{} has no plugin '{}'; it has {}", manifest.string(),
                                          wanted.plugin, list_of(ids)));
  if (all.empty()) {
    subject.found.reset();
    subject.unreadable = registry.broken().empty() ? "there is no package in its folder"
                                                   : registry.broken().front().reason;
    all.push_back(subject);
  }
  return all;
}

toml::table options_table(const Wanted& wanted) {
  Diagnostics diagnostics;
  toml::table table = overrides_table(wanted.options, diagnostics);
  diagnostics.throw_if_any();
  return table;
}

// Options go to every plugin that declares their key; some must.
void give_options(std::vector<Subject>& subjects, const Wanted& wanted) {
  std::set<std::string> declared;
  for (const Subject& subject : subjects)
    for (const OptionSpec& spec : subject.found->plugin().options) declared.insert(spec.key);
  for (Subject& subject : subjects) {
    const PluginManifest& plugin = subject.found->plugin();
    Wanted mine = wanted;
    std::erase_if(mine.options, [&](const std::string& option) {
      const std::string key = option.substr(0, option.find('='));
      const auto has = [&](const OptionSpec& spec) { return spec.key == key; };
      return declared.contains(key) && std::ranges::none_of(plugin.options, has);
    });
    Diagnostics diagnostics;
    subject.options =
        check_options(options_table(mine), {}, plugin.options, plugin.id, diagnostics);
    diagnostics.throw_if_any();
  }
}

class Validation {
 public:
  Validation(const Wanted& wanted, const std::function<void(const Result&)>& on_result,
             Report& report)
      : wanted_(wanted), on_result_(on_result), report_(report) {}

  void run(const Subject& subject, const Test& test, const std::string& name) {
    Result result{name, test, {}};
    if (const std::string* failed = what_failed(subject, test)) {
      result.because = *failed;
      result.verdict = {Outcome::kSkipped, fmt::format("`{}` failed", *failed)};
      return done(std::move(result));
    }
    const auto body = [&] {
      Bench bench(subject, test, stage_);
      test.run(bench);
      return bench.verdict();
    };
    if (!subject.found && test.name != std::string_view(kFirstTest))
      result.verdict = {Outcome::kSkipped, "the manifest cannot be read"};
    else if (wanted_.in_process)
      result.verdict = verdict_of(body);
    else
      result.verdict = run_apart(body, stage_, wanted_.seconds);
    if (result.verdict.outcome == Outcome::kFailed && proved_by(test) != Needs::kNothing)
      failed_[key(subject, proved_by(test))].emplace(proved_by(test), test.name);
    done(std::move(result));
  }

 private:
  // What the library lacks, all plugins lack.
  static std::string key(const Subject& subject, Needs needs) {
    return needs == Needs::kLibrary ? "" : subject.found->plugin().id;
  }

  // The test that failed and without which this one would fail the same way; null: none.
  const std::string* what_failed(const Subject& subject, const Test& test) const {
    if (!subject.found) return nullptr;
    for (const std::string& whose : {std::string(), subject.found->plugin().id}) {
      const auto failed = failed_.find(whose);
      if (failed != failed_.end() && failed->second.begin()->first <= test.needs)
        return &failed->second.begin()->second;
    }
    return nullptr;
  }

  void done(Result result) {
    on_result_(result);
    report_.results.push_back(std::move(result));
  }

  const Wanted& wanted_;
  const std::function<void(const Result&)>& on_result_;
  Report& report_;
  Stage stage_;
  std::map<std::string, std::map<Needs, std::string>> failed_;  // by plugin; "": by the library
};

}  // namespace

std::size_t Report::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count_if(
      results, [&](const Result& result) { return result.verdict.outcome == outcome; }));
}

Report validate(const std::filesystem::path& manifest, const Wanted& wanted,
                const std::function<void(const Result&)>& on_result) {
  const std::vector<Test> tests = chosen_tests(wanted);
  const ScratchFolder scratch;
  std::vector<Subject> subjects = subjects_of(manifest, wanted, scratch.path());
  Report report{.manifest = manifest.string(), .level = wanted.level, .seed = wanted.seed};
  const bool readable = subjects.front().found.has_value();
  const bool makes_instances =
      std::ranges::any_of(tests, [](const Test& test) { return test.on != kPackage; });
  if (readable && makes_instances) give_options(subjects, wanted);
  if (readable) {
    report.package = subjects.front().found->package->id;
    report.version = subjects.front().found->package->version;
  }
  Validation validation(wanted, on_result, report);
  for (const Test& test : tests)
    if (test.on & kPackage) validation.run(subjects.front(), test, "package");
  // LibTorch takes a second to load. Once a test has loaded it, all further ones inherit it.
  const bool loaded = std::ranges::any_of(report.results, [](const Result& result) {
    return result.test.name == std::string_view("loads") &&
           result.verdict.outcome == Outcome::kPassed;
  });
  if (loaded && subjects.front().found->variant().python.empty())
    load_needed_libraries(subjects.front().found->library());
  // Those on which others depend come first.
  std::vector<Test> in_turn = tests;
  std::ranges::stable_partition(
      in_turn, [](const Test& test) { return proved_by(test) != Needs::kNothing; });
  for (const Subject& subject : subjects)
    for (const Test& test : in_turn)
      if (subject.found && (test.on & kind_of(subject.found->plugin().kind)))
        validation.run(subject, test, subject.found->plugin().id);
  return report;
}

}  // namespace winnow::validator

// report.cpp: see report.hpp.
#include "host/validator/report.hpp"

#include <algorithm>
#include <map>

#include "host/figures.hpp"
#include "host/text.hpp"

namespace winnow::validator {
namespace {

constexpr const char* kHead = R"(# winnow plugins check

<!-- Generated from the table of tests by `winnow docs check`. Do not edit. -->

    winnow plugins check PATH|ID [OPTION=VALUE ...] [--level N] [--only TEST] [--reproduce SEED]

tests a package of plugins against the plugin ABI. PATH is the package's folder or its `winnow-plugin.toml`; ID is an
installed plugin. Options that a plugin needs are given as in a config: `weights=model.safetensors`.

Each test runs in a process of its own with a time limit (`--timeout`, 120 seconds), so a crash, an exit and a hang are
results like others. A test is passed, warned, skipped (with the reason) or failed (with what was found and what was
expected); what is warned or failed is printed at once. When the library does not load, `create` fails, or the plugin cannot do
what its kind is for (`scores-finite`, `search-ends`, `sampler-path`, which come first), the tests that need that are skipped:
they would only say it again. The exit code is 0 when none failed, 3 when one did, and 2 for a mistake on the command line.

- `--level N` runs the tests up to that level: 1 is what every host refuses, 5 (the default) what a package needs to be shipped,
  10 everything. `--list` shows all.
- `--only TEST` runs one test, `--only ID:TEST` on one plugin of the package. Inputs are random: the seed is printed, and
  `--reproduce SEED` takes it again.
- `--shape CxHxW` says of which pictures a verifier is given; else the first usual ones that it takes.
- `--prompt TEXT` says what verifiers and samplers are asked for, where they know few words; else nothing, a red apple
  on a table, or a red circle.
- `--json` prints one object, `--junit FILE` writes a file for CI.
- What is written in Python is tested as it runs, in a process of its own; tests of libraries are skipped.
- `--in-process` runs the tests in winnow's own process, one after the other, for a debugger,
  as long as they take.
)";

struct Group {
  const char* title;
  Tests tests;
};

std::vector<Group> groups() {
  return {{"The package's files (nothing is loaded)", file_tests()},
          {"The library", library_tests()},
          {"Instances of any kind", lifetime_tests()},
          {"Options", option_tests()},
          {"What is left in the process", process_tests()},
          {"Verifiers", verifier_tests()},
          {"Claims and optional interfaces of verifiers", verifier_claims()},
          {"Searches", search_tests()},
          {"Samplers", sampler_tests()},
          {"Claims and optional interfaces of samplers", sampler_claims()}};
}

std::string xml(std::string_view text) {
  std::string out;
  for (const char c : printable_lines(text)) {
    if (c == '\n')
      out += "&#10;";  // as it is, it would be a space in an attribute
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

// Behind the words of each result.
std::string indented(std::string_view text) {
  std::string out(9, ' ');
  for (const char c : printable_lines(text)) {
    out += c;
    if (c == '\n') out.append(9, ' ');
  }
  return out + '\n';
}

// How many tests could not be made, by the plugin and the test that failed.
std::string not_made_text(const Report& report) {
  std::map<std::pair<std::string, std::string>, std::size_t> counts;
  for (const Result& result : report.results)
    if (!result.because.empty()) ++counts[{result.subject, result.because}];
  std::string text;
  for (const auto& [what, count] : counts)
    text += fmt::format("{}: {} test{} skipped, since `{}` failed\n", what.first, count,
                        count == 1 ? " was" : "s were", what.second);
  return text;
}

std::string junit_case(const Result& result) {
  std::string text = fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">",
                                 xml(result.subject), result.test.name, result.verdict.seconds);
  const std::string why = xml(result.verdict.text);
  if (result.verdict.outcome == Outcome::kFailed)
    text += fmt::format("<failure message=\"{}\">{}</failure>", why, xml(result.verdict.output));
  else if (result.verdict.outcome == Outcome::kSkipped)
    text += fmt::format("<skipped message=\"{}\"/>", why);
  else if (!why.empty())
    text += fmt::format("<system-out>{}: {}</system-out>", to_string(result.verdict.outcome), why);
  return text + "</testcase>\n";
}

}  // namespace

std::string result_text(const Result& result) {
  const Verdict& verdict = result.verdict;
  std::string text = fmt::format("{:<8} {}: {:<24} {}\n", to_string(verdict.outcome),
                                 result.subject, result.test.name, duration_text(verdict.seconds));
  if (!verdict.text.empty()) text += indented(verdict.text);
  if (verdict.outcome == Outcome::kFailed && !verdict.output.empty())
    text += indented("it printed: " + verdict.output.substr(0, 300));
  return text;
}

std::string summary_text(const Report& report) {
  std::string text = not_made_text(report);
  text += fmt::format("{} {}: {} passed, {} warned, {} skipped, {} failed (level {}, seed {})\n",
                      report.package.empty() ? report.manifest : report.package, report.version,
                      report.count(Outcome::kPassed), report.count(Outcome::kWarned),
                      report.count(Outcome::kSkipped), report.count(Outcome::kFailed), report.level,
                      report.seed);
  for (const Result& result : report.results)
    if (result.verdict.outcome == Outcome::kFailed)
      text += fmt::format("that again: --only {}{} --reproduce {}\n",
                          result.test.on == kPackage ? "" : result.subject + ":", result.test.name,
                          report.seed);
  return text;
}

nlohmann::ordered_json report_json(const Report& report) {
  nlohmann::ordered_json json = {{"manifest", report.manifest},
                                 {"package", report.package},
                                 {"version", report.version},
                                 {"level", report.level},
                                 {"seed", report.seed}};
  for (const Outcome outcome :
       {Outcome::kPassed, Outcome::kWarned, Outcome::kSkipped, Outcome::kFailed})
    json[to_string(outcome)] = report.count(outcome);
  json["results"] = nlohmann::ordered_json::array();
  for (const Result& result : report.results)
    json["results"].push_back({{"subject", result.subject},
                               {"test", result.test.name},
                               {"level", result.test.level},
                               {"outcome", to_string(result.verdict.outcome)},
                               {"text", result.verdict.text},
                               {"output", result.verdict.output},
                               {"seconds", result.verdict.seconds}});
  return json;
}

std::string junit_text(const Report& report) {
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (auto first = report.results.begin(); first != report.results.end();) {
    const auto last = std::find_if(first, report.results.end(), [&](const Result& result) {
      return result.subject != first->subject;
    });
    const auto count = [&](Outcome outcome) {
      return std::count_if(first, last,
                           [&](const Result& result) { return result.verdict.outcome == outcome; });
    };
    text += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
                        xml(report.package + ": " + first->subject), last - first,
                        count(Outcome::kFailed), count(Outcome::kSkipped));
    for (; first != last; ++first) text += junit_case(*first);
    text += "  </testsuite>\n";
  }
  return text + "</testsuites>\n";
}

std::string tests_text() {
  std::vector<std::vector<std::string>> rows;
  for (const Test& test : all_tests())
    rows.push_back({test.name, fmt::format("{}", test.level), test.help});
  return table_text(rows);
}

std::string tests_page() {
  std::string text = fmt::format("{}\nThere are {} tests.\n", kHead, all_tests().size());
  for (const Group& group : groups()) {
    text += fmt::format("\n## {}\n\n| test | level | what holds when it passes |\n|---|---|---|\n",
                        group.title);
    for (const Test& test : group.tests)
      text += fmt::format("| `{}` | {} | {} |\n", test.name, test.level, test.help);
  }
  return text;
}

}  // namespace winnow::validator

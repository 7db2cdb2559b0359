// cli_test.cpp: the words of a command line, and the texts that answer them.
#include "host/cli.hpp"

#include <sstream>

#include "host/cli_parser.hpp"
#include "host/cli_verbs.hpp"
#include "host/console.hpp"
#include "tests/support/catch.hpp"

using namespace winnow;
using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

namespace {

std::string refusal(const Words& words) {
  try {
    parse_command_line(words);
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kUsage);
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("run takes a config, overrides and flags in any order", "[cli]") {
  const CommandLine line =
      parse_command_line({"run", "--plugin", "a", "c.toml", "search.candidates=64", "--out=runs/x",
                          "budget.nfe=100", "--plugin", "b", "--progress", "none", "-vv"});
  CHECK(line.verb == Verb::kRun);
  CHECK(line.config == "c.toml");
  CHECK(line.overrides == Words{"search.candidates=64", "budget.nfe=100"});
  CHECK(line.plugins == std::vector<std::filesystem::path>{"a", "b"});
  CHECK(line.out == "runs/x");
  CHECK(line.progress == "none");
  CHECK(line.verbose == 2);
  CHECK_FALSE(line.json);
}

TEST_CASE("overrides that hold lists stay whole", "[cli]") {
  CHECK(parse_command_line({"check", "c.toml", "tasks.classes=[1,2,3]"}).overrides ==
        Words{"tasks.classes=[1,2,3]"});
}

TEST_CASE("a config may be called like a verb", "[cli]") {
  const CommandLine line = parse_command_line({"run", "plan", "--json"});
  CHECK(line.verb == Verb::kRun);
  CHECK(line.config == "plan");
  CHECK(line.json);
}

TEST_CASE("every verb is understood", "[cli]") {
  CHECK(parse_command_line({"plan", "c", "--no-measure"}).measure == false);
  CHECK(parse_command_line({"plan", "c"}).measure == true);
  CHECK(parse_command_line({"check", "c", "--load"}).load);
  CHECK(parse_command_line({"show", "r", "17", "--task", "3"}).task == 3);
  CHECK(parse_command_line({"show", "r"}).candidate == "best");
  CHECK(parse_command_line({"status", "r"}).directory == "r");
  CHECK(parse_command_line({"plugins", "list", "--kind", "sampler"}).kind == "sampler");
  CHECK(parse_command_line({"plugins", "info", "x"}).verb == Verb::kPluginsInfo);
  CHECK(parse_command_line({"docs", "configuration"}).verb == Verb::kDocsConfiguration);
  CHECK(parse_command_line({"--version"}).verb == Verb::kVersion);
}

TEST_CASE("misspelt verbs and flags are refused with the nearest one", "[cli]") {
  CHECK_THAT(refusal({"rn", "c.toml"}), Contains("unknown verb 'rn'; did you mean 'run'?"));
  CHECK_THAT(refusal({"plugins", "lst"}), Contains("unknown verb 'lst'; did you mean 'list'?"));
  CHECK_THAT(refusal({"staus", "x", "--json"}), Contains("did you mean 'status'?"));
  CHECK_THAT(refusal({"run", "c.toml", "--outt", "x"}),
             Contains("winnow run: unknown flag '--outt'; did you mean '--out'?"));
  CHECK_THAT(refusal({"run", "c.toml", "--pluign=x"}), Contains("did you mean '--plugin'?"));
  CHECK_THAT(refusal({"--jsn", "run", "c.toml"}), Contains("did you mean '--json'?"));
  CHECK_THAT(refusal({"run", "c.toml", "--progress", "pain"}), Contains("did you mean 'plain'?"));
  CHECK_THAT(refusal({"plugins", "list", "--kind", "smapler"}),
             Contains("did you mean 'sampler'?"));
}

TEST_CASE("what is missing or too much is said with the way to the help", "[cli]") {
  CHECK_THAT(refusal({"run"}), Contains("CONFIG") && Contains("see winnow run --help"));
  CHECK_THAT(refusal({"status", "a", "b"}), Contains("unexpected argument 'b'"));
  CHECK_THAT(refusal({}), Contains("'run'") && Contains("'status'"));
  CHECK_THAT(refusal({"plugins"}), Contains("'list'"));
  CHECK_THAT(refusal({"zebra"}), Contains("there are 'run'"));
  CHECK_THAT(refusal({"show", "r", "--task", "-1"}), Contains("--task"));
}

TEST_CASE("help is of the verb that was named", "[cli]") {
  CHECK_THAT(parse_command_line({"--help"}).help, Contains("Exit codes") && Contains("status"));
  CHECK_THAT(parse_command_line({"run", "--help"}).help, Contains("--out DIR"));
  CHECK_THAT(parse_command_line({"plugins", "list", "-h"}).help, Contains("--why"));
}

TEST_CASE("candidates are named by number, by best, and with their task", "[cli]") {
  const auto is = [](const CandidateName& name, std::uint64_t task, std::uint64_t candidate) {
    return name.task == task && name.candidate == candidate;
  };
  CHECK(is(parse_candidate("best", 0), 0, 0));
  CHECK(is(parse_candidate("17", 2), 2, 17));
  CHECK(is(parse_candidate("3/17", 0), 3, 17));
  CHECK(is(parse_candidate("3/best", 0), 3, 0));
  for (const char* bad : {"", "0", "x", "-1", "3/", "/4", "1/2/3", "17 ", "99999999999999999999"})
    CHECK_THROWS_AS(parse_candidate(bad, 0), Error);
}

TEST_CASE("mean scores count only tasks that have both", "[cli]") {
  const auto summary = nlohmann::ordered_json::parse(R"({"tasks": [
    {"scores": {"a": 3, "b": 1}, "first": {"scores": {"a": 1}}},
    {"scores": {"a": 5}, "first": {"scores": {"a": 2}}},
    {"error": "x"}]})");
  CHECK(mean_scores(summary, "a").first == Approx(1.5));
  CHECK(mean_scores(summary, "a").best == Approx(4));
  CHECK(mean_scores(summary, "a").scored == 2);
  CHECK(mean_scores(summary, "a").chosen == 2);
  CHECK(std::isnan(mean_scores(summary, "c").best));
}

TEST_CASE("mean scores without a first sample are those of the chosen ones", "[cli]") {
  const auto summary = nlohmann::ordered_json::parse(R"({"tasks": [
    {"scores": {"a": 3, "b": 1}, "first": {"scores": {"a": 1}}}, {"scores": {"a": 5}}]})");
  CHECK(mean_scores(summary, "a").first == Approx(1));
  CHECK(mean_scores(summary, "a").best == Approx(3));
  CHECK(std::isnan(mean_scores(summary, "b").first));
  CHECK(mean_scores(summary, "b").best == Approx(1));
  CHECK(mean_scores(summary, "b").scored == 1);  // of two: the table says so
}

TEST_CASE("the end of a run says costs, gains, failures and where the files lie", "[cli]") {
  RunConfig config;
  config.name = "toy";
  config.tasks.resize(2);
  config.verifiers = {{{"winnow.a", {}}, "a", 1, VerifierRole::kSelect},
                      {{"winnow.b", {}}, "b", 1, VerifierRole::kReport}};
  RunOutcome outcome;
  outcome.summary = nlohmann::ordered_json::parse(R"({
    "ledger": {"search_nfe": 31000, "final_nfe": 50, "candidates": 1240},
    "tasks": [{"task": 0, "sample": "s.png", "scores": {"a": 0.5, "b": 2}, "first": {"scores": {"a": 0.2, "b": 3}}},
              {"task": 1, "error": "all 3 candidates failed"}]})");
  outcome.effort = {{"recomputed_nfe", 7.0}, {"seconds", 12.0}};
  const std::string text = run_text(config, "runs/toy", outcome);
  CHECK_THAT(text, Contains("31,000") && Contains("1,240") && Contains("12s") &&
                       Contains("made again") && Contains("7 NFE"));
  CHECK_THAT(text,
             Contains("0.200  0.500  +0.300  select") && Contains("3.000  2.000  -1.000  report"));
  CHECK_THAT(text, Contains("runs/toy/gallery.png") && Contains("runs/toy/summary.json"));
  outcome.was_finished = true;
  const std::string again = run_text(config, "runs/toy", outcome);
  CHECK_THAT(again,
             Catch::Matchers::StartsWith("runs/toy was finished before; nothing was done\n"));
  CHECK_THAT(again, Contains("+0.300  select") && Contains("runs/toy/gallery.png"));
}

TEST_CASE("errors under --json are one object with the exit code that is returned", "[cli]") {
  std::ostringstream out, err;
  const int exit = run_cli({"run", "no-such-file.toml", "--json"}, {}, out, err);
  const auto json = nlohmann::json::parse(out.str());
  CHECK(exit == 2);
  CHECK(json["error"]["exit"] == exit);
  CHECK_THAT(json["error"]["message"].get<std::string>(), Contains("no-such-file.toml"));
  CHECK_THAT(err.str(), Contains("error: "));
}

TEST_CASE("a result that cannot be written is an error", "[cli]") {
  std::ostringstream err;
  std::ostream broken(nullptr);
  CHECK(run_cli({"--version"}, {}, broken, err) == 6);
  CHECK_THAT(err.str(), Contains("cannot write the result"));
}

TEST_CASE("error texts carry no control characters to the terminal", "[cli]") {
  CHECK(error_text("a\x1b[31m\nb\a", false) == "error: a?[31m\nb?\n");
  CHECK(error_text("error: once", false) == "error: once\n");
  CHECK_THAT(error_text("x", true), Contains("\x1b[1;31merror: \x1b[0mx"));
}

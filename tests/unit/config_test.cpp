// config_test.cpp: run configs that are right: what they mean, how they are mixed, written and
// compared.
#include "host/config.hpp"

#include <fmt/format.h>

#include "host/config_merge.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_packages.hpp"

using namespace winnow;
using test::write_bytes;

namespace {

constexpr const char* kSmall = R"([tasks]
classes = [4]
[sampler]
plugin = "toy.sit"
weights = "w.safetensors"
[[verifier]]
plugin = "toy.brightness"
[search]
plugin = "toy.random"
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("not in the text: " + from);
  return text.replace(at, from.size(), to);
}

// A folder with the toy plugins and the files of one test.
struct Workbench {
  test::TemporaryFolder folder;
  Registry registry = test::toy_registry(folder / "plugins");

  RunConfig load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    write_bytes(folder / "run.toml", text);
    return load_config(folder / "run.toml", overrides, registry);
  }

  // The exit code and text of a refusal.
  std::pair<Exit, std::string> refusal(const std::string& text,
                                       const std::vector<std::string>& overrides = {}) {
    try {
      load(text, overrides);
    } catch (const Error& error) {
      return {error.exit(), error.what()};
    }
    FAIL("the config was taken");
    return {Exit::kDone, ""};
  }
};

OptionData option(const PluginUse& use, const std::string& key) {
  for (const OptionValue& value : use.options) {
    if (value.key == key) return value.data;
  }
  throw std::runtime_error("no option " + key);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a whole config is read into plain structs", "[config]") {
  Workbench bench;
  const RunConfig config = bench.load(test::toy_config());
  CHECK(config.name == "trial");
  CHECK(config.seed == 7);
  CHECK(config.budget.nfe == 2000u);
  CHECK(config.budget.candidates == 16u);
  CHECK(config.budget.seconds == 60.0);
  std::vector<std::int64_t> classes;
  for (const TaskSpec& task : config.tasks) classes.push_back(task.class_id);
  CHECK(classes == std::vector<std::int64_t>{0, 3, 9, 0, 3, 9});
  CHECK(config.sampler.id == "toy.sit");
  CHECK(option(config.sampler, "steps") == OptionData(std::int64_t{13}));
  CHECK(option(config.sampler, "solver") == OptionData(std::string("heun")));
  CHECK(option(config.sampler, "weights") ==
        OptionData((bench.folder / "model.safetensors").string()));
  REQUIRE(config.verifiers.size() == 2);
  CHECK(config.verifiers[0].name == "brightness");
  CHECK(config.verifiers[0].weight == 2.0);
  CHECK(config.verifiers[0].role == VerifierRole::kSelect);
  CHECK(option(config.verifiers[0].use, "target") == OptionData(0.25));
  CHECK(config.verifiers[1].name == "judge");
  CHECK(config.verifiers[1].role == VerifierRole::kReport);
  CHECK(config.rule == SelectionRule::kSingle);
  CHECK(option(config.search, "candidates") == OptionData(std::int64_t{64}));
  CHECK(option(config.search, "restart.patience") == OptionData(std::int64_t{5}));
  CHECK(config.keep == Keep::kBest);
  CHECK(config.output_dir == bench.folder / "runs/trial");
  CHECK(config.execution.batch == 16);
  CHECK(config.execution.cache_bytes == 64u << 20);
}

TEST_CASE("a small config has the defaults of the structs", "[config]") {
  Workbench bench;
  const RunConfig config = bench.load(kSmall);
  const RunConfig fresh;
  CHECK(config.name == fresh.name);
  CHECK(config.seed == fresh.seed);
  CHECK(config.deterministic == fresh.deterministic);
  CHECK_FALSE(config.budget.nfe.has_value());
  CHECK_FALSE(config.budget.candidates.has_value());
  CHECK_FALSE(config.budget.seconds.has_value());
  CHECK(config.rule == fresh.rule);
  CHECK(config.keep == fresh.keep);
  CHECK(config.output_dir.empty());
  CHECK(config.execution.batch == fresh.execution.batch);
  CHECK(config.execution.cache_bytes == fresh.execution.cache_bytes);
  CHECK(config.verifiers.at(0).weight == VerifierUse().weight);
}

TEST_CASE("an including file wins over its includes, and a later include over an earlier",
          "[config]") {
  Workbench bench;
  std::filesystem::create_directories(bench.folder / "parts");
  write_bytes(bench.folder / "parts/base.toml", kSmall);
  write_bytes(bench.folder / "parts/more.toml",
              "include = [\"base.toml\"]\n[run]\nname = \"more\"\nseed = 1\n"
              "[sampler]\nsteps = 3\n[budget]\nnfe = 5\n");
  write_bytes(bench.folder / "last.toml", "[run]\nseed = 2\n");
  const RunConfig config =
      bench.load("include = [\"parts/more.toml\", \"last.toml\"]\n[budget]\ncandidates = 9\n");
  CHECK(config.name == "more");
  CHECK(config.seed == 2);
  CHECK(config.budget.nfe == 5u);
  CHECK(config.budget.candidates == 9u);
  CHECK(option(config.sampler, "steps") == OptionData(std::int64_t{3}));
  // Paths stay with the file that holds them.
  CHECK(option(config.sampler, "weights") ==
        OptionData((bench.folder / "parts/w.safetensors").string()));
}

TEST_CASE("a list of verifiers replaces the included one entirely", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "base.toml", test::toy_config());
  const RunConfig config =
      bench.load("include = [\"base.toml\"]\n[[verifier]]\nplugin = \"toy.sharpness\"\n");
  REQUIRE(config.verifiers.size() == 1);
  CHECK(config.verifiers[0].use.id == "toy.sharpness");
}

TEST_CASE("another plugin drops the options of the one before, other tasks the tasks", "[config]") {
  Workbench bench;
  test::write_package(bench.folder / "plugins/other", test::toy("toy.other", "search"));
  bench.registry = test::scan({bench.folder / "plugins"});
  write_bytes(bench.folder / "base.toml", test::toy_config());
  const RunConfig config = bench.load(
      "include = [\"base.toml\"]\n[search]\nplugin = \"toy.other\"\n"
      "[tasks]\nprompts = [\"a red cube\"]\n");
  CHECK(config.search.id == "toy.other");
  CHECK(config.search.options.empty());
  REQUIRE(config.tasks.size() == 2);  // repeat = 2 stays
  CHECK(config.tasks[0].prompt == "a red cube");
  CHECK(config.tasks[0].class_id == -1);
  // The same from the command line, in any order.
  CHECK(bench.load(test::toy_config(), {"search.plugin=toy.other"}).search.id == "toy.other");
  const RunConfig both =
      bench.load(replaced(test::toy_config(),
                          "\"toy.random\"\ncandidates = 64\nrestart.patience = 5", "\"toy.other\""),
                 {"search.candidates=5", "search.plugin=toy.random"});
  CHECK(option(both.search, "candidates") == OptionData(std::int64_t{5}));
}

TEST_CASE("files that include each other in a circle are refused with the chain", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "a.toml", "include = [\"b.toml\"]\n");
  write_bytes(bench.folder / "b.toml", "include = [\"run.toml\"]\n");
  const auto [exit, text] = bench.refusal("include = [\"a.toml\"]\n");
  CHECK(exit == Exit::kUsage);
  INFO(text);
  CHECK(contains(text, "the files include each other in a circle: "));
  CHECK(contains(text, "run.toml -> "));
  CHECK(contains(text, "a.toml -> "));
  CHECK(contains(text, "b.toml:1:12\n"));
}

TEST_CASE("includes are capped in depth and number", "[config]") {
  Workbench bench;
  for (int i = 0; i < 20; ++i) {
    write_bytes(bench.folder / fmt::format("{}.toml", i),
                fmt::format("include = [\"{}.toml\"]\n", i + 1));
  }
  CHECK(contains(bench.refusal("include = [\"0.toml\"]\n").second, "too many includes"));
  for (int i = 0; i < 10; ++i) {  // 2^10 reads of the last file, were there no cap
    write_bytes(bench.folder / fmt::format("{}.toml", i),
                fmt::format("include = [\"{0}.toml\", \"{0}.toml\"]\n", i + 1));
  }
  write_bytes(bench.folder / "10.toml", "");
  CHECK(contains(bench.refusal("include = [\"0.toml\"]\n").second, "too many includes"));
}

TEST_CASE("a mistake in an included file points into that file", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "part.toml", "\n\n[search]\nplugin = \"toy.random\"\ncandidats = 3\n");
  const std::string text = bench
                               .refusal("include = [\"part.toml\"]\n" +
                                        replaced(kSmall, "[search]\nplugin = \"toy.random\"\n", ""))
                               .second;
  INFO(text);
  CHECK(contains(text, "part.toml:5:1\n"));
  CHECK(contains(text, "5 | candidats = 3\n  | ^^^^^^^^^\n"));
}

TEST_CASE("overrides are TOML, and words where text is expected", "[config]") {
  Workbench bench;
  const RunConfig config = bench.load(
      test::toy_config(),
      {"search.candidates=5", "run.name=two words", "sampler.solver=euler", "output.dir=here/run",
       "tasks.classes=[1, 2]", "tasks.repeat = 1", "verifier.0.weight=3", "verifier.judge.name=j",
       "verifier.brightness.target=0.75", "execution.cache=0", "search.restart={patience=8}"});
  CHECK(option(config.search, "candidates") == OptionData(std::int64_t{5}));
  CHECK(config.name == "two words");
  CHECK(option(config.sampler, "solver") == OptionData(std::string("euler")));
  CHECK(config.output_dir == std::filesystem::current_path() / "here/run");
  CHECK(config.tasks.size() == 2);
  CHECK(config.verifiers[0].weight == 3.0);
  CHECK(option(config.verifiers[0].use, "target") == OptionData(0.75));
  CHECK(config.verifiers[1].name == "j");
  CHECK(config.execution.cache_bytes == 0);
  CHECK(option(config.search, "restart.patience") == OptionData(std::int64_t{8}));
}

TEST_CASE("a later override wins over an earlier", "[config]") {
  Workbench bench;
  CHECK(bench.load(kSmall, {"run.seed=1", "run.seed=2"}).seed == 2);
}

TEST_CASE("prompts come from a list or from a file, one per line", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "p.txt",
              "\xEF\xBB\xBF"
              "one\r\n\n  \ntwo \xC3\xA4\n three ");
  const std::string text = replaced(kSmall, "classes = [4]", "prompts = \"p.txt\"");
  const RunConfig config = bench.load(text);
  REQUIRE(config.tasks.size() == 3);
  CHECK(config.tasks[0].prompt == "one");
  CHECK(config.tasks[1].prompt == "two \xC3\xA4");
  CHECK(config.tasks[2].prompt == " three ");  // blanks around a prompt belong to it

  write_bytes(bench.folder / "p.txt",
              "good\nb\xC3\xA4"
              "d \xFF\n" +
                  std::string(10'001, 'x'));
  const std::string report = bench.refusal(text).second;
  INFO(report);
  CHECK(contains(report, "p.txt:2:5\n"));
  CHECK(contains(report, "the prompt is not UTF-8"));
  CHECK(contains(report, "the prompt has 10001 characters, at most 10000 are taken"));
  write_bytes(bench.folder / "p.txt", "\n");
  CHECK(contains(bench.refusal(text).second, "expected at least one task"));
}

namespace {

// The prompts that a file of this name and content gives.
std::vector<std::string> prompts_of(const std::string& name, const std::string& content) {
  Workbench bench;
  write_bytes(bench.folder / name, content);
  std::vector<std::string> out;
  const std::string config = replaced(kSmall, "classes = [4]", "prompts = \"" + name + "\"");
  for (const TaskSpec& task : bench.load(config).tasks) out.push_back(task.prompt);
  return out;
}

std::string prompts_refusal(const std::string& name, const std::string& content) {
  Workbench bench;
  write_bytes(bench.folder / name, content);
  return bench.refusal(replaced(kSmall, "classes = [4]", "prompts = \"" + name + "\"")).second;
}

}  // namespace

TEST_CASE("prompts come from JSON Lines", "[config]") {
  const std::vector<std::string> wanted = {"a red cube", "two\nlines \xC3\xA4", "alone"};
  CHECK(prompts_of("p.jsonl",
                   "{\"prompt\": \"a red cube\", \"scene\": {\"objects\": [1]}}\r\n\n"
                   "{\"id\": 7, \"prompt\": \"two\\nlines \\u00e4\"}\n"
                   "\"alone\"") == wanted);
  const std::string report = prompts_refusal("p.JSONL",
                                             "{\"prompt\": \"good\"}\n"
                                             "{\"prompt\": \"cut\n"
                                             "[1]\n"
                                             "{\"promt\": \"a\"}\n"
                                             "{\"prompt\": 3}\n"
                                             "{\"prompt\": \"\xFF\"}\n"
                                             "{\"prompt\": \" \"}\n");
  INFO(report);
  CHECK(
      contains(report, "the line is not JSON from here on, expected an object with a \"prompt\""));
  CHECK(contains(report, "p.JSONL:2:16\n"));
  CHECK(contains(report, "the line is a list, expected an object with a \"prompt\""));
  CHECK(contains(report, "the object has no \"prompt\""));
  CHECK(contains(report, "did you mean 'promt'?"));
  CHECK(contains(report, "\"prompt\" is a number, expected text"));
  CHECK(contains(report, "the line is not UTF-8 from here on"));
  CHECK(contains(report, "the prompt is empty"));
}

TEST_CASE("prompts come from a column of a CSV file", "[config]") {
  const std::vector<std::string> wanted = {"a red cube", "a \"big\", blue\nball", "three"};
  CHECK(prompts_of("p.csv",
                   "id,prompt,note\r\n1,a red cube,\r\n"
                   "2,\"a \"\"big\"\", blue\nball\",x\n\n3,three,\"y, z\"") == wanted);
  const std::string columns = prompts_refusal("p.csv", "id,Prompts\n1,a\n");
  INFO(columns);
  CHECK(contains(columns, "the header has no column 'prompt', it has 'id' or 'Prompts'"));
  CHECK(contains(columns, "did you mean 'Prompts'?"));
  CHECK(contains(prompts_refusal("p.csv", "id,prompt\n1,a\n2,b,c\n"),
                 "the row has 3 fields, the header has 2"));
  const std::string open = prompts_refusal("p.csv", "prompt\na\n\"b\nc\n");
  INFO(open);
  CHECK(contains(open, "the quotation mark is never closed"));
  CHECK(contains(open, "p.csv:3:1\n"));
  const std::string after = prompts_refusal("p.csv", "prompt\n\"b\" c\n");
  INFO(after);
  CHECK(contains(after, "found more text after a closing quotation mark"));
  CHECK(contains(after, "p.csv:2:4\n"));
}

TEST_CASE("a hundred thousand prompts are read, and a hundred mistakes are enough", "[config]") {
  std::string good, bad;
  for (int i = 0; i < 100'000; ++i) {
    good += fmt::format("{{\"prompt\": \"number {}\"}}\n", i);
    bad += "{\n";
  }
  CHECK(prompts_of("p.jsonl", good).size() == 100'000);
  const std::string report = prompts_refusal("p.jsonl", bad);
  INFO(report);
  CHECK(contains(report, "80 more"));
}

TEST_CASE("images must be there", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "first.png", "png");
  const std::string text = replaced(kSmall, "classes = [4]", "images = [\"first.png\"]");
  CHECK(bench.load(text).tasks.at(0).image == bench.folder / "first.png");
  const std::string report = bench.refusal(replaced(text, "first", "frist")).second;
  CHECK(contains(report, "did you mean 'first.png'?"));
}

TEST_CASE("a million tasks are taken, one more is refused", "[config]") {
  Workbench bench;
  const std::string text = replaced(kSmall, "classes = [4]", "classes = [4]\nrepeat = 1_000_000");
  CHECK(bench.load(text).tasks.size() == 1'000'000);
  CHECK(contains(bench.refusal(replaced(text, "[4]", "[4, 5]")).second, "2000000 tasks"));
}

TEST_CASE("only the first tasks of a list are taken, then again", "[config]") {
  Workbench bench;
  const std::string text = replaced(kSmall, "classes = [4]", "classes = [4, 5, 6]\nlimit = 2");
  CHECK(bench.load(text).tasks.size() == 2);
  const auto twice = bench.load(replaced(text, "limit = 2", "limit = 2\nrepeat = 2")).tasks;
  REQUIRE(twice.size() == 4);
  CHECK(twice[2].class_id == 4);
  CHECK(twice[3].class_id == 5);
  CHECK(bench.load(replaced(text, "limit = 2", "limit = 9")).tasks.size() == 3);
  CHECK(contains(bench.refusal(replaced(text, "limit = 2", "limit = 0")).second, "'tasks.limit'"));
}

TEST_CASE("sizes are bytes or text with a unit", "[config]") {
  Workbench bench;
  const auto cache = [&](const std::string& value) {
    return bench.load(std::string(kSmall) + "[execution]\ncache = " + value).execution.cache_bytes;
  };
  CHECK(cache("1000") == 1000);
  CHECK(cache("\"1000\"") == 1000);
  CHECK(cache("\"1 KiB\"") == 1024);
  CHECK(cache("\"1.5GB\"") == 1'500'000'000);
  CHECK(cache("\"2 TiB\"") == 2ull << 40);
  for (const char* bad : {"\"-1\"", "\"1 XB\"", "\"\"", "\"nan\"", "\"1e30 GB\"", "true"}) {
    INFO(bad);
    CHECK_THROWS_AS(cache(bad), Error);
  }
}

TEST_CASE("several selecting verifiers need a rule, one needs none", "[config]") {
  Workbench bench;
  const std::string two = std::string(kSmall) + "[[verifier]]\nplugin = \"toy.sharpness\"\n";
  const std::string report = bench.refusal(two).second;
  CHECK(contains(report, "2 verifiers select, and no [selection] says how"));
  CHECK(contains(report, "run.toml:10:1\n"));
  CHECK(contains(bench.refusal(two + "[selection]\nrule = \"single\"\n").second,
                 "'single' is for one verifier that selects, there are 2"));
  CHECK(bench.load(two + "[selection]\nrule = \"mean-rank\"\n").rule == SelectionRule::kMeanRank);
  CHECK(bench.load(two + "[selection]\nrule = \"z-sum\"\n").rule == SelectionRule::kZSum);
  CHECK(bench.load(std::string(kSmall) + "[selection]\nrule = \"weighted-sum\"\n").rule ==
        SelectionRule::kWeightedSum);
  CHECK(contains(bench.refusal(std::string(kSmall), {"verifier.0.role=report"}).second,
                 "no verifier selects"));
}

TEST_CASE("a held-out judge is reported, and refused for selection with the reason", "[config]") {
  Workbench bench;
  const std::string text = replaced(kSmall, "toy.brightness", "toy.judge");
  const auto [exit, report] = bench.refusal(text);
  CHECK(exit == Exit::kUsage);
  CHECK(contains(report, "toy.judge is a held-out judge (its manifest claims report_only)"));
  CHECK(contains(report, "role = \"report\""));
  CHECK(contains(report, "run.toml:7:10\n"));
}

TEST_CASE("a plugin that cannot be used gives exit code 3, with other mistakes 2", "[config]") {
  Workbench bench;
  CHECK(bench.refusal(replaced(kSmall, "toy.random", "toy.rndom")).first == Exit::kPlugin);
  CHECK(bench.refusal(replaced(kSmall, "toy.random", "toy.rndom"), {"run.sed=1"}).first ==
        Exit::kUsage);
  test::Package old = test::toy("toy.old", "search");
  old.abi = "major = 7\n";
  test::write_package(bench.folder / "plugins/old", old);
  bench.registry = test::scan({bench.folder / "plugins"});
  const auto [exit, text] = bench.refusal(replaced(kSmall, "toy.random", "toy.old"));
  CHECK(exit == Exit::kPlugin);
  CHECK(contains(text, "ABI 7"));
  CHECK(contains(text, "run.toml:9:10\n"));
}

TEST_CASE("an alias is resolved to the plugin's id", "[config]") {
  Workbench bench;
  CHECK(bench.load(replaced(kSmall, "toy.random", "toy.best_of_n")).search.id == "toy.random");
}

TEST_CASE("configs from strangers are capped", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "large.toml", "");
  std::filesystem::resize_file(bench.folder / "large.toml", kLargestConfigFile + 1);
  CHECK_THROWS_WITH(load_config(bench.folder / "large.toml", {}, bench.registry),
                    Catch::Contains("larger than"));
  CHECK(contains(bench.refusal("x = " + std::string(500'000, '{')).second, "nested more than"));
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += fmt::format("k{} = 1\n", i);
  CHECK(contains(bench.refusal(many).second, "10001 keys, at most 10000 are read"));
}

TEST_CASE("a run of more prompts than fit a hand-written config can be read again", "[config]") {
  Workbench bench;
  std::string prompts;
  for (int i = 0; i < 30'000; ++i)
    prompts += fmt::format("a prompt of a usual length, number {}\n", i);
  write_bytes(bench.folder / "prompts.txt", prompts);
  const std::string resolved =
      resolved_toml(bench.load(replaced(kSmall, "classes = [4]", "prompts = \"prompts.txt\"")));
  REQUIRE(resolved.size() > 1 << 20);
  CHECK(resolved_toml(bench.load(resolved)) == resolved);
}

TEST_CASE("a config that is not there is said so, with the nearest file", "[config]") {
  Workbench bench;
  write_bytes(bench.folder / "run.toml", kSmall);
  CHECK_THROWS_WITH(load_config(bench.folder / "rum.toml", {}, bench.registry),
                    Catch::Contains("no file '") && Catch::Contains("did you mean 'run.toml'?"));
  CHECK_THROWS_WITH(load_config(bench.folder.path(), {}, bench.registry),
                    Catch::Contains("is not a file"));
}

TEST_CASE("the resolved config reads back as itself", "[config]") {
  Workbench bench;
  for (const std::string& text : {std::string(test::toy_config()), std::string(kSmall)}) {
    const std::string resolved = resolved_toml(bench.load(text));
    CHECK(resolved_toml(bench.load(resolved)) == resolved);
  }
  write_bytes(bench.folder / "p.txt", "a \"quoted\" \\ prompt\nb\n");
  const std::string prompts = replaced(kSmall, "classes = [4]", "prompts = \"p.txt\"");
  const std::string resolved = resolved_toml(bench.load(prompts));
  CHECK(resolved_toml(bench.load(resolved)) == resolved);
}

TEST_CASE("equal configs give equal text, however they are written", "[config]") {
  Workbench bench;
  const std::string text = resolved_toml(bench.load(test::toy_config()));
  const std::string other = replaced(test::toy_config(), "classes = [0, 3, 9]\nrepeat = 2",
                                     "classes = [0, 3, 9, 0, 3, 9]");
  CHECK(resolved_toml(bench.load(other)) == text);
  CHECK(contains(text, "classes = [0, 3, 9]\nrepeat = 2\n"));
  CHECK(contains(text,
                 fmt::format("weights = \"{}\"", (bench.folder / "model.safetensors").string())));
  CHECK(contains(text, "temperature = 1.0\n"));  // a default
  // How and where the work is done is no part of it.
  CHECK(resolved_toml(bench.load(test::toy_config(), {"execution.batch=1", "execution.cache=0",
                                                      "output.dir=elsewhere"})) == text);
}

TEST_CASE("every key that changes results changes the resolved text", "[config]") {
  Workbench bench;
  const std::string text = resolved_toml(bench.load(test::toy_config()));
  for (const char* change :
       {"run.name=x", "run.seed=8", "run.deterministic=true", "budget.nfe=1", "budget.candidates=1",
        "budget.seconds=1", "tasks.classes=[0]", "tasks.repeat=3", "sampler.steps=14",
        "verifier.0.weight=1", "verifier.0.name=x", "verifier.0.target=0.3",
        "selection.rule=\"z-sum\"", "search.candidates=65", "output.keep=all"}) {
    INFO(change);
    const std::string other = resolved_toml(bench.load(test::toy_config(), {change}));
    CHECK(other != text);
    CHECK_FALSE(config_difference(text, other).empty());
  }
}

TEST_CASE("the difference of two configs names each key that changed", "[config]") {
  Workbench bench;
  const std::string text = resolved_toml(bench.load(test::toy_config()));
  CHECK(config_difference(text, text).empty());
  const auto difference = [&](const std::vector<std::string>& overrides) {
    return config_difference(text, resolved_toml(bench.load(test::toy_config(), overrides)));
  };
  CHECK(difference({"search.candidates=65"}) == "search.candidates: 64 -> 65");
  CHECK(difference({"run.seed=8", "verifier.judge.weight=2"}) ==
        "run.seed: 7 -> 8\nverifier.judge.weight: 1.0 -> 2.0");
  CHECK(difference({"tasks.classes=[0, 3]"}) == "tasks.classes: [0, 3, 9] -> [0, 3]");
  CHECK(contains(difference({"verifier.judge.name=j"}),
                 "verifier: [brightness, judge] -> "
                 "[brightness, j]"));
  const std::string without =
      resolved_toml(bench.load(replaced(test::toy_config(), "nfe = 2000\n", "")));
  CHECK(config_difference(text, without) == "budget.nfe: 2000 -> (none)");
  CHECK(config_difference(without, text) == "budget.nfe: (none) -> 2000");
}

TEST_CASE("the difference of two long lists is their first difference", "[config]") {
  std::string one = "[tasks]\nclasses = [", other = one;
  for (int i = 0; i < 500; ++i) {
    one += fmt::format("{}, ", i);
    other += fmt::format("{}, ", i == 77 ? 9999 : i);
  }
  CHECK(config_difference(one + "]", other + "]") == "tasks.classes[77]: 77 -> 9999");
  CHECK(config_difference(one + "]", one + "3]") ==
        "tasks.classes[500]: (none) -> 3 (500 values -> 501)");
}

TEST_CASE("the order of verifiers is part of a config", "[config]") {
  const std::string a = "[[verifier]]\nname = \"a\"\n", b = "[[verifier]]\nname = \"b\"\n";
  CHECK(config_difference(a + b, b + a) == "verifier: [a, b] -> [b, a]");
}

TEST_CASE("the page of all keys holds every section, option and exit code", "[config]") {
  Workbench bench;
  const std::string page = configuration_page(bench.registry);
  for (const char* part :
       {"## [run]", "## [[verifier]]", "## [execution]", "| `seed` | i64 of at least 0 | `0` |",
        "| `plugin` | str | needed |", "### `toy.sit` (sampler)", "### `toy.judge` (verifier)",
        "| `steps` | i64 in [1, 1000] | `13` |", "| `candidates` | i64 of at least 1, candidates |",
        "| `solver` | str | `\"euler\"` | `\"euler\"`: First order; `\"heun\"`: Second. |",
        "| `temp` | f64 |  | Old name of `temperature`. |", "| 75 | ", "| 130 | "}) {
    INFO(part);
    CHECK(contains(page, part));
  }
  CHECK_FALSE(contains(page, bench.folder.path().string()));  // equal on every machine
  CHECK(page == configuration_page(bench.registry));
}

// config_mistakes_test.cpp: seeded mistakes in run configs: each is shown at its line and column,
// with a caret under the word, typing errors with the name that was meant.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "host/config.hpp"
#include "host/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/toy_packages.hpp"

using namespace winnow;

namespace {

// A mistake is made in the good config by replacing `from` by `to`, or given as an override (an
// empty `from`). << and >> enclose the word the caret must stand under; they are taken out before
// the file is written, and their place is the expected line and column.
struct Mistake {
  const char* from;
  const char* to;
  const char* says;     // part of the message
  const char* meant{};  // of a typing error: the name the help must hold
};

const Mistake kMistakes[] = {
    // typing errors in names of tables and keys
    {"[run]", "[<<rnu>>]", "unknown key 'rnu'", "run"},
    {"[execution]", "[<<excution>>]", "unknown key 'excution'", "execution"},
    {"[output]", "[ <<ouput>> ]", "unknown key 'ouput'", "output"},
    {"[[verifier]]", "[[<<verifer>>]]", "unknown key 'verifer'", "verifier"},
    {"[search]", "[<<serach>>]", "unknown key 'serach'", "search"},
    {"[tasks]", "[<<task>>]", "unknown key 'task'", "tasks"},
    {"[sampler]", "[<<sampel>>]", "unknown key 'sampel'", "sampler"},
    {"name = \"trial\"", "<<nmae>> = \"trial\"", "unknown key 'nmae' in [run]", "name"},
    {"seed = 7", "<<sed>> = 7", "unknown key 'sed' in [run]", "seed"},
    {"seed = 7", "  <<Seed>> = 7", "unknown key 'Seed' in [run]", "seed"},
    {"deterministic", "<<determinstic>>", "unknown key", "deterministic"},
    {"nfe = 2000", "<<nef>> = 2000", "unknown key 'nef' in [budget]", "nfe"},
    {"candidates = 16", "<<candidats>> = 16", "unknown key", "candidates"},
    {"seconds", "<<second>>", "unknown key 'second' in [budget]", "seconds"},
    {"classes", "<<class>>", "unknown key 'class' in [tasks]", "classes"},
    {"repeat", "<<repaet>>", "unknown key 'repaet' in [tasks]", "repeat"},
    {"rule", "<<rules>>", "unknown key 'rules' in [selection]", "rule"},
    {"keep", "<<\"kep\">>", "unknown key 'kep' in [output]", "keep"},
    {"batch = 16", "<<bacth>> = 16", "unknown key 'bacth' in [execution]", "batch"},
    // typing errors in ids and values
    {"\"toy.sit\"", "<<\"toy.sti\">>", "no sampler plugin 'toy.sti'", "toy.sit"},
    {"\"toy.brightness\"", "<<\"brightness\">>", "no verifier plugin", "toy.brightness"},
    {"\"toy.random\"", "<<\"toy.rnadom\">>", "no search plugin", "toy.random"},
    {"\"heun\"", "<<\"huen\">>", "is 'huen', expected 'euler' or 'heun'", "heun"},
    {"role = \"report\"", "role = <<\"reprot\">>", "'verifier.role' is 'reprot'", "report"},
    {"\"single\"", "<<\"weighted_sum\">>", "'selection.rule' is 'weighted_sum'", "weighted-sum"},
    {"\"best\"", "<<\"bets\">>", "'output.keep' is 'bets'", "best"},
    // typing errors in options of plugins
    {"weights", "<<wieghts>>", "unknown option 'wieghts' of toy.sit", "weights"},
    {"steps", "<<step>>", "unknown option 'step' of toy.sit", "steps"},
    {"weight = 2.0", "<<wieght>> = 2.0", "unknown option 'wieght'", "weight"},
    {"target", "<<traget>>", "unknown option 'traget' of toy.brightness", "target"},
    {"candidates = 64", "<<candidate>> = 64", "of toy.random", "candidates"},
    {"restart.patience", "restart.<<patiance>>", "'restart.patiance'", "restart.patience"},
    {"restart.patience", "<<restrat>>.patience", "unknown option 'restrat'", "restart"},
    // typing errors in overrides
    {"", "search.<<candidtes>>=64", "unknown option 'candidtes'", "candidates"},
    {"", "<<serach>>.candidates=64", "unknown key 'serach'", "search"},
    {"", "budget.<<nffe>> = 3", "unknown key 'nffe' in [budget]", "nfe"},
    {"", "verifier.<<brightnes>>.weight=2", "no verifier 'brightnes'", "brightness"},
    {"", "verifier.0.<<weigth>>=2", "unknown option 'weigth'", "weight"},
    {"", "sampler.solver=<<huen>>", "is 'huen'", "heun"},
    {"", "sampler.plugin=<<toy.sitt>>", "no sampler plugin 'toy.sitt'", "toy.sit"},
    // values of the wrong type or out of bounds
    {"seed = 7", "seed = <<-1>>", "'run.seed' is -1"},
    {"seed = 7", "seed = <<\"seven\">>", "is text \"seven\", expected an integer"},
    {"name = \"trial\"", "name = <<2024-01-01>>", "is a date or time, expected text"},
    {"name = \"trial\"", "name = <<\"\">>", "expected to have 1 to 200 bytes"},
    {"nfe = 2000", "nfe = <<0>>", "'budget.nfe' is 0, expected a value in [1, 1000000000000]"},
    {"nfe = 2000", "nfe = <<2e3>>", "is the number 2000, expected an integer"},
    {"seconds = 60.0", "seconds = <<-1.0>>", "is -1, expected a value above 0"},
    {"deterministic = false", "deterministic = <<0>>", "expected true or false"},
    {"[0, 3, 9]", "[0, <<-3>>, 9]", "'tasks.classes' is -3"},
    {"[0, 3, 9]", "[\n  0,\n  <<\"x\">>,\n]", "is text \"x\", expected an integer"},
    {"[0, 3, 9]", "<<[]>>", "expected at least one task"},
    {"repeat = 2", "repeat = <<0>>", "'tasks.repeat' is 0"},
    {"repeat = 2", "repeat = <<400_000>>", "1200000 tasks, at most 1000000 are taken"},
    {"repeat = 2", "prompts = <<[\"a\"]>>", "'tasks.prompts' beside 'tasks.classes'"},
    {"classes = [0, 3, 9]", "prompts = [\"a\", <<\" \">>]", "the prompt is empty"},
    {"classes = [0, 3, 9]", "prompts = <<\"none.txt\">>", "no file '"},
    {"classes = [0, 3, 9]", "images = [<<\"none.png\">>]", "no file '"},
    {"steps = 13", "steps = <<5000>>", "is 5000, expected a value in [1, 1000]"},
    {"\"model.safetensors\"", "<<3>>", "expected a path"},
    {"weight = 2.0", "weight = <<0>>",
     "'verifier.weight' is 0, expected a value in (0, 1000000000]"},
    {"cache = \"64 MiB\"", "cache = <<\"lots\">>", "expected bytes or text such as"},
    {"cache = \"64 MiB\"", "cache = <<-1>>", "expected bytes or text such as"},
    {"restart.patience = 5", "temperature = <<0.0>>", "is 0, expected a value above 0"},
    {"restart.patience = 5", "temp = <<0.0>>", "option 'temp' of toy.random is 0"},
    // what belongs together
    {"name = \"judge\"", "name = <<\"brightness\">>", "a second verifier 'brightness'"},
    {"name = \"judge\"", "name = <<\"42\">>", "'42' is no name"},
    {"role = \"report\"", "role = <<\"select\">>", "is a held-out judge"},
    {"plugin = \"toy.random\"", "plugin = <<\"toy.judge\">>", "is a verifier, not a search"},
    {"plugin = \"toy.random\"", "plugin = <<3>>", "'plugin' is the integer 3"},
    {"[search]", "[[<<search>>]]", "expected [search]"},
    {"[run]", "include = [<<\"missing.toml\">>]\n[run]", "no file '"},
    {"[run]", "include = <<\"x.toml\">>\n[run]", "'include' is text \"x.toml\", expected a list"},
    {"[run]", "<<nfe>> = 3\n[run]", "unknown key 'nfe'"},
    // no TOML at all
    {"seed = 7", "seed = 7\n<<seed>> = 8", "duplicate key"},
    {"[output]", "[ <<run>>]", "duplicate key"},
    {"[output]", "[<<.>>output]", "parsing key: expected bare key"},
    {"[[verifier]]", "[[ <<=>>]]", "parsing key: expected bare key"},
    {"name = \"trial\"", "name = <<\"trial>>", "the string is not closed on its line"},
    {"name = \"trial\"", "name = \"tri<<\x01>>al\"", "control characters"},
    {"name = \"trial\"", "name = <<trial>>", "this is not a TOML value"},
    {"seed = 7", "seed = <<7x>>", "not valid TOML"},
    {"seed = 7", "seed = <<99999999999999999999>>", "not valid TOML"},
    {"deterministic = false", "deterministic = <<fasle>>", "this is not a TOML value"},
    {"seed = 7", "seed <<7>>", "expected '='"},
    {"name = \"trial\"", "name = \"a<<\\q>>\"", "unknown escape sequence"},
    // overrides
    {"", "<<candidates>>", "is no override, expected key=value"},
    {"", "search.candidates=<<abc>>", "is text \"abc\", expected an integer"},
    {"", "search.candidates=<<0>>", "is 0, expected a value of at least 1"},
    {"", "tasks.classes=[1, <<-2>>]", "'tasks.classes' is -2"},
    {"", "verifier.<<7>>.weight=1", "no verifier '7'"},
    {"", "<<include>>=[\"a.toml\"]", "'include' cannot be an override"},
};

struct Marked {
  std::string text;  // without the marks
  std::uint32_t line = 1, column = 1, length = 0;
};

Marked unmark(std::string text) {
  Marked marked;
  const std::size_t begin = text.find("<<");
  text.erase(begin, 2);
  const std::size_t end = text.find(">>");
  text.erase(end, 2);
  const std::string before = text.substr(0, begin);
  marked.line += static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t start = before.rfind('\n') + 1;
  marked.column += static_cast<std::uint32_t>(characters_of(before.substr(start)).size());
  marked.length = static_cast<std::uint32_t>(characters_of(text.substr(begin, end - begin)).size());
  marked.text = text;
  return marked;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error("not in the config: " + from);
  return text.replace(at, from.size(), to);
}

// What load_config says, with the source line and the caret line under it.
struct Report {
  std::string text;
  std::size_t mistakes = 0;
};

Report load(const std::filesystem::path& file, const std::vector<std::string>& overrides,
            const Registry& registry) {
  Report report;
  try {
    load_config(file, overrides, registry);
  } catch (const Error& error) {
    report.text = error.what();
  }
  for (std::size_t at = 0; (at = report.text.find("error: ", at)) != std::string::npos; ++at) {
    ++report.mistakes;
  }
  return report;
}

bool carets_stand_under(const Report& report, const Marked& marked) {
  const std::string number = std::to_string(marked.line);
  const std::size_t line = report.text.find("\n" + number + " | ");
  if (line == std::string::npos) return false;
  const std::size_t below = report.text.find('\n', line + 1);
  const std::string expected = "\n" + std::string(number.size(), ' ') + " | " +
                               std::string(marked.column - 1, ' ') +
                               std::string(marked.length, '^');
  const std::size_t end = report.text.find('\n', below + 1);
  return report.text.substr(below, end == std::string::npos ? end : end - below) == expected;
}

}  // namespace

TEST_CASE(
    "seeded config mistakes are shown at their line and column, typing errors with the name "
    "that was meant",
    "[config]") {
  test::TemporaryFolder folder;
  const Registry registry = test::toy_registry(folder / "plugins");
  const std::filesystem::path file = folder / "run.toml";
  std::size_t seeded = 0, typos = 0, suggested = 0;
  for (const Mistake& mistake : kMistakes) {
    const bool is_override = std::string(mistake.from).empty();
    const Marked marked =
        unmark(is_override ? mistake.to : replaced(test::toy_config(), mistake.from, mistake.to));
    test::write_bytes(file, is_override ? test::toy_config() : marked.text);
    const Report report =
        load(file, is_override ? std::vector<std::string>{marked.text} : std::vector<std::string>{},
             registry);
    INFO(mistake.to << "\n" << report.text);
    const std::string name = is_override ? "override 1" : file.string();
    CHECK(report.mistakes == 1);
    CHECK(report.text.find(fmt::format("--> {}:{}:{}\n", name, marked.line, marked.column)) !=
          std::string::npos);
    CHECK(carets_stand_under(report, marked));
    CHECK(report.text.find(mistake.says) != std::string::npos);
    ++seeded;
    if (!mistake.meant) continue;
    ++typos;
    const bool found =
        report.text.find(fmt::format("did you mean '{}'?", mistake.meant)) != std::string::npos;
    CHECK_NOFAIL(found);
    if (found) ++suggested;
  }
  CHECK(seeded >= 40);
  CHECK(typos >= 30);
  CHECK(suggested * 10 >= typos * 9);
  WARN(seeded << " mistakes; " << suggested << " of " << typos << " typing errors named");
}

TEST_CASE("all mistakes of a config and its overrides come at once", "[config]") {
  test::TemporaryFolder folder;
  const Registry registry = test::toy_registry(folder / "plugins");
  std::string text = replaced(test::toy_config(), "seed = 7", "sed = 7");
  text = replaced(text, "\"heun\"", "\"huen\"");
  text = replaced(text, "nfe = 2000", "nfe = -5");
  test::write_bytes(folder / "run.toml", text);
  const Report report =
      load(folder / "run.toml", {"search.candidats=3", "output.keep=everything"}, registry);
  INFO(report.text);
  CHECK(report.mistakes == 5);
  CHECK(report.text.find("--> override 1:1:8\n") != std::string::npos);
  CHECK(report.text.find("--> override 2:1:13\n") != std::string::npos);
}

TEST_CASE("columns count characters, not bytes", "[config]") {
  test::TemporaryFolder folder;
  const Registry registry = test::toy_registry(folder / "plugins");
  const Marked marked = unmark(
      replaced(test::toy_config(), "[run]\nname = \"trial\"\nseed = 7\ndeterministic = false\n",
               "run = { name = \"\xC3\xA4\xC3\xB6\xE2\x82\xAC\", <<sede>> = 7 }\n"));
  test::write_bytes(folder / "run.toml", marked.text);
  const Report report = load(folder / "run.toml", {}, registry);
  INFO(report.text);
  CHECK(marked.column == 23);
  CHECK(report.text.find("run.toml:1:23\n") != std::string::npos);
  CHECK(carets_stand_under(report, marked));
}

TEST_CASE("sections that are needed are asked for", "[config]") {
  test::TemporaryFolder folder;
  const Registry registry = test::toy_registry(folder / "plugins");
  test::write_bytes(folder / "run.toml", "[run]\nname = \"x\"\n");
  const Report report = load(folder / "run.toml", {}, registry);
  CHECK(report.mistakes == 4);
  for (const char* form : {"[tasks]", "[sampler]", "[[verifier]]", "[search]"}) {
    CHECK(report.text.find(fmt::format("the config has no {}", form)) != std::string::npos);
  }
  test::write_bytes(folder / "run.toml", replaced(test::toy_config(), "classes = [0, 3, 9]\n", ""));
  const Report tasks = load(folder / "run.toml", {}, registry);
  CHECK(tasks.text.find("[tasks] holds no task") != std::string::npos);
  CHECK(tasks.text.find("run.toml:11:1\n") != std::string::npos);
  test::write_bytes(folder / "run.toml",
                    replaced(test::toy_config(), "plugin = \"toy.random\"\n", ""));
  const Report search = load(folder / "run.toml", {}, registry);
  CHECK(search.text.find("[search] has no 'plugin'") != std::string::npos);
}

TEST_CASE("a config with damaged bytes is loaded or refused, and nothing else", "[config]") {
  test::TemporaryFolder folder;
  const Registry registry = test::toy_registry(folder / "plugins");
  const std::string alphabet = "[]{}=.,\"'\\#\n\t -_0123456789eabcxyz\xC3\xFF\x01";
  std::mt19937 random(1);
  std::size_t refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text = test::toy_config();
    for (std::size_t j = 1 + random() % 4; j > 0; --j) {
      const std::size_t at = random() % text.size();
      const std::size_t length = random() % 3;
      text.replace(at, length, random() % 3, alphabet[random() % alphabet.size()]);
    }
    test::write_bytes(folder / "run.toml", text);
    try {
      const RunConfig config = load_config(folder / "run.toml", {}, registry);
      CHECK_NOTHROW(resolved_toml(config));
    } catch (const Error& error) {
      ++refused;
      INFO(text);
      CHECK(std::string(error.what()).starts_with("error: "));
    }
  }
  CHECK(refused > 200);
}

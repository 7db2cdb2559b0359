// options_test.cpp: option tables and the values that configs give.
#include "host/options.hpp"

#include <filesystem>

#include "host/text.hpp"
#include "host/toml_source.hpp"
#include "tests/support/catch.hpp"
#include "winnow/winnow.h"

using namespace winnow;

namespace {

constexpr const char* kSpecs = R"(
[[option]]
key = "width"
type = "i64"
default = 8
min = 1
max = 4096
[[option]]
key = "policy"
type = "str"
default = "best_first"
choices = [{ value = "best_first", help = "Best leaf." }, "beam"]
[[option]]
key = "temperature"
type = "f64"
default = 1
min = 0.0
open = ["min"]
[[option]]
key = "temp"
type = "f64"
deprecated = { since = "1.3.0", use = "temperature" }
[[option]]
key = "weights"
type = "path"
help = "Where the weights lie."
[[option]]
key = "restart.patience"
type = "i64"
default = 3
[[option]]
key = "levels"
type = "f64[]"
default = [0.5, 1]
max = 1.0
[[option]]
key = "fast"
type = "bool"
default = false
)";

std::vector<OptionSpec> specs_of(const std::string& text, Diagnostics& diagnostics) {
  const auto table = parse_toml(text, "manifest.toml", diagnostics);
  REQUIRE(table);
  return parse_option_specs(*table->get_as<toml::array>("option"), diagnostics);
}

struct Checked {
  std::vector<OptionValue> values;
  Diagnostics diagnostics;

  const OptionValue& at(const std::string& key) const {
    for (const OptionValue& value : values) {
      if (value.key == key) return value;
    }
    throw std::runtime_error("no value for " + key);
  }
};

Checked check(const std::string& config, const std::string& name = "/configs/run.toml") {
  Diagnostics none;
  const std::vector<OptionSpec> specs = specs_of(kSpecs, none);
  REQUIRE(none.empty());
  Checked result;
  const auto table = parse_toml(config, name, result.diagnostics);
  REQUIRE(table);
  result.values = check_options(*table, {"plugin"}, specs, "toy.tree", result.diagnostics);
  return result;
}

// "line:column message (help)" of the only mistake.
std::string only_mistake(const Diagnostics& diagnostics) {
  REQUIRE(diagnostics.all().size() == 1);
  const Diagnostic& one = diagnostics.all()[0];
  return std::to_string(one.where.line) + ":" + std::to_string(one.where.column) + " " +
         one.message + (one.help.empty() ? "" : " (" + one.help + ")");
}

std::string mistake_in_spec(const std::string& lines) {
  Diagnostics diagnostics;
  specs_of("[[option]]\n" + lines, diagnostics);
  return only_mistake(diagnostics);
}

}  // namespace

TEST_CASE("defaults are filled in and values come sorted by key", "[options]") {
  const Checked checked = check("plugin = \"toy.tree\"\nweights = \"w.bin\"\n");
  REQUIRE(checked.diagnostics.empty());
  std::vector<std::string> keys;
  for (const OptionValue& value : checked.values) keys.push_back(value.key);
  CHECK(keys == std::vector<std::string>{"fast", "levels", "policy", "restart.patience",
                                         "temperature", "weights", "width"});
  CHECK(checked.at("width").data == OptionData(std::int64_t{8}));
  CHECK(checked.at("temperature").data == OptionData(1.0));  // an integer default of a number
  CHECK(checked.at("levels").data == OptionData(std::vector<double>{0.5, 1.0}));
  CHECK(checked.at("policy").type == WN_OPT_STR);
}

TEST_CASE("dotted keys and nested tables are the same", "[options]") {
  for (const char* text :
       {"weights = \"w\"\nrestart.patience = 9\n", "weights = \"w\"\n[restart]\npatience = 9\n",
        "weights = \"w\"\nrestart = { patience = 9 }\n"}) {
    const Checked checked = check(text);
    REQUIRE(checked.diagnostics.empty());
    CHECK(checked.at("restart.patience").data == OptionData(std::int64_t{9}));
  }
}

TEST_CASE("a path is taken from the folder of the file that holds it", "[options]") {
  CHECK(check("weights = \"w.bin\"").at("weights").data ==
        OptionData(std::string("/configs/w.bin")));
  CHECK(check("weights = \"../m/./w.bin\"").at("weights").data ==
        OptionData(std::string("/m/w.bin")));
  CHECK(check("weights = \"/abs/w\"").at("weights").data == OptionData(std::string("/abs/w")));
  CHECK(check("weights = \"\"").at("weights").data == OptionData(std::string()));
  const std::string here = (std::filesystem::current_path() / "w.bin").string();
  CHECK(check("weights = \"w.bin\"", "override 1").at("weights").data == OptionData(here));
}

TEST_CASE("an old key arrives under its new name", "[options]") {
  const Checked checked = check("weights = \"w\"\ntemp = 0.25\n");
  REQUIRE(checked.diagnostics.empty());
  CHECK(checked.at("temperature").data == OptionData(0.25));
  CHECK_THROWS(checked.at("temp"));
  CHECK(only_mistake(check("weights = \"w\"\ntemp = 0.25\ntemperature = 1.0\n").diagnostics) ==
        "3:1 option 'temperature' is given twice, also by its old name");
}

TEST_CASE("every mistake in a value says what was found and what was expected", "[options]") {
  const auto mistake = [](const std::string& line) {
    return only_mistake(check("weights = \"w\"\n" + line).diagnostics);
  };
  CHECK(mistake("width = 0") ==
        "2:9 option 'width' of toy.tree is 0, expected a value in [1, 4096]");
  CHECK(mistake("width = 5000") ==
        "2:9 option 'width' of toy.tree is 5000, expected a value in [1, 4096]");
  CHECK(mistake("width = 64.0") ==
        "2:9 option 'width' of toy.tree is the number 64, expected an integer (write 64)");
  CHECK(mistake("width = 1.5") ==
        "2:9 option 'width' of toy.tree is the number 1.5, expected an integer");
  CHECK(mistake("temperature = 0.0") ==
        "2:15 option 'temperature' of toy.tree is 0, expected a value above 0");
  CHECK(mistake("temperature = nan") ==
        "2:15 option 'temperature' of toy.tree: 'nan' is not a number to compute with");
  CHECK(mistake("policy = \"baem\"") ==
        "2:10 option 'policy' of toy.tree is 'baem', expected 'best_first' or 'beam' (did you mean "
        "'beam'?)");
  CHECK(mistake("policy = 3") ==
        "2:10 option 'policy' of toy.tree is the integer 3, expected text (text needs double "
        "quotes)");
  CHECK(mistake("levels = [0.5, 2.0]") ==
        "2:16 option 'levels' of toy.tree is 2, expected a value of at most 1");
  CHECK(mistake("levels = 0.5") ==
        "2:10 option 'levels' of toy.tree is the number 0.5, expected a list of numbers");
  CHECK(mistake("fast = \"yes\"") ==
        "2:8 option 'fast' of toy.tree is text \"yes\", expected true or false");
  CHECK(mistake("restart = 3") ==
        "2:1 unknown option 'restart' of toy.tree (did you mean "
        "'restart'?)");
}

TEST_CASE("unknown options suggest the nearest, in nested tables too", "[options]") {
  const auto mistake = [](const std::string& line) {
    return only_mistake(check("weights = \"w\"\n" + line).diagnostics);
  };
  CHECK(mistake("widht = 3") == "2:1 unknown option 'widht' of toy.tree (did you mean 'width'?)");
  CHECK(mistake("restart.patiance = 3") ==
        "2:9 unknown option 'restart.patiance' of toy.tree (did you mean 'restart.patience'?)");
  CHECK(mistake("[restrat]\npatience = 3") ==
        "2:2 unknown option 'restrat' of toy.tree (did you mean 'restart'?)");
}

TEST_CASE("a missing option is asked for once, and not when it was misspelt", "[options]") {
  CHECK(only_mistake(check("plugin = \"toy.tree\"\n").diagnostics) ==
        "1:10 toy.tree needs the option 'weights', a path (text) (Where the weights lie.)");
  CHECK(only_mistake(check("wieghts = \"w\"\n").diagnostics) ==
        "1:1 unknown option 'wieghts' of toy.tree (did you mean 'weights'?)");
  CHECK(only_mistake(check("weights = 3\n").diagnostics) ==
        "1:11 option 'weights' of toy.tree is the integer 3, expected a path (text) (text needs "
        "double quotes)");
}

TEST_CASE("an option table with a mistake is refused at its place", "[options]") {
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"int\"") ==
        "3:8 'type' is 'int', expected 'bool', 'i64', 'f64', 'str', 'path', 'i64[]', 'f64[]' or "
        "'str[]'");
  CHECK(mistake_in_spec("type = \"i64\"") == "1:1 an option without 'key'");
  CHECK(mistake_in_spec("key = \"a\"") == "1:1 an option without 'type'");
  CHECK(mistake_in_spec("key = \"A b\"\ntype = \"i64\"").starts_with("2:7 'A b' is no option key"));
  CHECK(mistake_in_spec("key = \"weight\"\ntype = \"f64\"") ==
        "2:7 'weight' cannot be an option: run configs use that key");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\ndefualt = 3") ==
        "4:1 unknown key 'defualt' in [[plugin.option]] (did you mean 'default'?)");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\ndefault = \"3\"") ==
        "4:11 'default' is text \"3\", expected an integer");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\ndefault = 9\nmax = 3") ==
        "4:11 'default' is 9, expected a value of at most 3");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\nmin = 9\nmax = 3") ==
        "5:7 'max' is below 'min'");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"str\"\nmin = 9") ==
        "4:1 'min' is for numbers, this option is str");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\nchoices = [\"x\"]") ==
        "4:1 'choices' is for options of type str");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"f64\"\nopen = [\"mni\"]") ==
        "4:9 'open' is 'mni', expected 'min' or 'max' (did you mean 'min'?)");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"f64\"\ndeprecated = { use = \"b\" }") ==
        "2:7 'a' is replaced by 'b', which is no current option of its type");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\n[[option]]\nkey = \"a\"\ntype = \"i64\"") ==
        "5:7 a second option 'a'");
  CHECK(mistake_in_spec("key = \"a\"\ntype = \"i64\"\n[[option]]\nkey = \"a.b\"\ntype = \"i64\"") ==
        "5:7 'a' and 'a.b' cannot both be options");
}

TEST_CASE("type names go both ways", "[options]") {
  for (std::uint32_t type = WN_OPT_BOOL; type <= WN_OPT_STR_LIST; ++type) {
    CHECK(option_type_of(option_type_name(type)) == type);
  }
  CHECK(option_type_of("int") == 0);
  CHECK(option_type_name(99) == "");
}

TEST_CASE("values as TOML read back as themselves", "[options]") {
  CHECK(to_toml(OptionData(true)) == "true");
  CHECK(to_toml(OptionData(std::int64_t{-3})) == "-3");
  CHECK(to_toml(OptionData(2.0)) == "2.0");
  CHECK(to_toml(OptionData(0.1)) == "0.1");
  CHECK(to_toml(OptionData(1e300)) == "1e+300");
  CHECK(to_toml(OptionData(std::string("a\"\\\n\x01"))) == "\"a\\\"\\\\\\n\\u0001\"");
  CHECK(to_toml(OptionData(std::vector<std::string>{"a", "b"})) == "[\"a\", \"b\"]");
  CHECK(to_toml(OptionData(std::vector<double>{})) == "[]");
  for (const double value : {0.1, 1.0 / 3, 1e22, 5e-324, -0.0}) {
    const toml::table table = toml::parse("x = " + to_toml(OptionData(value)));
    CHECK(table.get_as<double>("x")->get() == value);
  }
}

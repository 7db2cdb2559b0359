// diagnostic_test.cpp: how mistakes look.
#include "host/diagnostic.hpp"

#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("a mistake shows its line, a caret run under the word, and a suggestion",
          "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("run.toml", "a = 1\n[[verifer]]\n");
  diagnostics.add({"run.toml", 2, 3, 7}, "unknown key 'verifer'", "did you mean 'verifier'?");
  CHECK(diagnostics.render() ==
        "error: unknown key 'verifer'\n"
        " --> run.toml:2:3\n"
        "  |\n"
        "2 | [[verifer]]\n"
        "  |   ^^^^^^^\n"
        "  = help: did you mean 'verifier'?");
}

TEST_CASE("the gutter is as wide as the number of the line", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("f", std::string(11, '\n') + "x = 1\r\n");
  diagnostics.add({"f", 12, 1, 1}, "no");
  CHECK(diagnostics.render() ==
        "error: no\n"
        "  --> f:12:1\n"
        "   |\n"
        "12 | x = 1\n"
        "   | ^");
}

TEST_CASE("tabs and wide text before the word do not move the caret", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("f", "\tn = \"\xC3\xA4\xC3\xB6\", bad");
  diagnostics.add({"f", 1, 12, 3}, "no");
  CHECK(diagnostics.render() ==
        "error: no\n"
        " --> f:1:12\n"
        "  |\n"
        "1 | \tn = \"\xC3\xA4\xC3\xB6\", bad\n"
        "  | \t          ^^^");
}

TEST_CASE("a caret at the end of a line stands behind its last character", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("f", "[run\nx = 1");
  diagnostics.add({"f", 1, 5, 1}, "no");
  CHECK(diagnostics.render() == "error: no\n --> f:1:5\n  |\n1 | [run\n  |     ^");
}

TEST_CASE("a mistake in a whole file, or in a file that is not known, needs no line",
          "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add({"run.toml"}, "the config has no [search]");
  diagnostics.add({"other.toml", 3, 4, 1}, "odd", "look there");
  CHECK(diagnostics.render() ==
        "error: the config has no [search]\n --> run.toml\n\n"
        "error: odd\n --> other.toml:3\n  = help: look there");
  Diagnostics nowhere;
  nowhere.add({}, "an option is missing", "give it");
  CHECK(nowhere.render() == "error: an option is missing\n  = help: give it");
}

TEST_CASE("mistakes are sorted by file, line and column", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add({"b", 9, 1, 1}, "first file, late");
  diagnostics.add({"a", 1, 1, 1}, "second file");
  diagnostics.add({"b", 2, 5, 1}, "first file, middle");
  diagnostics.add({"b", 2, 1, 1}, "first file, early");
  const std::string text = diagnostics.render();
  CHECK(text.find("early") < text.find("middle"));
  CHECK(text.find("middle") < text.find("late"));
  CHECK(text.find("late") < text.find("second"));
}

TEST_CASE("twenty mistakes are shown, the others counted", "[diagnostic]") {
  Diagnostics diagnostics;
  for (std::uint32_t i = 0; i < 23; ++i) diagnostics.add({"f", 1 + i, 1, 1}, "mistake");
  const std::string text = diagnostics.render();
  std::size_t shown = 0;
  for (std::size_t at = 0; (at = text.find("error:", at)) != std::string::npos; ++at) ++shown;
  CHECK(shown == 20);
  CHECK(text.ends_with("and 3 more mistakes"));
}

TEST_CASE("a very long line is cut around the mistake", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("f", std::string(5000, 'x') + "BAD" + std::string(5000, 'y'));
  diagnostics.add({"f", 1, 5001, 3}, "no");
  const std::string text = diagnostics.render();
  CHECK(text.size() < 400);
  const std::size_t line = text.find("1 | ") + 4;
  const std::size_t carets = text.find("  | ", line) + 4;
  CHECK(text.substr(line + (text.find('^', carets) - carets), 3) == "BAD");
  CHECK(text.ends_with(" ^^^"));
}

TEST_CASE("nothing that is printed can steer a terminal", "[diagnostic]") {
  Diagnostics diagnostics;
  diagnostics.add_source("f", "a = \x1b[2J\n");
  diagnostics.add({"f", 1, 5, 1}, "found \x1b[2J", "or \x1b[2J");
  CHECK(diagnostics.render().find('\x1b') == std::string::npos);
}

TEST_CASE("no mistake throws nothing, a mistake the exit code that is asked for", "[diagnostic]") {
  Diagnostics diagnostics;
  CHECK_NOTHROW(diagnostics.throw_if_any());
  diagnostics.add({"f"}, "no");
  try {
    diagnostics.throw_if_any(Exit::kPlugin);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::kPlugin);
    CHECK(std::string(error.what()) == "error: no\n --> f");
  }
}

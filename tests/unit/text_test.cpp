// text_test.cpp: distances, suggestions, UTF-8.
#include "host/text.hpp"

#include "tests/support/catch.hpp"

using namespace winnow;

TEST_CASE("one insertion, deletion, replacement or swap of neighbours is a distance of one",
          "[text]") {
  CHECK(edit_distance("verifier", "verifier") == 0);
  CHECK(edit_distance("verifer", "verifier") == 1);
  CHECK(edit_distance("verifiier", "verifier") == 1);
  CHECK(edit_distance("verifyer", "verifier") == 1);
  CHECK(edit_distance("verifeir", "verifier") == 1);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("the nearest name is found, and nothing when none is near", "[text]") {
  const std::vector<std::string> names = {"seed", "name", "deterministic", "nfe"};
  CHECK(nearest_name("sed", names) == "seed");
  CHECK(nearest_name("nmae", names) == "name");
  CHECK(nearest_name("deterministc", names) == "deterministic");
  CHECK(nearest_name("deter", names) == "deterministic");  // a beginning
  CHECK(nearest_name("NFE", names) == "nfe");
  CHECK(nearest_name("de", names) == "");
  CHECK(nearest_name("xyz", names) == "");
  CHECK(nearest_name("", names) == "");
  CHECK(nearest_name(std::string(100'000, 'x'), names) == "");
}

TEST_CASE("short words allow one mistake, longer ones two", "[text]") {
  const std::vector<std::string> names = {"nfe", "weights"};
  CHECK(nearest_name("nef", names) == "nfe");
  CHECK(nearest_name("fen", names) == "");
  CHECK(nearest_name("wieghst", names) == "weights");
  CHECK(nearest_name("wieghstz", names) == "");
}

TEST_CASE("a suggestion is a question, or nothing", "[text]") {
  const std::vector<std::string> names = {"verifier"};
  CHECK(did_you_mean("verifer", names) == "did you mean 'verifier'?");
  CHECK(did_you_mean("banana", names) == "");
}

TEST_CASE("lists read as a sentence", "[text]") {
  CHECK(list_of({}) == "nothing");
  CHECK(list_of(std::vector<std::string>{"a"}) == "'a'");
  CHECK(list_of(std::vector<std::string>{"a", "b", "c"}) == "'a', 'b' or 'c'");
}

TEST_CASE("UTF-8 is told from what only looks like it", "[text]") {
  const auto good = std::string::npos;
  CHECK(first_bad_utf8("plain") == good);
  CHECK(first_bad_utf8("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80") == good);
  CHECK(first_bad_utf8("ab\xFF") == 2);
  CHECK(first_bad_utf8("\xC0\x80") == 0);          // overlong
  CHECK(first_bad_utf8("\xE0\x80\x80") == 0);      // overlong
  CHECK(first_bad_utf8("\xED\xA0\x80") == 0);      // a surrogate
  CHECK(first_bad_utf8("\xF4\x90\x80\x80") == 0);  // above U+10FFFF
  CHECK(first_bad_utf8("a\xE2\x82") == 1);         // cut off
}

TEST_CASE("characters are counted, not bytes", "[text]") {
  CHECK(characters_of("\xC3\xA4\xE2\x82\xAC!").size() == 3);
  CHECK(characters_of("\xFF\xFE").size() == 2);
}

TEST_CASE("what is printed holds no control characters", "[text]") {
  CHECK(printable("a\x1b[31mb\n\x7f\xFF") == "a?[31mb???");
  CHECK(printable("\xC2\x9B"
                  "31m") == "?31m");  // the C1 form of ESC [
  CHECK(printable("\xC3\xA4") == "\xC3\xA4");
}

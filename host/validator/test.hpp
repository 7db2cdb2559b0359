// test.hpp: what a test of the validator is, and how it ends.
#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

namespace winnow::validator {

enum class Outcome { kPassed, kWarned, kSkipped, kFailed };
const char* to_string(Outcome outcome);  // "passed" ...

// Of one test. `text`: what was found and what was expected (failed, warned), or why not (skipped);
// a passed test may have a remark.
struct Verdict {
  Outcome outcome = Outcome::kPassed;
  std::string text = {};
  double seconds = 0;
  std::string output = {};  // what the test's process printed
};

// Thrown to end a test.
struct End {
  Outcome outcome;
  std::string text;
};

template <class... Parts>
[[noreturn]] void fail(fmt::format_string<Parts...> format, Parts&&... parts) {
  throw End{Outcome::kFailed, fmt::format(format, std::forward<Parts>(parts)...)};
}
template <class... Parts>
[[noreturn]] void skip(fmt::format_string<Parts...> format, Parts&&... parts) {
  throw End{Outcome::kSkipped, fmt::format(format, std::forward<Parts>(parts)...)};
}

// What a test is run on: once per package, or on each plugin of some kinds.
enum : unsigned { kPackage = 1, kSampler = 2, kVerifier = 4, kSearch = 8, kPlugin = 14 };

// What must work before a test can say anything new. Each includes those before it.
enum class Needs {
  kNothing,
  kLibrary,   // it loads
  kInstance,  // one can be made
  kUse        // and does what its kind is for
};

class Bench;

struct Test {
  const char* name;
  int level;  // from 1, what every host refuses, to 10, advice
  unsigned on;
  const char* help;  // what holds when it passes, one sentence
  void (*run)(Bench&);
  Needs needs = Needs::kUse;
};

using Tests = std::span<const Test>;
Tests file_tests();       // nothing is loaded
Tests library_tests();    // loaded, no instance made
Tests lifetime_tests();   // instances of any kind
Tests option_tests();     // what create() is given
Tests process_tests();    // what instances leave behind in the process
Tests verifier_tests();   // scores
Tests verifier_claims();  // what verifiers say of themselves, and their optional interfaces
Tests search_tests();
Tests sampler_tests();
Tests sampler_claims();

// What does not work when this test fails; kNothing: no other test depends on it.
Needs proved_by(const Test& test);

// All of them, in the order of docs/check.md.
std::vector<Test> all_tests();

}  // namespace winnow::validator

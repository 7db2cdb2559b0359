// validate.hpp: runs the tests on a package.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/validator/test.hpp"

namespace winnow::validator {

inline constexpr int kDefaultLevel = 5, kHighestLevel = 10;

struct Wanted {
  int level = kDefaultLevel;               // tests up to it
  std::string only = {};                   // one test, whatever its level; empty: all
  std::string plugin = {};                 // of the package's plugins this one; empty: each
  std::vector<std::string> options = {};   // "weights=FILE": for the plugins that declare the key
  std::vector<std::int64_t> shape = {};    // of pictures; empty: what the verifier takes
  std::optional<std::string> prompt = {};  // of each item; nothing: none, or a usual one
  std::uint64_t seed = 0;
  double seconds = 120;     // a test may take
  bool in_process = false;  // for a debugger: nothing is caught, and a crash is the end
};

struct Result {
  std::string subject;  // a plugin's id; "package" for tests of the package
  Test test;
  Verdict verdict;
  std::string because = {};  // it was skipped since this test failed
};

struct Report {
  std::string manifest = {}, package = {},
              version = {};  // the latter two empty when it cannot be read
  int level = 0;
  std::uint64_t seed = 0;
  std::vector<Result> results = {};
  std::size_t count(Outcome outcome) const;
};

// `manifest`: the file. `on_result` is called after each test. Throws Error(Exit::kUsage) before
// the first one for unknown names, wrong options and options that a plugin needs.
Report validate(const std::filesystem::path& manifest, const Wanted& wanted,
                const std::function<void(const Result&)>& on_result);

}  // namespace winnow::validator

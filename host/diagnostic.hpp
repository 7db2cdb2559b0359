// diagnostic.hpp: mistakes in files and overrides, with line, column, a caret and the nearest valid
// name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host/error.hpp"

namespace winnow {

// A stretch of text in a file, or in an override ("argv[3]"). Lines and columns count from 1; line
// 0: the whole file.
struct Where {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::uint32_t length = 1;  // of the caret run, in characters
};

struct Diagnostic {
  Where where;
  std::string message;  // what was found, what was expected
  std::string help;     // "did you mean 'verifier'?"; empty: none
};

// Collects mistakes so that all are shown at once. Knows the text of the files, to print the line
// under which the caret stands. Not thread-safe.
class Diagnostics {
 public:
  // `file` as it stands in Where::file.
  void add_source(const std::string& file, std::string text);
  void add(Where where, std::string message, std::string help = "");
  bool empty() const { return all_.empty(); }
  const std::vector<Diagnostic>& all() const { return all_; }

  // Every mistake (at most 20, then a count) in the form
  //   error: unknown key 'verifer'
  //     --> run.toml:12:3
  //      |
  //   12 | [[verifer]]
  //      |   ^^^^^^^
  //      = help: did you mean 'verifier'?
  // sorted by file, line and column, without a last line end. Safe to print: no control characters.
  std::string render() const;

  // Throws Error(exit, render()) when there is any mistake.
  void throw_if_any(Exit exit = Exit::kUsage) const;

 private:
  std::map<std::string, std::string> sources_;
  std::vector<Diagnostic> all_;
};

}  // namespace winnow

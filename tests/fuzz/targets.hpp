// targets.hpp: the readers of files that strangers write, each under one name, for the fuzzer and
// for the test that replays the corpus.
//
// A target takes the bytes of a file and lets the reader have it. A refusal that is the file's
// fault is fine; anything else is thrown on: another exception, an internal error, or a file that
// is taken and breaks what its reader promises.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace winnow::fuzz {

struct Target {
  std::string name;  // of its folder in tests/fuzz/corpus
  void (*run)(std::string_view bytes);
};

std::span<const Target> targets();

}  // namespace winnow::fuzz

// How messages about networks show what LibTorch has to say.
#pragma once

#include <c10/util/ArrayRef.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace winnow {

inline std::string shape_text(c10::ArrayRef<int64_t> shape) {
  std::string out = "[";
  for (const int64_t size : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(size);
  return out + "]";
}

// Where PyTorch says what was wrong: behind where it was in a program, before where it was in
// LibTorch.
inline std::string last_line(std::string text) {
  text.resize(std::min(text.size(), text.find("\nException raised from")));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.find_last_of('\n') + 1);
}

}  // namespace winnow

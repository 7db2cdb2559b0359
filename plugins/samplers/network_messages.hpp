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

// Where PyTorch says what was wrong: before where it was in LibTorch, and behind where it was in a
// TorchScript program.
inline std::string reason_in(std::string text) {
  text.resize(std::min(text.size(), text.find("\nException raised from")));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const bool of_script = text.find("Traceback of TorchScript") != std::string::npos;
  return of_script ? text.substr(text.find_last_of('\n') + 1) : text.substr(0, text.find('\n'));
}

}  // namespace winnow

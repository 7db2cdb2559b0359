// A user's text in a message.
#pragma once

#include <string>
#include <string_view>

namespace winnow {

// 'text'; of a long one only the beginning, whole characters: 'the begin...'.
inline std::string in_quotes(std::string_view text) {
  constexpr size_t kMost = 80;
  if (text.size() <= kMost) return "'" + std::string(text) + "'";
  size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return "'" + std::string(text.substr(0, end)) + "...'";
}

}  // namespace winnow

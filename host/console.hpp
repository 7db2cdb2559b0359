// console.hpp: where messages go: stderr, one line each, above the progress line; colours only on a
// terminal.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <string_view>

namespace winnow {

// Writes whole lines of messages.
using MessageWriter = std::function<void(std::string_view text)>;

// Makes spdlog's default logger write "warning: text" lines by `write`, from any thread;
// `verbosity`: -1 errors only, 0 information too, 1 debugging too. `write` must live until the next
// call.
void log_to(MessageWriter write, int verbosity, bool colours);

// An error for people: "error: " in front unless the message already begins so, ends in a line end;
// lines are kept, other control characters and bad UTF-8 become '?'.
std::string error_text(std::string_view message, bool colours);

// stderr is a terminal and NO_COLOR is not set (or empty).
bool stderr_wants_colours();

}  // namespace winnow

// prompt_file.hpp: prompts out of a file of text, JSON Lines or CSV.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "host/diagnostic.hpp"

namespace winnow {

// Calls take(prompt, where) for each prompt of `text`, the content of `file`, in order, until it
// returns false. The file's name says how its prompts are written:
//   .jsonl, .ndjson   on each line an object whose "prompt" is text, or text alone; other keys are
//                     passed over
//   .csv              RFC 4180 with a header that has a column "prompt"; other columns are passed
//                     over. A quoted prompt may go over several lines
//   anything else     on each line a prompt
// Lines with nothing but blanks are passed over, a byte order mark and CR before LF, too. What is
// no such file becomes a mistake in `diagnostics`; later lines are still read where that makes
// sense.
void for_each_prompt(const std::filesystem::path& file, std::string_view text,
                     const std::function<bool(std::string_view prompt, const Where& where)>& take,
                     Diagnostics& diagnostics);

}  // namespace winnow

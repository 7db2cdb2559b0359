// progress.hpp: the progress of a run on stderr: one line that is drawn again on a terminal, plain
// lines elsewhere.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "host/run.hpp"

namespace winnow {

// "search 31% | NFE 31,000/100,000 | best 0.812 (+0.143 over first) | 412 NFE/s | ETA 2m47s", of at
// most `width` columns: what matters least is left out first. Parts that are not known yet (no
// total, no score: NaN, no rate) are left out. Printable ASCII only.
std::string progress_text(const Progress& progress, std::size_t width);

enum class ProgressStyle { kLine, kPlain, kNone };

// "auto", "line", "plain", "none" to a style. auto: a line on a terminal that can move its cursor,
// else plain lines.
ProgressStyle progress_style(std::string_view name, bool terminal);

// Draws at most ten times a second (kLine) or every 30 seconds (kPlain; the first line at once, the
// last one with clear()).
// Calls may come from any thread.
class ProgressPrinter {
 public:
  struct Screen {
    std::ostream& out;
    std::function<std::size_t()> columns;  // of the terminal, asked at each drawing
    std::function<double()> now;           // seconds of a steady clock
  };
  ProgressPrinter(ProgressStyle style, Screen screen) : style_(style), screen_(std::move(screen)) {}

  void show(const Progress& progress);
  // Prints `text` (whole lines) where the progress line stands, which is drawn again below it.
  void print_above(std::string_view text);
  // Takes the line away; kPlain: prints what was shown last. show() may draw again.
  void clear();

 private:
  void draw();
  void erase();
  void print_held_back();

  ProgressStyle style_;
  Screen screen_;
  std::mutex mutex_;
  std::string line_;  // as it stands on the screen; empty: none
  std::optional<double> last_;
  std::optional<Progress> held_back_;  // kPlain: the newest that came too early
};

// Columns of the terminal behind stderr; 80 when it does not say.
std::size_t terminal_columns();

// stderr is a terminal that understands "back to the start of the line".
bool stderr_is_terminal();

}  // namespace winnow

// progress.cpp: see progress.hpp.
#include "host/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "host/figures.hpp"

namespace winnow {
namespace {

constexpr double kLinePause = 0.1;
constexpr double kPlainPause = 30;
constexpr double kLeastSecondsForRate = 0.5;
constexpr const char* kEraseLine = "\r\x1b[K";

struct Part {
  std::string text;
  int rank;  // the least is left out last
};

double rate_of(const Progress& p) {
  return p.seconds < kLeastSecondsForRate ? 0 : p.nfe_this_part / p.seconds;
}

// By NFE; by tasks where the total is not known.
std::string head(const Progress& p) {
  const double total = p.nfe_total > 0 ? p.nfe_total : static_cast<double>(p.tasks);
  const double done = p.nfe_total > 0 ? p.nfe : static_cast<double>(p.tasks_done);
  if (!(total > 0)) return "search";
  // 100% is for what is done, not for what is nearly done.
  return fmt::format("search {:.0f}%", std::floor(100 * std::clamp(done / total, 0.0, 1.0)));
}

std::array<Part, 6> parts_of(const Progress& p) {
  const double rate = rate_of(p);
  const bool scored = std::isfinite(p.mean_best);
  std::array<Part, 6> parts = {{{head(p), 0}, {"", 3}, {"", 2}, {"", 4}, {"", 5}, {"", 1}}};
  parts[1].text = p.nfe_total > 0 ? fmt::format("NFE {}/{}", grouped(p.nfe), grouped(p.nfe_total))
                                  : fmt::format("NFE {}", grouped(p.nfe));
  if (scored) parts[2].text = "best " + score_text(p.mean_best);
  if (p.tasks > 1) parts[3].text = fmt::format("tasks {}/{}", p.tasks_done, p.tasks);
  if (rate > 0)
    parts[4].text = fmt::format("{} NFE/s", rate < 10 ? score_text(rate) : grouped(rate));
  if (rate > 0 && p.nfe_total > p.nfe)
    parts[5].text = "ETA " + duration_text((p.nfe_total - p.nfe) / rate);
  return parts;
}

}  // namespace

std::string progress_text(const Progress& progress, std::size_t width) {
  std::array<Part, 6> parts = parts_of(progress);
  const auto joined = [&](int worst) {
    std::string line;
    for (const Part& part : parts)
      if (part.rank <= worst && !part.text.empty()) line += (line.empty() ? "" : " | ") + part.text;
    return line;
  };
  const bool gain = progress.tasks_done > 0 && std::isfinite(progress.mean_gain);
  const std::string best = parts[2].text;
  if (gain && !best.empty())
    parts[2].text = fmt::format("{} ({} over first)", best, gain_text(progress.mean_gain));
  for (int worst = 5; worst >= 0; --worst) {
    std::string line = joined(worst);
    if (line.size() <= width) return line;
    if (worst == 3) parts[2].text = best;  // the gain goes before the NFE do
    if (line = joined(worst); line.size() <= width) return line;
  }
  return joined(0).substr(0, width);
}

ProgressStyle progress_style(std::string_view name, bool terminal) {
  if (name == "none") return ProgressStyle::kNone;
  if (name == "line") return ProgressStyle::kLine;
  if (name == "plain") return ProgressStyle::kPlain;
  return terminal ? ProgressStyle::kLine : ProgressStyle::kPlain;
}

void ProgressPrinter::show(const Progress& progress) {
  if (style_ == ProgressStyle::kNone) return;
  const std::lock_guard lock(mutex_);
  const double now = screen_.now();
  if (style_ == ProgressStyle::kPlain) held_back_ = progress;
  if (last_ && now - *last_ < (style_ == ProgressStyle::kLine ? kLinePause : kPlainPause)) return;
  last_ = now;
  if (style_ == ProgressStyle::kPlain) return print_held_back();
  // One column stays free: some terminals begin a new line when the last one is filled.
  line_ = progress_text(progress, std::max<std::size_t>(screen_.columns(), 2) - 1);
  draw();
}

void ProgressPrinter::print_held_back() {
  if (held_back_) screen_.out << progress_text(*held_back_, std::string::npos) << std::endl;
  held_back_.reset();
}

void ProgressPrinter::print_above(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (line_.empty()) {
    screen_.out << text << std::flush;
    return;
  }
  screen_.out << kEraseLine << text;
  draw();
}

void ProgressPrinter::clear() {
  const std::lock_guard lock(mutex_);
  print_held_back();
  erase();
}

void ProgressPrinter::draw() { screen_.out << kEraseLine << line_ << std::flush; }

void ProgressPrinter::erase() {
  if (!line_.empty()) screen_.out << kEraseLine << std::flush;
  line_.clear();
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool stderr_is_terminal() {
  if (!::isatty(STDERR_FILENO)) return false;
  const char* kind = std::getenv("TERM");
  return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
}

}  // namespace winnow

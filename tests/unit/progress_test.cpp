// progress_test.cpp: the progress line: what it says, how wide it is, how often it is drawn.
#include "host/progress.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <vector>

#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

Progress typical() {
  Progress p;
  p.tasks = 1;
  p.tasks_done = 1;
  p.nfe = 31000;
  p.nfe_total = 100000;
  p.mean_best = 0.812;
  p.mean_gain = 0.143;
  p.nfe_this_part = 31000;
  p.seconds = 31000 / 412.0;
  return p;
}

// A screen whose clock and width the test sets.
struct FakeScreen {
  std::ostringstream out;
  double now = 0;
  std::size_t columns = 80;
  ProgressPrinter::Screen screen() {
    return {out, [this] { return columns; }, [this] { return now; }};
  }
  std::string take() {
    std::string text = out.str();
    out.str("");
    return text;
  }
};

}  // namespace

TEST_CASE("the progress line says share, NFE, best score, gain, rate and time left", "[progress]") {
  CHECK(progress_text(typical(), 120) ==
        "search 31% | NFE 31,000/100,000 | best 0.812 (+0.143 over first) | 412 NFE/s | ETA 2m47s");
}

TEST_CASE("with several tasks the progress line counts them", "[progress]") {
  Progress p = typical();
  p.tasks = 10;
  p.tasks_done = 3;
  CHECK(progress_text(p, 120).find(" | tasks 3/10 | ") != std::string::npos);
}

TEST_CASE("the progress line is never wider than asked, at any width", "[progress]") {
  for (double scale : {1.0, 1e3, 1e9}) {
    Progress p = typical();
    p.tasks = 50000;
    p.nfe *= scale, p.nfe_total *= scale, p.nfe_this_part *= scale;
    std::size_t last = 0;
    for (std::size_t width = 1; width <= 200; ++width) {
      const std::string line = progress_text(p, width);
      CHECK(line.size() <= width);
      CHECK(line.size() >= last);  // more room never shows less
      last = line.size();
    }
  }
}

TEST_CASE("at 40 columns share, best score and time left remain", "[progress]") {
  CHECK(progress_text(typical(), 40) == "search 31% | best 0.812 | ETA 2m47s");
}

TEST_CASE("what is not known yet is left out of the progress line", "[progress]") {
  Progress p;
  p.tasks = 4;
  p.mean_best = std::nan("");
  CHECK(progress_text(p, 120) == "search 0% | NFE 0 | tasks 0/4");
  p.nfe_total = 100;
  CHECK(progress_text(p, 120) == "search 0% | NFE 0/100 | tasks 0/4");
  p.nfe = 100;
  CHECK(progress_text(p, 120).find("ETA") == std::string::npos);
}

TEST_CASE("a search that is nearly done does not claim 100%", "[progress]") {
  Progress p = typical();
  p.nfe = p.nfe_total - 1;
  CHECK(progress_text(p, 120).starts_with("search 99% "));
  p.nfe = p.nfe_total + 5;
  CHECK(progress_text(p, 120).starts_with("search 100% "));
}

TEST_CASE("the time left counts the speed of this part of the run only", "[progress]") {
  Progress p = typical();
  p.nfe_this_part = 1000;
  p.seconds = 10;  // 100 NFE/s, 69,000 NFE to go
  CHECK(progress_text(p, 120).ends_with("| 100 NFE/s | ETA 11m30s"));
}

TEST_CASE("the progress line is drawn at most ten times a second and fits the terminal",
          "[progress]") {
  FakeScreen fake;
  fake.columns = 50;
  ProgressPrinter printer(ProgressStyle::kLine, fake.screen());
  int drawn = 0;
  for (int i = 0; i < 1000; ++i) {
    fake.now = i * 0.001;
    printer.show(typical());
    const std::string text = fake.take();
    if (text.empty()) continue;
    ++drawn;
    CHECK(text.starts_with("\r\x1b[K"));
    CHECK(text.find('\n') == std::string::npos);
    CHECK(text.size() - 4 <= 49);
  }
  CHECK(drawn >= 9);
  CHECK(drawn <= 10);
}

TEST_CASE("messages stand above the progress line, which is drawn again", "[progress]") {
  FakeScreen fake;
  ProgressPrinter printer(ProgressStyle::kLine, fake.screen());
  printer.print_above("note: before\n");
  CHECK(fake.take() == "note: before\n");
  printer.show(typical());
  const std::string line = fake.take();
  printer.print_above("warning: x\n");
  CHECK(fake.take() == "\r\x1b[Kwarning: x\n" + line);
  printer.clear();
  CHECK(fake.take() == "\r\x1b[K");
  printer.clear();
  CHECK(fake.take().empty());
}

TEST_CASE("plain progress is a whole line at once and then every 30 seconds, without control bytes",
          "[progress]") {
  FakeScreen fake;
  fake.columns = 20;  // a file has no width
  ProgressPrinter printer(ProgressStyle::kPlain, fake.screen());
  std::vector<double> times;
  for (int second = 0; second <= 90; ++second) {
    fake.now = second;
    printer.show(typical());
    const std::string text = fake.take();
    if (text.empty()) continue;
    times.push_back(second);
    CHECK(text == progress_text(typical(), 500) + "\n");
    CHECK(std::none_of(text.begin(), text.end() - 1,
                       [](unsigned char c) { return c < 0x20 || c > 0x7e; }));
  }
  CHECK(times == std::vector<double>{0, 30, 60, 90});
  printer.clear();
  CHECK(fake.take().empty());
  Progress end = typical();
  end.nfe = end.nfe_total;
  fake.now = 91;
  printer.show(end);
  CHECK(fake.take().empty());
  printer.clear();
  CHECK(fake.take() == progress_text(end, 500) + "\n");
  printer.clear();
  CHECK(fake.take().empty());
}

TEST_CASE("progress none prints nothing, and auto chooses by the terminal", "[progress]") {
  FakeScreen fake;
  ProgressPrinter printer(ProgressStyle::kNone, fake.screen());
  printer.show(typical());
  CHECK(fake.take().empty());
  CHECK(progress_style("auto", true) == ProgressStyle::kLine);
  CHECK(progress_style("auto", false) == ProgressStyle::kPlain);
  CHECK(progress_style("plain", true) == ProgressStyle::kPlain);
  CHECK(progress_style("line", false) == ProgressStyle::kLine);
  CHECK(progress_style("none", true) == ProgressStyle::kNone);
}

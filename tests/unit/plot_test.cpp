#include "host/plot.hpp"

#include <cmath>
#include <fstream>
#include <limits>

#include "tests/support/catch.hpp"

using namespace winnow;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(const PlotAxis& axis, int target = 6) {
  std::vector<std::string> result;
  for (const Tick& tick : axis.ticks(target)) result.push_back(tick.label);
  return result;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Plot two_points() {
  Plot plot;
  plot.series = {{"a", {{1, 1, 0.5, 1.5}, {2, 2, 1.5, 2.5}}}};
  return plot;
}

}  // namespace

TEST_CASE("ticks of a linear axis are round numbers", "[plot]") {
  CHECK(labels({Scale::kLinear, {0, 10}}) ==
        std::vector<std::string>{"0", "2", "4", "6", "8", "10"});
  CHECK(labels({Scale::kLinear, {0.91, 0.99}}) ==
        std::vector<std::string>{"0.92", "0.94", "0.96", "0.98"});
  CHECK(labels({Scale::kLinear, {-1500, 2500}}) ==
        std::vector<std::string>{"-1,000", "0", "1,000", "2,000"});
}

TEST_CASE("ticks of a log axis are powers of ten, or 1, 2, 5 between a few of them", "[plot]") {
  CHECK(labels({Scale::kLog, {1, 100000}}) ==
        std::vector<std::string>{"1", "10", "100", "1,000", "10,000", "100,000"});
  CHECK(labels({Scale::kLog, {25, 400}}) == std::vector<std::string>{"50", "100", "200"});
  CHECK(labels({Scale::kLog, {0.01, 0.5}}) ==
        std::vector<std::string>{"0.01", "0.02", "0.05", "0.1", "0.2", "0.5"});
}

TEST_CASE("a log axis over a narrow range is divided evenly", "[plot]") {
  CHECK(labels({Scale::kLog, {310, 330}}).size() >= 3);
}

TEST_CASE("every tick lies within its axis", "[plot]") {
  for (const Scale scale : {Scale::kLinear, Scale::kLog}) {
    for (double low = 1e-6; low < 1e9; low *= 7.3) {
      for (const double factor : {1.0, 1.001, 1.7, 12.0, 1e5}) {
        const PlotAxis axis(scale, {low, low * factor});
        const auto ticks = axis.ticks();
        CAPTURE(low, factor, static_cast<int>(scale));
        CHECK(ticks.size() >= 2);
        CHECK(ticks.size() <= 14);
        for (const Tick& tick : ticks) {
          CHECK(axis.share(tick.value) >= -1e-6);
          CHECK(axis.share(tick.value) <= 1 + 1e-6);
        }
      }
    }
  }
}

TEST_CASE("scales map the middle to the middle", "[plot]") {
  CHECK(PlotAxis(Scale::kLinear, {0, 10}).share(5) == Approx(0.5));
  CHECK(PlotAxis(Scale::kLog, {1, 100}).share(10) == Approx(0.5));
}

TEST_CASE("an axis passes over what it cannot show", "[plot]") {
  const PlotAxis linear(Scale::kLinear, {kNan, 1, kInfinity, 2});
  CHECK(linear.low() == Approx(0.95));
  CHECK(linear.high() == Approx(2.05));
  const PlotAxis log(Scale::kLog, {0, -3, 10, 1000});
  CHECK(log.low() > 1);
  CHECK_FALSE(log.drawable(0));
  CHECK(labels({Scale::kLinear, {}}).size() >= 2);
  CHECK(labels({Scale::kLog, {}}).size() >= 2);
}

TEST_CASE("a plot says what it shows, escaped for XML", "[plot]") {
  Plot plot = two_points();
  plot.title = "IS < 10 & \"more\"";
  plot.x_label = "NFE";
  plot.series[0].label = "a > b\x01";
  const std::string svg = plot_svg(plot);
  CHECK(svg.find("IS &lt; 10 &amp; &quot;more&quot;") != svg.npos);
  CHECK(svg.find("a &gt; b?") != svg.npos);
  CHECK(svg.find("<polyline") != svg.npos);
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
}

TEST_CASE("points that cannot be drawn are left out and nothing becomes nan", "[plot]") {
  Plot plot = two_points();
  plot.x_scale = plot.y_scale = Scale::kLog;
  plot.series[0].points = {{1, 1, kNan, kNan},    {2, kNan, kNan, kNan}, {0, 3, 2, 4},
                           {4, 4, -1, kInfinity}, {kInfinity, 1, 1, 1},  {8, -2, -3, -1}};
  plot.lines = {{"real", kNan}, {"zero", 0}};
  const std::string svg = plot_svg(plot);
  CHECK(count(svg, "<circle") == 2 + 1);  // and one in the legend
  CHECK(svg.find("nan") == svg.npos);
  CHECK(svg.find("inf") == svg.npos);
}

TEST_CASE("an empty plot is still a picture", "[plot]") {
  CHECK(plot_svg({}).find("nan") == std::string::npos);
  CHECK(plot_svg({}).ends_with("</svg>\n"));
}

TEST_CASE("series over categories stand side by side and are not joined", "[plot]") {
  Plot plot;
  plot.categories = {"one", "two"};
  plot.x_scale = Scale::kLog;  // of no meaning here: the first category is 0
  plot.series = {{"a", {{0, 1, kNan, kNan}, {1, 2, kNan, kNan}}},
                 {"b", {{0, 1, kNan, kNan}, {5, 2, kNan, kNan}}}};
  const std::string svg = plot_svg(plot);
  CHECK(svg.find("<polyline") == svg.npos);
  CHECK(svg.find(">one<") != svg.npos);
  CHECK(count(svg, "<polygon") == 1 + 1);  // the point beyond the categories is not there
}

TEST_CASE("equal plots give equal bytes", "[plot]") {
  CHECK(plot_svg(two_points()) == plot_svg(two_points()));
}

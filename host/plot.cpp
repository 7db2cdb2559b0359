// plot.cpp: the drawing.
#include "host/plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/text.hpp"

namespace winnow {
namespace {

constexpr double kWidth = 720, kHeight = 440;
constexpr double kLeft = 72, kTop = 44, kBottom = 62, kRight = 18;
constexpr double kLegendText = 7;  // width of a character, about
constexpr double kCap = 3.5;       // half the width of an error bar's end
// Okabe and Ito's colours, which people with any kind of colour vision can tell apart; black last.
constexpr std::array<const char*, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000", "#8c6d31"};

// One marker centred on (x, y); a second round through the colours gets other shapes.
std::string marker(std::size_t series, double x, double y) {
  const char* colour = kColours[series % kColours.size()];
  const auto polygon = [&](std::initializer_list<std::pair<double, double>> corners) {
    std::string points;
    for (const auto& [dx, dy] : corners) points += fmt::format("{:.1f},{:.1f} ", x + dx, y + dy);
    points.pop_back();
    return fmt::format("<polygon points=\"{}\" fill=\"{}\"/>\n", points, colour);
  };
  switch ((series + series / kColours.size()) % 5) {
    case 0:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", x, y,
                         colour);
    case 1:
      return polygon({{-3.6, -3.6}, {3.6, -3.6}, {3.6, 3.6}, {-3.6, 3.6}});
    case 2:
      return polygon({{0, -5}, {4.6, 3.6}, {-4.6, 3.6}});
    case 3:
      return polygon({{0, -5.2}, {5.2, 0}, {0, 5.2}, {-5.2, 0}});
    default:
      return polygon({{0, 5}, {4.6, -3.6}, {-4.6, -3.6}});
  }
}

std::string text(double x, double y, const std::string& attributes, std::string_view content) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, attributes,
                     xml_escaped(content));
}

std::string line(double x1, double y1, double x2, double y2, const std::string& stroke) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, stroke);
}

class Drawing {
 public:
  explicit Drawing(const Plot& plot)
      : plot_(plot), x_(plot.x_scale, all_x()), y_(plot.y_scale, all_y()) {
    std::size_t longest = 0;
    for (const auto& series : plot.series)
      longest = std::max(longest, characters_of(series.label).size());
    for (const auto& reference : plot.lines)
      longest = std::max(longest, characters_of(reference.label).size());
    legend_ =
        longest ? 44 + kLegendText * static_cast<double>(std::min<std::size_t>(longest, 36)) : 0;
    right_ = kWidth - kRight - legend_;
  }

  std::string svg() {
    out_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
        "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" "
        "font-size=\"12\" fill=\"#222222\">\n"
        "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n",
        kWidth, kHeight);
    if (!plot_.title.empty())
      out_ += text(kLeft, 26, " font-size=\"15\" font-weight=\"bold\"", plot_.title);
    draw_axes();
    draw_references();
    for (std::size_t s = 0; s < plot_.series.size(); ++s) draw_series(s);
    draw_legend();
    return out_ + "</svg>\n";
  }

 private:
  bool categorical() const { return !plot_.categories.empty(); }
  double bottom() const { return kHeight - kBottom; }

  // Values that nobody can see, such as points without a drawable partner, do not stretch the axes.
  std::vector<double> all_x() const {
    std::vector<double> values;
    const PlotAxis any_y(plot_.y_scale, {});
    for (const auto& series : plot_.series)
      for (const PlotPoint& point : series.points)
        if (any_y.drawable(point.y)) values.push_back(point.x);
    return values;
  }

  std::vector<double> all_y() const {
    std::vector<double> values;
    const PlotAxis any_x(categorical() ? Scale::kLinear : plot_.x_scale, {});
    for (const auto& series : plot_.series) {
      for (const PlotPoint& point : series.points) {
        if (!any_x.drawable(point.x) || !std::isfinite(point.y)) continue;
        values.push_back(point.y);
        values.push_back(point.low);
        values.push_back(point.high);
      }
    }
    for (const auto& reference : plot_.lines) values.push_back(reference.y);
    return values;
  }

  double x_of(double value, std::size_t series) const {
    if (!categorical()) return kLeft + x_.share(value) * (right_ - kLeft);
    const double slot = (right_ - kLeft) / static_cast<double>(plot_.categories.size());
    const double spread = 0.7 * slot;
    const auto n = static_cast<double>(plot_.series.size());
    return kLeft + (value + 0.5) * slot + spread * ((static_cast<double>(series) + 0.5) / n - 0.5);
  }
  double y_of(double value) const { return bottom() - y_.share(value) * (bottom() - kTop); }
  double clamped_y(double value) const {
    if (!y_.drawable(value)) return value > 0 ? kTop : bottom();
    return std::clamp(y_of(value), kTop, bottom());
  }

  bool drawable(const PlotPoint& point) const {
    const bool x = categorical()
                       ? point.x >= 0 && point.x < static_cast<double>(plot_.categories.size())
                       : x_.drawable(point.x);
    return x && y_.drawable(point.y);
  }

  void draw_axes() {
    const std::string grid = "stroke=\"#e3e3e3\" stroke-width=\"1\"";
    const std::string frame = "stroke=\"#555555\" stroke-width=\"1\"";
    for (const Tick& tick : y_.ticks()) {
      const double y = y_of(tick.value);
      out_ += line(kLeft, y, right_, y, grid);
      out_ += text(kLeft - 7, y + 4, " text-anchor=\"end\"", tick.label);
    }
    if (categorical()) {
      draw_categories();
    } else {
      for (const Tick& tick : x_.ticks()) {
        const double x = x_of(tick.value, 0);
        out_ += line(x, kTop, x, bottom(), grid);
        out_ += text(x, bottom() + 17, " text-anchor=\"middle\"", tick.label);
      }
    }
    out_ += line(kLeft, bottom(), right_, bottom(), frame);
    out_ += line(kLeft, kTop, kLeft, bottom(), frame);
    const double middle = (kTop + bottom()) / 2;
    out_ += text((kLeft + right_) / 2, kHeight - 14, " text-anchor=\"middle\"", plot_.x_label);
    out_ += text(16, middle,
                 fmt::format(" text-anchor=\"middle\" transform=\"rotate(-90 16 {:.1f})\"", middle),
                 plot_.y_label);
  }

  // In two heights where the names would run into each other.
  void draw_categories() {
    const auto n = plot_.categories.size();
    const double slot = (right_ - kLeft) / static_cast<double>(n);
    std::size_t longest = 0;
    for (const std::string& name : plot_.categories)
      longest = std::max(longest, characters_of(name).size());
    const bool crowded = kLegendText * static_cast<double>(longest) > slot;
    for (std::size_t i = 0; i < n; ++i) {
      const double x = kLeft + (static_cast<double>(i) + 0.5) * slot;
      out_ += text(x, bottom() + 17 + (crowded && i % 2 ? 13 : 0), " text-anchor=\"middle\"",
                   plot_.categories[i]);
      if (i > 0)
        out_ += line(x - slot / 2, kTop, x - slot / 2, bottom(),
                     "stroke=\"#e3e3e3\" stroke-width=\"1\"");
    }
  }

  void draw_references() {
    for (const PlotLine& reference : plot_.lines) {
      if (!y_.drawable(reference.y)) continue;
      const double y = y_of(reference.y);
      out_ += line(kLeft, y, right_, y, kReferenceStroke);
    }
  }

  void draw_series(std::size_t s) {
    const char* colour = kColours[s % kColours.size()];
    std::string path, bars, marks;
    for (const PlotPoint& point : plot_.series[s].points) {
      if (!drawable(point)) continue;
      const double x = x_of(point.x, s), y = y_of(point.y);
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", x, y);
      marks += marker(s, x, y);
      if (std::isnan(point.low) || std::isnan(point.high)) continue;
      const std::string stroke = fmt::format("stroke=\"{}\" stroke-width=\"1.2\"", colour);
      const double low = clamped_y(point.low), high = clamped_y(point.high);
      bars += line(x, low, x, high, stroke);
      bars += line(x - kCap, low, x + kCap, low, stroke);
      bars += line(x - kCap, high, x + kCap, high, stroke);
    }
    out_ += bars;
    if (!categorical() && path.find(' ') != std::string::npos)
      out_ += fmt::format(
          "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" "
          "stroke-linejoin=\"round\"/>\n",
          path, colour);
    out_ += marks;
  }

  void draw_legend() {
    if (legend_ == 0) return;
    const double left = right_ + 14;
    double y = kTop + 10;
    for (std::size_t s = 0; s < plot_.series.size(); ++s, y += 20) {
      const char* colour = kColours[s % kColours.size()];
      if (!categorical())
        out_ +=
            line(left, y, left + 22, y, fmt::format("stroke=\"{}\" stroke-width=\"2\"", colour));
      out_ += marker(s, left + 11, y);
      out_ += text(left + 28, y + 4, "", plot_.series[s].label);
    }
    for (const PlotLine& reference : plot_.lines) {
      out_ += line(left, y, left + 22, y, kReferenceStroke);
      out_ += text(left + 28, y + 4, "", reference.label);
      y += 20;
    }
  }

  static constexpr const char* kReferenceStroke =
      "stroke=\"#777777\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"";

  const Plot& plot_;
  PlotAxis x_, y_;
  double legend_ = 0, right_ = 0;
  std::string out_;
};

}  // namespace

std::string plot_svg(const Plot& plot) { return Drawing(plot).svg(); }

std::string xml_escaped(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

}  // namespace winnow

// diagnostic.cpp: how mistakes are printed.
#include "host/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/text.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMostShown = 20;
constexpr std::size_t kWidest = 100;  // characters of a source line that are shown

// The line without its end; lines count from 1.
std::string_view line_of(std::string_view text, std::uint32_t line) {
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// The source line and the carets under it, cut to the stretch around the mistake when it is long.
struct Excerpt {
  std::string line, carets;
};

Excerpt excerpt(std::string_view line, const Where& where) {
  const std::vector<std::string_view> characters = characters_of(line);
  const std::size_t column = std::min<std::size_t>(where.column, characters.size() + 1);
  const std::size_t room = std::max<std::size_t>(characters.size() + 1 - column, 1);
  const std::size_t length = std::clamp<std::size_t>(where.length, 1, room);
  const bool cut = characters.size() > kWidest;
  const std::size_t begin = cut && column > kWidest / 2 ? column - kWidest / 2 : 0;
  const std::size_t end = std::min(characters.size(), begin + kWidest);
  Excerpt result;
  if (begin > 0) result.line = "...", result.carets = "   ";
  for (std::size_t i = begin; i < end; ++i) {
    const bool tab = characters[i] == "\t";
    // A tab stays one, in both lines, so that the caret is below its word whatever a tab's width.
    result.line += tab ? "\t" : printable(characters[i]);
    if (i + 1 < column) result.carets += tab ? '\t' : ' ';
  }
  if (end < characters.size()) result.line += "...";
  result.carets.append(std::min(length, begin + kWidest + 1 - std::min(column, begin + kWidest)),
                       '^');
  return result;
}

std::string render_one(const Diagnostic& one, const std::map<std::string, std::string>& sources) {
  const Where& where = one.where;
  std::string text = fmt::format("error: {}\n", one.message);
  const auto source = sources.find(where.file);
  if (where.line == 0 || where.column == 0 || source == sources.end()) {
    const std::string place = where.line == 0 ? "" : fmt::format(":{}", where.line);
    if (!where.file.empty()) text += fmt::format(" --> {}{}\n", printable(where.file), place);
    if (!one.help.empty()) text += fmt::format("  = help: {}\n", one.help);
    return text;
  }
  const std::string number = std::to_string(where.line);
  const std::string blank(number.size(), ' ');
  const Excerpt shown = excerpt(line_of(source->second, where.line), where);
  text += fmt::format("{}--> {}:{}:{}\n", blank, printable(where.file), where.line, where.column);
  text += fmt::format("{} |\n{} | {}\n{} | {}\n", blank, number, shown.line, blank, shown.carets);
  if (!one.help.empty()) text += fmt::format("{} = help: {}\n", blank, one.help);
  return text;
}

}  // namespace

void Diagnostics::add_source(const std::string& file, std::string text) {
  sources_.insert_or_assign(file, std::move(text));
}

void Diagnostics::add(Where where, std::string message, std::string help) {
  all_.push_back({std::move(where), printable(message), printable(help)});
}

std::string Diagnostics::render() const {
  // Files keep the order in which their mistakes came up; within a file the order of reading is of
  // no interest to the reader, the order of lines is.
  std::vector<std::string> files;
  for (const Diagnostic& one : all_) {
    if (std::find(files.begin(), files.end(), one.where.file) == files.end()) {
      files.push_back(one.where.file);
    }
  }
  std::vector<std::pair<std::size_t, const Diagnostic*>> sorted;
  for (const Diagnostic& one : all_) {
    const auto file = std::find(files.begin(), files.end(), one.where.file);
    sorted.emplace_back(static_cast<std::size_t>(file - files.begin()), &one);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const Where &left = a.second->where, &right = b.second->where;
    return std::pair(left.line, left.column) < std::pair(right.line, right.column);
  });
  std::string text;
  const std::size_t shown = std::min(sorted.size(), kMostShown);
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += '\n';
    text += render_one(*sorted[i].second, sources_);
  }
  if (shown < sorted.size()) {
    const std::size_t more = sorted.size() - shown;
    text += fmt::format("\nand {} more {}\n", more, more == 1 ? "mistake" : "mistakes");
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void Diagnostics::throw_if_any(Exit exit) const {
  if (!empty()) throw Error(exit, render());
}

}  // namespace winnow

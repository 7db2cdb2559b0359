// prompt_file.cpp: see prompt_file.hpp.
#include "host/prompt_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "host/text.hpp"

namespace winnow {
namespace {

using Take = std::function<bool(std::string_view, const Where&)>;

constexpr std::string_view kBlanks = " \t\r";
constexpr char kKey[] = "prompt";
constexpr std::size_t kMostMistakes = 100;  // of the form of a file, before the rest goes unread

// Columns are characters, not bytes.
std::uint32_t column_of(std::string_view line, std::size_t byte) {
  return static_cast<std::uint32_t>(
             characters_of(line.substr(0, std::min(byte, line.size()))).size()) +
         1;
}

// Calls visit(line, number) until it returns false.
template <class Visit>
void for_lines(std::string_view text, const Visit& visit) {
  for (std::uint32_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(kBlanks) == std::string_view::npos) continue;
    if (!visit(line, number)) return;
  }
}

void read_lines(const std::string& file, std::string_view text, const Take& take) {
  for_lines(text, [&](std::string_view line, std::uint32_t number) {
    return take(line, {file, number, 1, 1});
  });
}

class JsonLines {
 public:
  JsonLines(const std::string& file, const Take& take, Diagnostics& diagnostics)
      : file_(file), take_(take), diagnostics_(diagnostics) {}

  void read(std::string_view text) {
    for_lines(text, [&](std::string_view line, std::uint32_t number) {
      line_ = line;
      number_ = number;
      return read_line() && mistakes_ < kMostMistakes;
    });
  }

 private:
  // False: no more is wanted.
  bool read_line() {
    if (const std::size_t bad = first_bad_utf8(line_); bad != std::string_view::npos) {
      complain(bad, "the line is not UTF-8 from here on");
      return true;
    }
    try {
      return read_value(nlohmann::json::parse(line_));
    } catch (const nlohmann::json::parse_error& error) {
      complain(error.byte == 0 ? 0 : error.byte - 1,
               "the line is not JSON from here on, expected an object with a \"prompt\"");
      return true;
    }
  }

  bool read_value(const nlohmann::json& value) {
    const auto start = line_.find_first_not_of(kBlanks);
    if (value.is_string()) return take(value);
    if (!value.is_object()) {
      complain(start, fmt::format("the line is {}, expected an object with a \"prompt\"",
                                  article(value.type_name())));
      return true;
    }
    const auto found = value.find(kKey);
    if (found == value.end()) {
      std::vector<std::string> keys;
      for (const auto& item : value.items()) keys.push_back(item.key());
      complain(start, "the object has no \"prompt\"", did_you_mean(kKey, keys));
      return true;
    }
    if (found->is_string()) return take(*found);
    complain(start, fmt::format("\"prompt\" is {}, expected text", article(found->type_name())));
    return true;
  }

  bool take(const nlohmann::json& prompt) {
    return take_(prompt.get_ref<const std::string&>(), {file_, number_, 1, 1});
  }

  static std::string article(const std::string& type) {
    if (type == "null") return type;
    if (type == "array") return "a list";
    return (type == "object" ? "an " : "a ") + type;
  }

  void complain(std::size_t byte, std::string message, std::string help = "") {
    ++mistakes_;
    diagnostics_.add({file_, number_, column_of(line_, byte), 1}, std::move(message),
                     std::move(help));
  }

  const std::string& file_;
  const Take& take_;
  Diagnostics& diagnostics_;
  std::string_view line_;
  std::uint32_t number_ = 0;
  std::size_t mistakes_ = 0;
};

class Csv {
 public:
  Csv(const std::string& file, std::string_view text, const Take& take, Diagnostics& diagnostics)
      : file_(file), text_(text), take_(take), diagnostics_(diagnostics) {}

  void read() {
    const auto header = next_row();
    if (!header) return;
    std::vector<std::string> names;
    for (const Cell& cell : *header) names.push_back(cell.text);
    const auto column = std::ranges::find(names, kKey);
    if (column == names.end()) {
      diagnostics_.add(header->front().where,
                       fmt::format("the header has no column 'prompt', it has {}", list_of(names)),
                       did_you_mean(kKey, names));
      return;
    }
    const auto place = static_cast<std::size_t>(column - names.begin());
    std::size_t mistakes = 0;
    while (const auto row = next_row()) {
      if (row->size() == names.size()) {
        const Cell& cell = (*row)[place];
        if (!take_(cell.text, cell.where)) return;
        continue;
      }
      diagnostics_.add(row->front().where,
                       fmt::format("the row has {} field{}, the header has {}", row->size(),
                                   row->size() == 1 ? "" : "s", names.size()));
      if (++mistakes == kMostMistakes) return;
    }
  }

 private:
  struct Cell {
    std::string text;
    Where where;
  };
  using Row = std::vector<Cell>;

  // Nullopt at the end, and after a mistake that leaves unclear where rows begin.
  std::optional<Row> next_row() {
    while (at_ < text_.size()) {
      Row row;
      do {
        auto cell = next_cell();
        if (!cell) return std::nullopt;
        row.push_back(std::move(*cell));
      } while (take_char(','));
      take_char('\r');
      take_char('\n');
      const bool blank =
          row.size() == 1 && row[0].text.find_first_not_of(kBlanks) == std::string::npos;
      if (!blank) return row;
    }
    return std::nullopt;
  }

  std::optional<Cell> next_cell() {
    Cell cell{"", here()};
    if (take_char('"')) return quoted(std::move(cell));
    const std::size_t end = std::min(text_.find_first_of(",\n", at_), text_.size());
    cell.text = text_.substr(at_, end - at_);
    at_ = end;
    if (cell.text.ends_with('\r')) cell.text.pop_back();
    return cell;
  }

  std::optional<Cell> quoted(Cell cell) {
    for (;;) {
      const std::size_t end = text_.find('"', at_);
      if (end == std::string_view::npos) {
        diagnostics_.add(cell.where, "the quotation mark is never closed");
        return std::nullopt;
      }
      cell.text += text_.substr(at_, end - at_);
      count_lines(at_, end);
      at_ = end + 1;
      if (!take_char('"')) break;  // two of them stand for one
      cell.text += '"';
    }
    const char next = at_ < text_.size() ? text_[at_] : '\n';
    if (next == ',' || next == '\n' || next == '\r') return cell;
    diagnostics_.add(here(),
                     "found more text after a closing quotation mark, expected ',' or the "
                     "end of the line");
    return std::nullopt;
  }

  bool take_char(char wanted) {
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    count_lines(at_, at_ + 1);
    ++at_;
    return true;
  }

  void count_lines(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      if (text_[i] == '\n') ++line_, line_start_ = i + 1;
    }
  }

  Where here() const {
    return {file_, line_, column_of(text_.substr(line_start_), at_ - line_start_), 1};
  }

  const std::string& file_;
  std::string_view text_;
  const Take& take_;
  Diagnostics& diagnostics_;
  std::size_t at_ = 0, line_start_ = 0;
  std::uint32_t line_ = 1;
};

}  // namespace

void for_each_prompt(const std::filesystem::path& file, std::string_view text, const Take& take,
                     Diagnostics& diagnostics) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::string name = file.string();
  std::string kind = file.extension().string();
  std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return std::tolower(c); });
  if (kind == ".jsonl" || kind == ".ndjson") {
    JsonLines(name, take, diagnostics).read(text);
  } else if (kind == ".csv") {
    Csv(name, text, take, diagnostics).read();
  } else {
    read_lines(name, text, take);
  }
}

}  // namespace winnow

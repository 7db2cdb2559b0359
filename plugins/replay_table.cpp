// replay_table.cpp: see replay_table.hpp.
#include "replay_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <tuple>

#include "safetensors.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMostRows = 65536;  // a row must fit into a pixel exactly
constexpr float kNothing = std::numeric_limits<float>::quiet_NaN();

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw std::runtime_error(path + ": " + why);
}

double number(const std::string& path, std::string_view text, const std::string& where) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    refuse(path, where + ": found '" + std::string(text) + "', expected a number");
  return value;
}

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 0;;) {
    const std::size_t comma = line.find(',', begin);
    cells.emplace_back(line.substr(begin, comma - begin));
    if (comma == std::string_view::npos) return cells;
    begin = comma + 1;
  }
}

std::vector<double> numbers(const std::string& path, const std::string& list,
                            const std::string& where) {
  std::vector<double> out;
  for (const std::string& cell : split(list)) out.push_back(number(path, cell, where));
  return out;
}

std::string text_of(const SafetensorsFile& file, const std::string& key,
                    const std::string& otherwise) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? otherwise : found->second;
}

// After times, verifiers and scores are there.
void check(const std::string& path, ReplayTable& table) {
  if (table.tasks == 0 || table.seeds == 0 || table.verifiers.empty())
    refuse(path, "the table has " + std::to_string(table.tasks) + " tasks, " +
                     std::to_string(table.seeds) + " seeds and " +
                     std::to_string(table.verifiers.size()) + " verifiers, expected some of each");
  for (auto v = table.verifiers.begin(); v != table.verifiers.end(); ++v)
    if (std::find(table.verifiers.begin(), v, *v) != v) refuse(path, "two verifiers '" + *v + "'");
  if (std::any_of(table.scores.begin(), table.scores.end(), [](float s) { return std::isinf(s); }))
    refuse(path, "a score is infinite, expected numbers, and nothing where none was recorded");
  if (table.seeds > kMostRows)
    refuse(path,
           std::to_string(table.seeds) + " seeds, expected at most " + std::to_string(kMostRows));
  for (std::size_t k = 0; k < table.times.size(); ++k)
    if (!(table.times[k] >= 0 && table.times[k] <= (k ? table.times[k - 1] : 1)) ||
        (k && table.times[k] == table.times[k - 1]))
      refuse(path, "times: found " + std::to_string(table.times[k]) + " at place " +
                       std::to_string(k + 1) + ", expected falling times from at most 1");
  if (table.times.empty() || table.times.back() != 0 || table.times.front() == 0)
    refuse(path, "the times must end with 0, the sample's, and have another before it or 1");
  const std::size_t steps = table.schedule().size() - 1;
  if (table.nfe.empty()) table.nfe.assign(steps, 1.0);
  if (table.nfe.size() != steps)
    refuse(path, "nfe has " + std::to_string(table.nfe.size()) + " numbers for " +
                     std::to_string(steps) + " steps");
  for (const double nfe : table.nfe)
    if (!(nfe > 0)) refuse(path, "nfe: found " + std::to_string(nfe) + ", expected more than 0");
}

ReplayTable read_binary(const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  const auto found = file.tensors.find("scores");
  if (found == file.tensors.end()) refuse(path, "has no tensor 'scores'");
  const SafetensorsView& view = found->second;
  ReplayTable table;
  table.times = numbers(path, text_of(file, "times", ""), "metadata 'times'");
  table.verifiers = split(text_of(file, "verifiers", ""));
  if (view.dtype != "F32" || view.shape.size() != 4 ||
      static_cast<std::size_t>(view.shape[2]) != table.times.size() ||
      static_cast<std::size_t>(view.shape[3]) != table.verifiers.size())
    refuse(path, "'scores' must be F32 [tasks, seeds, " + std::to_string(table.times.size()) +
                     " times, " + std::to_string(table.verifiers.size()) + " verifiers]");
  table.tasks = static_cast<std::size_t>(view.shape[0]);
  table.seeds = static_cast<std::size_t>(view.shape[1]);
  table.scores.resize(view.bytes / sizeof(float));
  std::memcpy(table.scores.data(), view.data, view.bytes);
  if (file.metadata.contains("nfe"))
    table.nfe = numbers(path, file.metadata.at("nfe"), "metadata 'nfe'");
  const auto price = [&](const char* key) {
    return number(path, text_of(file, key, "1"), std::string("metadata '") + key + "'");
  };
  table.preview_nfe = price("preview_nfe");
  table.preview_credit = price("preview_credit");
  table.network_passes = price("network_passes");
  return table;
}

// Also of files whose lines end in CRLF, as Python's csv module writes them.
bool read_line(std::istream& in, std::string& line) {
  if (!std::getline(in, line)) return false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

struct Row {
  std::size_t line, task, seed;
  double time;
  std::vector<float> scores;
};

Row row_of(const std::string& path, std::size_t line, const std::vector<std::string>& cells) {
  const std::string where = "line " + std::to_string(line);
  const double task = number(path, cells[0], where), seed = number(path, cells[1], where);
  if (!(task >= 0 && task < 1e6 && task == std::floor(task) && seed >= 0 && seed < kMostRows &&
        seed == std::floor(seed)))
    refuse(path, where + ": task and seed must be whole numbers, from 0 to 999999 and to 65535");
  Row row{line,
          static_cast<std::size_t>(task),
          static_cast<std::size_t>(seed),
          number(path, cells[2], where),
          {}};
  if (!(row.time >= 0 && row.time <= 1))  // NaN, which equals no time, is none
    refuse(path, where + ": found time '" + cells[2] + "', expected a number from 0 to 1");
  for (std::size_t v = 3; v < cells.size(); ++v)
    row.scores.push_back(cells[v].empty() ? kNothing
                                          : static_cast<float>(number(path, cells[v], where)));
  return row;
}

ReplayTable read_text(const std::string& path) {
  std::ifstream in(path);
  if (!in) refuse(path, "cannot be read");
  std::string line;
  read_line(in, line);
  if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // as spreadsheets begin UTF-8
  std::vector<std::string> header = split(line);
  if (header.size() < 4 || header[0] != "task" || header[1] != "seed" || header[2] != "time")
    refuse(path, "line 1: found '" + line + "', expected task,seed,time and a column per verifier");
  ReplayTable table;
  table.verifiers.assign(header.begin() + 3, header.end());
  std::vector<Row> rows;
  for (std::size_t n = 2; read_line(in, line); ++n) {
    if (line.empty()) continue;
    const std::vector<std::string> cells = split(line);
    if (cells.size() != header.size())
      refuse(path, "line " + std::to_string(n) + " has " + std::to_string(cells.size()) +
                       " cells, expected " + std::to_string(header.size()));
    Row row = row_of(path, n, cells);
    table.tasks = std::max(table.tasks, row.task + 1);
    table.seeds = std::max(table.seeds, row.seed + 1);
    rows.push_back(std::move(row));
  }
  for (const Row& row : rows)
    if (std::find(table.times.begin(), table.times.end(), row.time) == table.times.end())
      table.times.push_back(row.time);
  std::sort(table.times.begin(), table.times.end(), std::greater<>());
  const std::size_t cells = table.tasks * table.seeds * table.times.size() * table.verifiers.size();
  if (cells > 100 * (rows.size() * table.verifiers.size() + 1))
    refuse(path, "only " + std::to_string(rows.size()) + " rows for " +
                     std::to_string(table.tasks) + " tasks, " + std::to_string(table.seeds) +
                     " seeds and " + std::to_string(table.times.size()) + " times");
  table.scores.assign(cells, kNothing);
  std::map<std::tuple<std::size_t, std::size_t, double>, std::size_t> seen;
  for (const Row& row : rows) {
    const auto [first, is_new] = seen.try_emplace({row.task, row.seed, row.time}, row.line);
    if (!is_new)
      refuse(path, "line " + std::to_string(row.line) + " has the task, seed and time of line " +
                       std::to_string(first->second));
    const auto k = static_cast<std::size_t>(
        std::find(table.times.begin(), table.times.end(), row.time) - table.times.begin());
    std::copy(
        row.scores.begin(), row.scores.end(),
        table.scores.begin() + static_cast<std::ptrdiff_t>(
                                   ((row.task * table.seeds + row.seed) * table.times.size() + k) *
                                   table.verifiers.size()));
  }
  return table;
}

}  // namespace

std::vector<double> ReplayTable::schedule() const {
  std::vector<double> out;
  if (times.front() < 1) out.push_back(1);
  out.insert(out.end(), times.begin(), times.end());
  return out;
}

std::size_t ReplayTable::step_of(double time) const {
  const std::vector<double> all = schedule();
  const auto nearest = std::min_element(all.begin(), all.end(), [&](double a, double b) {
    return std::fabs(a - time) < std::fabs(b - time);
  });
  if (*nearest == time) return static_cast<std::size_t>(nearest - all.begin());
  std::ostringstream text;
  text << "time " << time << " was not recorded, the nearest is " << *nearest;
  throw std::runtime_error(text.str());
}

float ReplayTable::score(std::size_t task, std::size_t seed, std::size_t step,
                         std::size_t verifier) const {
  const std::size_t unjudged = times.front() < 1 ? 1 : 0;  // pure noise was not looked at
  if (step < unjudged || task >= tasks || seed >= seeds) return kNothing;
  return scores[((task * seeds + seed) * times.size() + step - unjudged) * verifiers.size() +
                verifier];
}

ReplayTable read_replay_table(const std::string& path) {
  ReplayTable table = path.ends_with(".csv") ? read_text(path) : read_binary(path);
  check(path, table);
  return table;
}

}  // namespace winnow

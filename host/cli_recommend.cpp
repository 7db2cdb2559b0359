// cli_recommend.cpp: the verb recommend: what a study says a budget should be spent on.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <sstream>

#include "host/cli_verbs.hpp"
#include "host/disk.hpp"
#include "host/figures.hpp"
#include "host/recommend.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::uint64_t kMaxText = 64ull << 20;

std::string read_text(const fs::path& file) { return disk::read_all(file, kMaxText); }

// What makes the summary's row of the study's base: these tables of its first run, as the run's
// config has them; empty when the run directory is not there any more.
std::string tables_of(const fs::path& folder, const Table& summary, std::size_t row) {
  std::error_code missing;
  if (!fs::exists(folder / "table.csv", missing)) return "";
  const Table table = table_of_csv(read_text(folder / "table.csv"));
  const auto run = find_column(table, "run"), seed = find_column(table, "seed");
  if (!run || !seed) return "";
  for (const auto& cells : table.rows) {
    bool same = true;
    for (std::size_t c = 0; c < *seed && same; ++c) {
      const auto there = find_column(summary, table.columns[c]);
      same = there && cell_text(summary.rows[row][*there]) == cell_text(cells[c]);
    }
    if (!same) continue;
    const fs::path config = folder.parent_path() / cell_text(cells[*run]) / "run.toml";
    if (!fs::exists(config, missing)) return "";
    Diagnostics mistakes;
    const auto parsed = parse_toml(read_text(config), config.string(), mistakes);
    mistakes.throw_if_any();
    std::ostringstream text;
    for (const char* name : {"budget", "sampler", "verifier", "search"}) {
      const toml::node* node = parsed->get(name);
      if (!node) continue;
      toml::table one;
      one.insert(name, *node);
      text << one << "\n";
    }
    return text.str();
  }
  return "";
}

std::string line_of(const char* place, const Recommended& r, const std::string& metric) {
  std::vector<std::string> labels;
  for (const auto& [name, text] : r.labels) labels.push_back(fmt::format("{} = {}", name, text));
  const std::string interval =
      r.low && r.high ? fmt::format(" [{:.4g}, {:.4g}]", *r.low, *r.high) : "";
  return fmt::format("{}: {}\n  {} {:.4g}{} with {} NFE per sample\n", place,
                     fmt::join(labels, ", "), metric, r.value, interval, grouped(r.nfe));
}

ordered_json json_of(const Recommended& r) {
  ordered_json json = {{"labels", ordered_json::object()}, {"nfe", r.nfe}, {"value", r.value}};
  for (const auto& [name, text] : r.labels) json["labels"][name] = text;
  json["low"] = r.low ? ordered_json(*r.low) : nullptr;
  json["high"] = r.high ? ordered_json(*r.high) : nullptr;
  return json;
}

RowFilter filter_of(const std::vector<std::string>& where) {
  RowFilter filter;
  for (const std::string& text : where) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(Exit::kUsage, fmt::format("--where '{}', expected COLUMN=LABEL", text));
    filter.emplace_back(text.substr(0, equals), std::vector{text.substr(equals + 1)});
  }
  return filter;
}

}  // namespace

Answer recommend_verb(const CommandLine& line) {
  const fs::path file =
      fs::is_directory(line.directory) ? line.directory / "summary.csv" : line.directory;
  if (!fs::exists(file))
    throw Error(Exit::kUsage, fmt::format("'{}' is no folder of a study: it has no summary.csv; "
                                          "make it with winnow study",
                                          line.directory.string()));
  const Table summary = table_of_csv(read_text(file));
  const Recommendation found =
      recommend(summary, line.budget, line.metric, line.over, filter_of(line.where));
  const std::string config = tables_of(file.parent_path(), summary, found.best.row);
  Answer answer;
  answer.text = line_of("best", found.best, found.metric);
  if (found.runner_up) answer.text += line_of("runner-up", *found.runner_up, found.metric);
  answer.text += !found.runner_up ? fmt::format("no other {} to compare with\n", line.over)
                 : found.resolved ? "resolved: their 95 % intervals do not meet\n"
                                  : "not resolved: their 95 % intervals meet\n";
  if (found.settings > 1)
    answer.text += fmt::format(
        "chosen as the best of {} settings on these seeds, so its value is "
        "too good by the choice\n",
        found.settings);
  if (!config.empty()) answer.text += "\n" + config;
  answer.json = {{"metric", found.metric},
                 {"budget", line.budget},
                 {"best", json_of(found.best)},
                 {"runner_up", found.runner_up ? json_of(*found.runner_up) : ordered_json(nullptr)},
                 {"resolved", found.resolved},
                 {"settings", found.settings},
                 {"config", config}};
  return answer;
}

}  // namespace winnow

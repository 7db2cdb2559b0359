// cli_recommend.cpp: the verb recommend: what a study says a budget should be spent on.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <optional>
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

Table table_in(const fs::path& file) try {
  return table_of_csv(read_text(file));
} catch (const Error& error) {
  throw Error(error.exit(), fmt::format("{}: {}", file.string(), error.what()));
}

// What each seed and run of the summary's rows is: without it nothing can be compared.
Table table_of(const fs::path& folder) {
  const fs::path file = folder / "table.csv";
  if (!fs::exists(file))
    throw Error(Exit::kUsage, fmt::format("'{}' is missing; winnow study STUDY --table makes it "
                                          "and its neighbours",
                                          file.string()));
  return table_in(file);
}

// The config of the first run of the summary's row; nothing when it is not there any more.
std::optional<toml::table> config_of(const fs::path& folder, const Table& table,
                                     const Table& summary, std::size_t row) {
  const auto run = find_column(table, "run");
  const std::vector<std::size_t> rows = rows_of_point(table, summary, row);
  if (!run || rows.empty()) return std::nullopt;
  const fs::path config =
      folder.parent_path() / cell_text(table.rows[rows.front()][*run]) / "run.toml";
  std::error_code missing;
  if (!fs::exists(config, missing)) return std::nullopt;
  Diagnostics mistakes;
  auto parsed = parse_toml(read_text(config), config.string(), mistakes);
  mistakes.throw_if_any();
  return std::move(*parsed);
}

// What makes the row of the study's base: these tables.
std::string tables_of(const toml::table& config) {
  std::ostringstream text;
  for (const char* name : {"budget", "sampler", "verifier", "search"}) {
    const toml::node* node = config.get(name);
    if (!node) continue;
    toml::table one;
    one.insert(name, *node);
    text << one << "\n";
  }
  return text.str();
}

// Columns of a verifier: its name, with "_mean" or a quantile behind it.
bool is_of(const std::string& metric, const std::string& verifier) {
  if (!metric.starts_with(verifier)) return false;
  const std::string rest = metric.substr(verifier.size());
  return rest.empty() || rest == "_mean" || (rest.starts_with("_q") && rest.size() == 4);
}

bool selects_by(const toml::table& config, const std::string& metric) {
  const toml::array* verifiers = config.get_as<toml::array>("verifier");
  if (!verifiers) return false;
  return std::any_of(verifiers->begin(), verifiers->end(), [&](const toml::node& node) {
    const toml::table* one = node.as_table();
    return one && (*one)["role"].value_or<std::string>("select") == "select" &&
           is_of(metric, (*one)["name"].value_or<std::string>(""));
  });
}

std::string line_of(const char* place, const Recommended& r, const std::string& metric) {
  std::vector<std::string> labels;
  for (const auto& [name, text] : r.labels) labels.push_back(fmt::format("{} = {}", name, text));
  const std::string interval =
      r.low && r.high ? fmt::format(" [{:.4g}, {:.4g}]", *r.low, *r.high) : "";
  return fmt::format("{}: {}\n  {} {:.4g}{} with {} NFE per sample, {} {}\n", place,
                     fmt::join(labels, ", "), metric, r.value, interval, grouped(r.nfe), r.seeds,
                     r.seeds == 1 ? "seed" : "seeds");
}

ordered_json json_of(const Recommended& r) {
  ordered_json json = {
      {"labels", ordered_json::object()}, {"nfe", r.nfe}, {"seeds", r.seeds}, {"value", r.value}};
  for (const auto& [name, text] : r.labels) json["labels"][name] = text;
  json["low"] = r.low ? ordered_json(*r.low) : nullptr;
  json["high"] = r.high ? ordered_json(*r.high) : nullptr;
  return json;
}

ordered_json json_of(const std::optional<MeanInterval>& difference) {
  if (!difference) return nullptr;
  return {{"mean", difference->mean}, {"low", difference->low}, {"high", difference->high}};
}

std::string comparison_of(const Recommendation& found, const std::string& over) {
  if (!found.runner_up) return fmt::format("no other {} to compare with\n", over);
  if (!found.difference) return "not resolved: fewer than two seeds can be compared\n";
  const MeanInterval& d = *found.difference;
  return fmt::format(
      "{}: the difference, seed by seed, is {:.4g} [{:.4g}, {:.4g}] (95 % for all {} settings)\n",
      found.resolved ? "resolved" : "not resolved", d.mean, d.low, d.high, found.settings);
}

RowFilter filter_of(const std::vector<std::string>& where) {
  RowFilter filter;
  for (const std::string& text : where) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      throw Error(Exit::kUsage, fmt::format("--where '{}', expected COLUMN=LABEL", text));
    const std::string column = text.substr(0, equals), label = text.substr(equals + 1);
    const auto there = std::ranges::find(filter, column, [](const auto& of) { return of.first; });
    if (there == filter.end())
      filter.emplace_back(column, std::vector{label});
    else
      there->second.push_back(label);
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
  const Table summary = table_in(file);
  const fs::path folder = fs::absolute(file).parent_path();
  const Table table = table_of(folder);
  std::map<std::size_t, std::optional<toml::table>> configs;  // by row; each is read once
  const auto config_at = [&](std::size_t row) -> const std::optional<toml::table>& {
    const auto [at, is_new] = configs.try_emplace(row);
    if (is_new) at->second = config_of(folder, table, summary, row);
    return at->second;
  };
  const auto selected = [&](std::size_t row) -> std::optional<bool> {
    if (!config_at(row)) return std::nullopt;
    return selects_by(*config_at(row), line.metric);
  };
  const Recommendation found = recommend(summary, table, line.budget, line.metric, line.over,
                                         filter_of(line.where), selected);
  const auto& best = config_at(found.best.row);
  const std::string config = best ? tables_of(*best) : "";
  Answer answer;
  answer.text = line_of("best", found.best, found.metric);
  if (found.runner_up) answer.text += line_of("runner-up", *found.runner_up, found.metric);
  answer.text += comparison_of(found, line.over);
  if (found.climbed > 0)
    answer.text += fmt::format("left out: {} settings that selected by what {} measures\n",
                               found.climbed, found.metric);
  if (found.others > 0)
    answer.text += fmt::format("left out: {} settings of another number of tasks than {}\n",
                               found.others, found.tasks);
  if (found.unknown > 0)
    answer.text += fmt::format(
        "not known of {} settings: whether {} selected in them, for their runs are not there; "
        "if so its value is what was climbed\n",
        found.unknown, found.metric);
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
                 {"difference", json_of(found.difference)},
                 {"resolved", found.resolved},
                 {"climbed", found.climbed},
                 {"unknown", found.unknown},
                 {"other_tasks", found.others},
                 {"settings", found.settings},
                 {"config", config}};
  return answer;
}

}  // namespace winnow

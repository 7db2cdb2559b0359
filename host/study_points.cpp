// study_points.cpp: sweeps to points.
#include "host/study_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "host/config_layers.hpp"
#include "host/config_merge.hpp"
#include "host/sha256.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

constexpr std::size_t kMostRuns = 10'000;

// One value of each axis, by position.
using Combination = std::vector<std::size_t>;

std::vector<Combination> combinations(const StudySweep& sweep) {
  std::vector<Combination> all = {{}};
  if (sweep.zip && !sweep.axes.empty()) {
    all.clear();
    for (std::size_t i = 0; i < sweep.axes[0].values.size(); ++i)
      all.push_back(Combination(sweep.axes.size(), i));
    return all;
  }
  for (const StudyAxis& axis : sweep.axes) {
    std::vector<Combination> longer;
    for (const Combination& one : all) {
      for (std::size_t i = 0; i < axis.values.size() && longer.size() <= kMostRuns; ++i) {
        longer.push_back(one);
        longer.back().push_back(i);
      }
    }
    all = std::move(longer);
  }
  return all;
}

RunConfig config_of(const Study& study, const std::vector<StudySetting>& settings,
                    const Registry& registry, const std::string& label) try {
  Diagnostics diagnostics;
  diagnostics.add_source(study.file, study.text);
  ConfigLayers layers{study.file, study.text, {}};
  for (const auto* list : {&settings, &study.quick}) {
    for (const StudySetting& setting : *list) {
      auto layer = layer_of(setting.key, setting.at, *setting.value, diagnostics);
      if (!layer) continue;
      if (layer->at_path("run.seed"))
        diagnostics.add(where_of(toml::key("", toml::source_region(setting.at))),
                        "a study sets 'run.seed' itself, to each of its 'seeds'");
      layers.tables.push_back(std::move(*layer));
    }
  }
  diagnostics.throw_if_any();
  return load_layered_config(study.base, std::move(layers), registry);
} catch (const Error& error) {
  throw Error(error.exit(), fmt::format("{}\nin {}: {}", error.what(), study.name, label));
}

void append(std::vector<StudySetting>& settings, const std::vector<StudySetting>& more) {
  settings.insert(settings.end(), more.begin(), more.end());
}

StudyPoint point_of(const Study& study, const StudySweep& sweep, const Combination& combination,
                    const Registry& registry) {
  StudyPoint point;
  point.sweep = point.label = sweep.label;
  point.columns = sweep.columns;
  std::vector<StudySetting> settings = sweep.settings;
  for (std::size_t i = 0; i < combination.size(); ++i) {
    const StudyAxis& axis = sweep.axes[i];
    const StudyValue& value = axis.values[combination[i]];
    append(settings, value.settings);
    point.columns.emplace_back(axis.name, value.cell);
    point.label += fmt::format(", {} = {}", axis.name, cell_text(value.cell));
  }
  point.config = config_of(study, settings, registry, point.label);
  if (point.config.keep == Keep::kNone && !study.metrics.use.id.empty())
    throw Error(Exit::kUsage,
                fmt::format("output.keep = \"none\", but [metrics] looks at the samples; take "
                            "\"best\", or leave [metrics] out\nin {}: {}",
                            study.name, point.label));
  return point;
}

StudyPoint pool_point(const Study& study, const StudyPool& pool, const Registry& registry) {
  StudyPoint point;
  point.sweep = point.label = pool.label;
  point.is_pool = true;
  point.config = config_of(study, pool.settings, registry, pool.label);
  point.config.keep = Keep::kAll;
  return point;
}

// What two runs must have in common for the longer one to hold what the shorter one does.
std::string text_without_budget(RunConfig config) {
  config.budget = {};
  config.keep = Keep::kBest;
  return resolved_toml(config);
}

// `points`: those of one seed from `first` on.
void let_replay_longer_runs(std::vector<StudyPoint>& points, std::size_t first) {
  std::map<std::string, std::vector<std::size_t>> recorded;  // by text_without_budget
  for (std::size_t i = first; i < points.size(); ++i) {
    std::vector<std::size_t>& known = recorded[text_without_budget(points[i].config)];
    for (const std::size_t pool : known) {
      auto& mine = points[i].pools;
      const bool same = points[pool].folder == points[i].folder;
      if (!same && std::find(mine.begin(), mine.end(), pool) == mine.end()) mine.push_back(pool);
    }
    if (points[i].config.keep == Keep::kAll) known.push_back(i);
  }
}

StudyPoint with_seed(StudyPoint point, std::uint64_t seed) {
  point.seed = point.config.seed = seed;
  point.label += fmt::format(", seed {}", seed);
  point.folder = run_folder(point.config);
  return point;
}

}  // namespace

std::vector<StudyPoint> study_points(const Study& study, const Registry& registry) {
  std::vector<StudyPoint> pools, points;
  std::vector<const StudySweep*> sweep_of;
  for (const StudySweep& sweep : study.sweeps) {
    for (const std::string& label : sweep.pools) {
      const auto named = [&](const auto& pool) { return pool.label == label; };
      if (std::any_of(pools.begin(), pools.end(),
                      [&](const StudyPoint& known) { return known.sweep == label; }))
        continue;
      pools.push_back(pool_point(
          study, *std::find_if(study.pools.begin(), study.pools.end(), named), registry));
    }
    const std::vector<Combination> all = combinations(sweep);
    if ((points.size() + all.size()) * study.seeds.size() > kMostRuns)
      throw Error(Exit::kUsage,
                  fmt::format("the study {} has more than {} runs", study.name, kMostRuns));
    std::set<std::string> labels;
    for (const Combination& one : all) {
      points.push_back(point_of(study, sweep, one, registry));
      sweep_of.push_back(&sweep);
      // The summary would take them for seeds of one point.
      if (!labels.insert(points.back().label).second)
        throw Error(Exit::kUsage,
                    fmt::format("{}: two points of the study are called '{}'; give the values of "
                                "an axis different labels",
                                study.file, points.back().label));
    }
  }
  std::vector<StudyPoint> all;
  for (const std::uint64_t seed : study.seeds) {
    const std::size_t first = all.size();
    for (const StudyPoint& pool : pools) all.push_back(with_seed(pool, seed));
    for (std::size_t i = 0; i < points.size(); ++i) {
      all.push_back(with_seed(points[i], seed));
      for (std::size_t p = 0; p < pools.size(); ++p) {
        const auto& wanted = sweep_of[i]->pools;
        if (std::find(wanted.begin(), wanted.end(), pools[p].sweep) != wanted.end())
          all.back().pools.push_back(first + p);
      }
      all.back().named_pools = all.back().pools.size();
    }
    let_replay_longer_runs(all, first);
  }
  return all;
}

std::set<std::size_t> wanted_points(const std::vector<StudyPoint>& points,
                                    const std::string& only) {
  std::set<std::size_t> wanted;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const StudyPoint& point = points[i];
    if (point.is_pool || (!only.empty() && point.sweep != only)) continue;
    wanted.insert(i);
    const auto pools = point.pools.begin();
    wanted.insert(pools, pools + static_cast<std::ptrdiff_t>(point.named_pools));
  }
  return wanted;
}

std::string run_folder(const RunConfig& config) {
  const Budget& budget = config.budget;
  const std::string cap = budget.nfe          ? fmt::format("-{}nfe", *budget.nfe)
                          : budget.candidates ? fmt::format("-{}candidates", *budget.candidates)
                                              : "";
  return fmt::format("{}{}-seed{}-{}", default_verifier_name(config.search.id), cap, config.seed,
                     sha256_hex(resolved_toml(config)).substr(0, 12));
}

}  // namespace winnow

// study_config.hpp: a study's TOML file, checked into plain structs: which run config is varied
// how, over which seeds, and what is drawn of the results. docs/study.md describes the file.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/config.hpp"
#include "host/diagnostic.hpp"
#include "host/plot_axis.hpp"
#include "host/table.hpp"

namespace winnow {

// One key of the run config set to a value; both stand in the study's file.
struct StudySetting {
  std::string key;  // dotted
  toml::source_region at;
  const toml::node* value = nullptr;  // owned by Study::source
};

struct StudyValue {
  Cell cell;  // what the table says: the label, or a plain value itself
  std::vector<StudySetting> settings;
};

struct StudyAxis {
  std::string name;  // the column
  std::vector<StudyValue> values;
};

struct StudySweep {
  std::string label;
  std::vector<StudySetting> settings;
  std::vector<StudyAxis> axes;  // crossed, the last one fastest; or walked together
  bool zip = false;
  std::vector<std::pair<std::string, Cell>> columns;  // the same in every row of this sweep
  std::vector<std::string> pools;                     // labels of StudyPool
};

// A run per seed that keeps all of its candidates, made before the sweeps that replay from it.
struct StudyPool {
  std::string label;
  std::vector<StudySetting> settings;
};

struct StudyFigure {
  std::string file;  // of the study's folder
  std::string title, x, y, x_label, y_label;
  Scale x_scale = Scale::kLinear, y_scale = Scale::kLinear;
  std::vector<std::string> series;                    // columns
  RowFilter where;                                    // rows that are drawn
  std::vector<std::pair<std::string, double>> lines;  // label, y
  const toml::table* table = nullptr;                 // for places
};

// Differences between rows that are alike but in one column, or to the rows of one point, paired
// by seed, or scores by seed and task.
struct StudyComparison {
  std::string of, against;           // a column; the value that the others are compared with
  std::vector<std::string> metrics;  // columns of numbers
  RowFilter where;                   // rows that are compared
  RowFilter point;                   // instead of `of` and `against`: what tells one point
  const toml::table* table = nullptr;
  bool by_task = false;  // <verifier>_mean: over the pairs of all tasks and seeds
};

// The places of rows that are alike but in one column, by scores of the same tasks and seeds.
struct StudyRanking {
  std::string of;                    // the column whose values are ranked
  std::vector<std::string> metrics;  // <verifier>_mean
  RowFilter where;                   // rows that are ranked
  const toml::table* table = nullptr;
};

// The feature network behind Inception Score, Frechet distance, precision and recall.
struct StudyMetrics {
  PluginUse use;                    // id empty: none
  std::filesystem::path reference;  // empty: no Frechet distance, precision and recall
  std::uint32_t resamples = 200, neighbours = 3;
};

struct Study {
  std::string name;
  std::filesystem::path base;  // the run config, absolute
  std::vector<std::uint64_t> seeds;
  StudyMetrics metrics;
  std::vector<StudyPool> pools;
  std::vector<StudySweep> sweeps;
  std::vector<StudyFigure> figures;
  std::vector<StudyComparison> comparisons;
  std::vector<StudyRanking> rankings;
  std::vector<StudySetting> quick;  // laid over every run; empty unless quick
  // The file as it was read, whose places the settings name.
  std::string file, text;
  std::shared_ptr<const toml::table> source;
};

// Reads and checks `file`. With `quick` its [quick] is laid over it and the name gets "-quick".
// Throws Error(Exit::kUsage) with all mistakes, Error(Exit::kPlugin) when all that is wrong is that
// the feature network's plugin is not there.
Study load_study(const std::filesystem::path& file, bool quick, const Registry& registry);

}  // namespace winnow

// study_keys.cpp: the table itself.
#include "host/study_keys.hpp"

#include "host/config_key_builders.hpp"
#include "winnow/winnow.h"

namespace winnow {
namespace {

ConfigKey needed(ConfigKey key) {
  key.needed = true;
  return key;
}

ConfigKey within(ConfigKey key, double min, double max) {
  return at_most(at_least(std::move(key), min), max);
}

ConfigKey scale(const std::string& name) {
  ConfigKey result =
      with_default(key(name, WN_OPT_STR, "How the axis is divided."), std::string("linear"));
  result.spec.choices = {{"linear", ""}, {"log", ""}};
  return result;
}

ConfigKey table(const std::string& name, const std::string& help) {
  return key(name, WN_OPT_STR, help);
}

ConfigSection metrics_section() {
  ConfigSection section{
      "metrics", "The feature network behind the set metrics.", false, false, true, {}};
  section.keys = {needed(key("plugin", WN_OPT_STR, "Id of a verifier that offers features.")),
                  key("reference", WN_OPT_PATH, "Statistics from `winnow stats`."),
                  within(with_default(key("resamples", WN_OPT_I64, "Resamples of the bootstrap."),
                                      std::int64_t{200}),
                         0, 100000),
                  within(with_default(key("neighbours", WN_OPT_I64, "k, for precision and recall."),
                                      std::int64_t{3}),
                         1, 1000)};
  return section;
}

ConfigSection sweep_section() {
  ConfigSection section{"sweep", "Runs of the base, varied along axes.", true, true, false, {}};
  section.keys = {needed(key("label", WN_OPT_STR, "Its name in the table.")),
                  table("set", "Keys of the run config, for every run of the sweep."),
                  table("quick_set", "The same under --quick, laid over `set`."),
                  table("axes", "What is varied."),
                  with_default(key("zip", WN_OPT_BOOL, "Walk the axes together."), false),
                  table("columns", "Columns that say the same in every row."),
                  key("pools", WN_OPT_STR_LIST, "Labels of the pools to replay from."),
                  with_default(key("quick", WN_OPT_BOOL, "Whether --quick runs it."), true)};
  return section;
}

ConfigSection figure_section() {
  ConfigSection section{"figure", "A picture of the results.", true, false, false, {}};
  section.keys = {needed(key("file", WN_OPT_STR, "Its name, ending in .svg.")),
                  key("title", WN_OPT_STR, "Above the picture."),
                  needed(key("x", WN_OPT_STR, "A column; one of text makes categories.")),
                  needed(key("y", WN_OPT_STR, "A column of numbers.")),
                  key("x_label", WN_OPT_STR, "Below the axis."),
                  key("y_label", WN_OPT_STR, "Beside the axis."),
                  scale("x_scale"),
                  scale("y_scale"),
                  key("series", WN_OPT_STR_LIST, "Columns whose values tell the lines apart."),
                  table("where", "column = value or list of values: rows that are drawn."),
                  table("lines", "Horizontal lines to compare with: {label, y}.")};
  return section;
}

ConfigSection compare_section() {
  ConfigSection section{"compare", "Differences to one setting, in pairs.", true, false, false, {}};
  ConfigKey pair = with_default(
      key("pair", WN_OPT_STR, "What is paired: runs of a seed, or a verifier's scores of a task."),
      std::string("seed"));
  pair.spec.choices = {{"seed", ""}, {"task", ""}};
  section.keys = {key("of", WN_OPT_STR, "The column that tells the compared rows apart."),
                  table("against",
                        "Its value that the others are compared with; or without `of` column = "
                        "value, as many as tell one point that all others are compared with."),
                  needed(key("metrics", WN_OPT_STR_LIST, "Columns of numbers.")),
                  table("where", "column = value or list of values: rows that are compared."),
                  std::move(pair)};
  return section;
}

ConfigSection rank_section() {
  ConfigSection section{"rank", "Places by the scores of the same tasks.", true, false, false, {}};
  section.keys = {needed(key("of", WN_OPT_STR, "The column whose values are ranked.")),
                  needed(key("metrics", WN_OPT_STR_LIST, "Means of verifiers: <verifier>_mean.")),
                  table("where", "column = value or list of values: rows that are ranked.")};
  return section;
}

}  // namespace

std::vector<ConfigSection> study_sections() {
  ConfigSection study{"study", "What is studied.", false, true, false, {}};
  study.keys = {
      needed(key("name", WN_OPT_STR, "Letters, digits, '_', '.' and '-'.")),
      needed(key("base", WN_OPT_PATH, "A run config, relative to this file.")),
      within(needed(key("seeds", WN_OPT_I64_LIST, "A run per point and seed.")), 0, 9e18)};
  ConfigSection pool{"pool", "A recording to replay from.", true, false, false, {}};
  pool.keys = {needed(key("label", WN_OPT_STR, "The name by which sweeps ask for it.")),
               table("set", "Keys of the run config."),
               table("quick_set", "The same under --quick, laid over `set`.")};
  ConfigSection axes{"axes", "An axis of a sweep.", true, false, false, {}};
  axes.keys = {key("key", WN_OPT_STR, "A key of the run config, dotted."),
               key("name", WN_OPT_STR, "Its column; the key when there is none."),
               needed(table("values", "Its values.")), table("quick", "Its values under --quick.")};
  ConfigSection quick{"quick", "Laid over the study by --quick.", false, false, false, {}};
  quick.keys = {within(key("seeds", WN_OPT_I64_LIST, "Instead of the study's."), 0, 9e18),
                table("set", "Keys of the run config, for every run."),
                within(key("resamples", WN_OPT_I64, "Instead of the metrics'."), 0, 100000)};
  return {study,
          metrics_section(),
          pool,
          sweep_section(),
          axes,
          figure_section(),
          compare_section(),
          rank_section(),
          quick};
}

}  // namespace winnow

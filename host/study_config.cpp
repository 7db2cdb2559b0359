// study_config.cpp: the reader.
#include "host/study_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/config_merge.hpp"
#include "host/config_reader.hpp"
#include "host/study_keys.hpp"
#include "host/text.hpp"
#include "host/toml_source.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostSeeds = 1000, kMostValues = 1000;

bool is_file_name(const std::string& name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         name.find_first_not_of(kLetters) == std::string::npos;
}

class StudyReader {
 public:
  StudyReader(Study& study, bool quick, const Registry& registry, Diagnostics& diagnostics)
      : study_(study),
        root_(*study.source),
        quick_(quick),
        registry_(registry),
        diagnostics_(diagnostics),
        sections_(study_sections()) {}

  void read() {
    if (root_.contains("sampler") && !root_.contains("study"))
      return diagnostics_.add({.file = study_.file}, "this is a run config, expected a study",
                              "winnow run takes it");
    std::vector<std::string> names;
    for (const ConfigSection& section : sections_)
      if (section.name != "axes") names.push_back(section.name);
    refuse_unknown_keys(root_, names, "in a study", diagnostics_);
    read_study();
    read_metrics();
    for (const toml::table* table : list_of_tables("pool")) read_pool(*table);
    for (const toml::table* table : list_of_tables("sweep")) read_sweep(*table);
    for (const toml::table* table : list_of_tables("figure")) read_figure(*table);
    for (const toml::table* table : list_of_tables("compare")) read_comparison(*table);
    for (const toml::table* table : list_of_tables("rank")) read_ranking(*table);
    read_quick();
  }

  bool only_plugins_fail() const {
    return plugin_mistakes_ > 0 && plugin_mistakes_ == diagnostics_.all().size();
  }

 private:
  SectionReader open(const std::string& name, const toml::table* table) {
    SectionReader reader(section_of(sections_, name), table, diagnostics_);
    reader.check_keys(sections_);
    return reader;
  }

  // Null when it is not there; a mistake when it is needed, or in the wrong form.
  const toml::table* table_of(const std::string& name) {
    const toml::node* node = root_.get(name);
    if (!node) {
      if (section_of(sections_, name).needed)
        diagnostics_.add({study_.file}, fmt::format("the study has no [{}]", name));
      return nullptr;
    }
    if (!node->is_table())
      diagnostics_.add(where_of(*node),
                       fmt::format("'{}' is {}, expected [{}]", name, describe(*node), name));
    return node->as_table();
  }

  std::vector<const toml::table*> list_of_tables(const std::string& name) {
    const toml::node* node = root_.get(name);
    if (!node) {
      if (section_of(sections_, name).needed)
        diagnostics_.add({study_.file}, fmt::format("the study has no [[{}]]", name));
      return {};
    }
    return tables_in(*node, fmt::format("'{}'", name), fmt::format("[[{}]]", name));
  }

  std::vector<const toml::table*> tables_in(const toml::node& node, const std::string& subject,
                                            const std::string& form) {
    std::vector<const toml::table*> tables;
    const toml::array* array = node.as_array();
    if (!array) {
      diagnostics_.add(where_of(node),
                       fmt::format("{} is {}, expected {}", subject, describe(node), form));
      return tables;
    }
    for (const toml::node& element : *array) {
      if (const toml::table* table = element.as_table()) {
        tables.push_back(table);
      } else {
        diagnostics_.add(where_of(element),
                         fmt::format("{} holds {}, expected tables", subject, describe(element)));
      }
    }
    return tables;
  }

  std::vector<std::uint64_t> seeds_of(const SectionReader& section) {
    const auto list = section.value<std::vector<std::int64_t>>("seeds");
    if (section.node("seeds") && section.node("seeds")->is_array() &&
        section.node("seeds")->as_array()->empty())
      section.complain("seeds", "'seeds' is empty, expected at least one");
    if (list.size() > kMostSeeds)
      section.complain("seeds",
                       fmt::format("{} seeds, at most {} are taken", list.size(), kMostSeeds));
    if (std::set<std::int64_t>(list.begin(), list.end()).size() != list.size())
      section.complain("seeds", "'seeds' names a seed twice");
    return {list.begin(), list.end()};
  }

  void read_study() {
    const SectionReader section = open("study", table_of("study"));
    study_.name = section.value<std::string>("name");
    if (section.node("name") && section.node("name")->is_string() && !is_file_name(study_.name))
      section.complain("name", fmt::format("'{}' cannot name a study: letters, digits, '_', '.' "
                                           "and '-', at most 100, no dot in front",
                                           study_.name));
    if (study_.name == "runs" || study_.name == "metrics")
      section.complain("name", fmt::format("'{}' is the name of another folder beside the studies'",
                                           study_.name));
    study_.base = section.value<std::string>("base");
    if (!study_.base.empty())
      read_text_file(study_.base, kLargestConfigFile, where_of(*section.node("base")),
                     diagnostics_);
    study_.seeds = seeds_of(section);
  }

  void read_metrics() {
    const toml::table* table = table_of("metrics");
    if (!table) return;
    const SectionReader section = open("metrics", table);
    StudyMetrics& metrics = study_.metrics;
    metrics.reference = section.value<std::string>("reference");
    if (!metrics.reference.empty() && !fs::is_regular_file(metrics.reference))
      section.complain("reference", fmt::format("no file '{}'", metrics.reference.string()),
                       "'winnow stats' makes it");
    metrics.resamples = static_cast<std::uint32_t>(section.value<std::int64_t>("resamples"));
    metrics.neighbours = static_cast<std::uint32_t>(section.value<std::int64_t>("neighbours"));
    const auto id = section.value<std::string>("plugin");
    if (id.empty()) return;
    try {
      const FoundPlugin& found = registry_.find(PluginKind::kVerifier, id);
      metrics.use.id = found.plugin().id;
      metrics.use.options = check_options(*table, key_names(section_of(sections_, "metrics")),
                                          found.plugin().options, metrics.use.id, diagnostics_);
    } catch (const Error& error) {
      ++plugin_mistakes_;
      section.complain("plugin", error.what());
    }
  }

  std::vector<StudySetting> settings_of(const toml::node* node) {
    std::vector<StudySetting> settings;
    if (!node) return settings;
    if (const toml::table* table = node->as_table()) {
      for (const auto& [key, value] : *table)
        settings.push_back({std::string(key.str()), key.source(), &value});
    } else {
      diagnostics_.add(where_of(*node),
                       fmt::format("'set' is {}, expected a table", describe(*node)),
                       "set = { \"search.candidates\" = 4 }");
    }
    return settings;
  }

  // "set", and "quick_set" over it.
  std::vector<StudySetting> all_settings_of(const SectionReader& section) {
    std::vector<StudySetting> settings = settings_of(section.node("set"));
    const std::vector<StudySetting> quick = settings_of(section.node("quick_set"));
    if (quick_) settings.insert(settings.end(), quick.begin(), quick.end());
    return settings;
  }

  void read_pool(const toml::table& table) {
    const SectionReader section = open("pool", &table);
    StudyPool pool{section.value<std::string>("label"), all_settings_of(section)};
    for (const StudyPool& other : study_.pools)
      if (other.label == pool.label && !pool.label.empty())
        section.complain("label", fmt::format("a second pool '{}'", pool.label));
    study_.pools.push_back(std::move(pool));
  }

  void read_sweep(const toml::table& table) {
    const SectionReader section = open("sweep", &table);
    StudySweep sweep;
    sweep.label = section.value<std::string>("label");
    for (const StudySweep& other : study_.sweeps)
      if (other.label == sweep.label && !sweep.label.empty())
        section.complain("label", fmt::format("a second sweep '{}'", sweep.label));
    sweep.settings = all_settings_of(section);
    sweep.zip = section.value<bool>("zip");
    read_columns(section, sweep);
    read_pools(section, sweep);
    if (const toml::node* axes = section.node("axes"))
      for (const toml::table* axis : tables_in(*axes, "'axes'", "a list of tables"))
        read_axis(*axis, sweep);
    for (const StudyAxis& axis : sweep.axes)
      if (sweep.zip && axis.values.size() != sweep.axes[0].values.size())
        section.complain("zip", fmt::format("axes that are walked together need equally many "
                                            "values, '{}' has {} and '{}' {}",
                                            sweep.axes[0].name, sweep.axes[0].values.size(),
                                            axis.name, axis.values.size()));
    if (!quick_ || section.value<bool>("quick")) study_.sweeps.push_back(std::move(sweep));
  }

  void read_columns(const SectionReader& section, StudySweep& sweep) {
    const toml::node* node = section.node("columns");
    if (!node) return;
    if (!node->is_table())
      return section.complain("columns",
                              fmt::format("'columns' is {}, expected a table", describe(*node)));
    for (const auto& [key, value] : *node->as_table()) {
      if (const auto cell = cell_of(value))
        sweep.columns.emplace_back(key.str(), *cell);
      else
        diagnostics_.add(where_of(value), fmt::format("'{}' is {}, expected text or a number",
                                                      key.str(), describe(value)));
    }
  }

  void read_pools(const SectionReader& section, StudySweep& sweep) {
    sweep.pools = section.value<std::vector<std::string>>("pools");
    std::vector<std::string> labels;
    for (const StudyPool& pool : study_.pools) labels.push_back(pool.label);
    for (const std::string& label : sweep.pools) {
      if (std::find(labels.begin(), labels.end(), label) != labels.end()) continue;
      const std::string near = did_you_mean(label, labels);
      section.complain("pools", fmt::format("no [[pool]] '{}'", label),
                       near.empty() ? "there are " + winnow::list_of(labels) : near);
    }
  }

  static std::optional<Cell> cell_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return Cell(text->get());
    if (const auto* integer = node.as_integer()) return Cell(integer->get());
    if (const auto* real = node.as_floating_point()) return number_cell(real->get());
    if (const auto* flag = node.as_boolean()) return Cell(flag->get() ? "true" : "false");
    return std::nullopt;
  }

  void read_axis(const toml::table& table, StudySweep& sweep) {
    const SectionReader section = open("axes", &table);
    const auto key = section.value<std::string>("key");
    StudyAxis axis;
    axis.name = section.node("name") ? section.value<std::string>("name") : key;
    if (!section.node("key") && !section.node("name"))
      diagnostics_.add(where_of(table), "an axis without a 'key' of the run config or a 'name'");
    const char* list_key = quick_ && section.node("quick") ? "quick" : "values";
    const toml::node* node = section.node(list_key);
    const toml::array* values = node ? node->as_array() : nullptr;
    if (node && (!values || values->empty()))
      return section.complain(list_key, fmt::format("'{}' is {}, expected a list of values",
                                                    list_key, values ? "empty" : describe(*node)));
    if (values && values->size() > kMostValues)
      return section.complain(
          list_key, fmt::format("{} values, at most {} are taken", values->size(), kMostValues));
    const toml::node* key_node = section.node("key");
    for (std::size_t i = 0; values && i < values->size(); ++i)
      read_value(values->get(i), key_node, axis);
    sweep.axes.push_back(std::move(axis));
  }

  // A plain value of the axis's key, or {label, value} of it, or {label, set}.
  void read_value(const toml::node* node, const toml::node* key, StudyAxis& axis) {
    const toml::table* table = node->as_table();
    const toml::node* value = table ? table->get("value") : node;
    StudyValue result;
    if (table) {
      const std::vector<std::string> names = {"label", "value", "set"};
      refuse_unknown_keys(*table, names, "in a value of an axis", diagnostics_);
      result.settings = settings_of(table->get("set"));
      const toml::node* label = table->get("label");
      if (!label || !cell_of(*label))
        return diagnostics_.add(where_of(*table), "a value that is a table needs a 'label'",
                                "{ label = \"...\", set = { ... } }");
      result.cell = *cell_of(*label);
    } else if (const auto cell = cell_of(*node)) {
      result.cell = *cell;
    } else {
      return diagnostics_.add(where_of(*node), fmt::format("{} needs a label", describe(*node)),
                              "{ label = \"...\", value = ... }");
    }
    if (value && !key)
      return diagnostics_.add(where_of(*value), "a plain value needs an axis with a 'key'",
                              "{ label = \"...\", set = { ... } }");
    if (table && !value && !table->get("set"))
      return diagnostics_.add(where_of(*table), "a value with a label needs a 'value' or a 'set'",
                              "{ label = \"as it is\", set = {} }");
    if (value) result.settings.push_back({axis_key(key), key->source(), value});
    axis.values.push_back(std::move(result));
  }

  static std::string axis_key(const toml::node* key) {
    const auto* text = key->as_string();
    return text ? text->get() : "";
  }

  void read_figure(const toml::table& table) {
    const SectionReader section = open("figure", &table);
    StudyFigure figure;
    figure.table = &table;
    figure.file = section.value<std::string>("file");
    if (section.node("file") && section.node("file")->is_string() &&
        (!is_file_name(figure.file) || !figure.file.ends_with(".svg")))
      section.complain(
          "file", fmt::format("'{}' is no name of a picture, such as \"curve.svg\"", figure.file));
    for (const StudyFigure& other : study_.figures)
      if (other.file == figure.file && !figure.file.empty())
        section.complain("file", fmt::format("a second figure '{}'", figure.file));
    figure.title = section.value<std::string>("title");
    figure.x = section.value<std::string>("x");
    figure.y = section.value<std::string>("y");
    figure.x_label = section.node("x_label") ? section.value<std::string>("x_label") : figure.x;
    figure.y_label = section.node("y_label") ? section.value<std::string>("y_label") : figure.y;
    const auto scale = [&](const char* key) {
      return section.value<std::string>(key) == "log" ? Scale::kLog : Scale::kLinear;
    };
    figure.x_scale = scale("x_scale");
    figure.y_scale = scale("y_scale");
    figure.series = section.value<std::vector<std::string>>("series");
    figure.where = read_filter(section, "where");
    read_lines(section, figure);
    study_.figures.push_back(std::move(figure));
  }

  void read_comparison(const toml::table& table) {
    const SectionReader section = open("compare", &table);
    StudyComparison comparison;
    comparison.table = &table;
    comparison.of = section.value<std::string>("of");
    const toml::node* against = section.node("against");
    if (const auto cell = against ? cell_of(*against) : std::nullopt)
      comparison.against = cell_text(*cell);
    else if (against && against->is_table() && !against->as_table()->empty())
      comparison.point = read_filter(section, "against");
    else if (against)
      section.complain("against", fmt::format("'against' is {}, expected text, a number, or a "
                                              "table of what tells one point",
                                              describe(*against)));
    else
      diagnostics_.add(where_of(table), "a comparison without 'against'");
    if (comparison.point.empty() == comparison.of.empty())
      diagnostics_.add(where_of(table), comparison.of.empty()
                                            ? "a comparison without 'of'"
                                            : "'of' beside an 'against' that tells one point");
    comparison.metrics = section.value<std::vector<std::string>>("metrics");
    comparison.where = read_filter(section, "where");
    comparison.by_task = section.value<std::string>("pair") == "task";
    study_.comparisons.push_back(std::move(comparison));
  }

  void read_ranking(const toml::table& table) {
    const SectionReader section = open("rank", &table);
    StudyRanking ranking;
    ranking.table = &table;
    ranking.of = section.value<std::string>("of");
    ranking.metrics = section.value<std::vector<std::string>>("metrics");
    for (const std::string& metric : ranking.metrics)
      if (!metric.ends_with("_mean"))
        section.complain("metrics",
                         fmt::format("'{}' is no verifier's mean; only scores are ranked, "
                                     "task by task",
                                     metric));
    ranking.where = read_filter(section, "where");
    study_.rankings.push_back(std::move(ranking));
  }

  RowFilter read_filter(const SectionReader& section, const char* name) {
    RowFilter filter;
    const toml::node* node = section.node(name);
    if (!node) return filter;
    if (!node->is_table()) {
      section.complain(name, fmt::format("'{}' is {}, expected a table", name, describe(*node)));
      return filter;
    }
    for (const auto& [key, value] : *node->as_table()) {
      std::vector<std::string> wanted;
      const toml::array* list = value.as_array();
      for (std::size_t i = 0; i < (list ? list->size() : 1); ++i) {
        const toml::node& one = list ? *list->get(i) : value;
        if (const auto cell = cell_of(one))
          wanted.push_back(cell_text(*cell));
        else
          diagnostics_.add(where_of(one),
                           fmt::format("{}, expected text or a number", describe(one)));
      }
      filter.emplace_back(key.str(), std::move(wanted));
    }
    return filter;
  }

  void read_lines(const SectionReader& section, StudyFigure& figure) {
    const toml::node* node = section.node("lines");
    if (!node) return;
    for (const toml::table* line : tables_in(*node, "'lines'", "a list of tables")) {
      const auto* label = line->get_as<std::string>("label");
      const auto y = line->get("y") ? line->get("y")->value<double>() : std::nullopt;
      if (!label || !y)
        diagnostics_.add(where_of(*line), "a line needs a label and a y",
                         "{ label = \"real images\", y = 8.6 }");
      else
        figure.lines.emplace_back(label->get(), *y);
    }
  }

  void read_quick() {
    const toml::table* table = table_of("quick");
    if (!table) return;
    const SectionReader section = open("quick", table);
    const std::vector<std::uint64_t> seeds = seeds_of(section);
    std::vector<StudySetting> settings = settings_of(section.node("set"));
    const auto resamples = section.get("resamples");
    if (!quick_) return;
    if (!seeds.empty()) study_.seeds = seeds;
    study_.quick = std::move(settings);
    if (resamples)
      study_.metrics.resamples = static_cast<std::uint32_t>(std::get<std::int64_t>(*resamples));
  }

  Study& study_;
  const toml::table& root_;
  bool quick_;
  const Registry& registry_;
  Diagnostics& diagnostics_;
  std::vector<ConfigSection> sections_;
  std::size_t plugin_mistakes_ = 0;
};

}  // namespace

Study load_study(const fs::path& file, bool quick, const Registry& registry) {
  Diagnostics diagnostics;
  Study study;
  study.file = file.string();
  const auto text = read_text_file(file, kLargestTomlFile, {study.file}, diagnostics);
  if (!text) diagnostics.throw_if_any();
  study.text = *text;
  std::optional<toml::table> parsed = parse_toml(*text, study.file, diagnostics);
  if (!parsed) diagnostics.throw_if_any();
  study.source = std::make_shared<const toml::table>(std::move(*parsed));
  StudyReader reader(study, quick, registry, diagnostics);
  reader.read();
  diagnostics.throw_if_any(reader.only_plugins_fail() ? Exit::kPlugin : Exit::kUsage);
  if (quick) study.name += "-quick";
  return study;
}

}  // namespace winnow

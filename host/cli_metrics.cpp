// cli_metrics.cpp: the verbs that measure sets of pictures: stats and metrics.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>

#include "host/cli_verbs.hpp"
#include "host/feature_network.hpp"
#include "host/figures.hpp"
#include "host/reference_file.hpp"
#include "host/saved_run.hpp"
#include "host/verifier_statistics.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

// NaN would be no JSON.
ordered_json number(double x) { return std::isfinite(x) ? ordered_json(x) : nullptr; }

ordered_json to_json(const Estimate& e) {
  return {{"value", number(e.value)}, {"low", number(e.low)}, {"high", number(e.high)}};
}

std::string interval_text(const Estimate& e) {
  return std::isfinite(e.low) ? fmt::format("{} to {}", score_text(e.low), score_text(e.high))
                              : "none";
}

std::string count_text(std::uint64_t n) { return grouped(static_cast<double>(n)); }

MetricOptions metric_options(const CommandLine& line) {
  return {.seed = line.seed, .resamples = line.resamples, .k = line.neighbours};
}

ImageSet image_set(const CommandLine& line) {
  return ImageSet(line.set, {.first = line.first, .count = line.count, .seed = line.seed});
}

void require_features(const CommandLine& line, bool run_directory) {
  if (!line.features.empty()) return;
  if (!fs::exists(line.set))
    throw Error(Exit::kUsage, fmt::format("'{}' is not there", line.set.string()));
  if (!run_directory)
    throw Error(Exit::kUsage, fmt::format("'{}' is no finished run directory, so that there is "
                                          "nothing to measure without --features PLUGIN",
                                          line.set.string()));
  if (!line.reference.empty() || !line.overrides.empty())
    throw Error(Exit::kUsage, "a reference and options need --features PLUGIN");
}

void add_set_metrics(const CommandLine& line, Answer& answer) {
  const Registry registry = scan_plugins(line);
  const PluginUse use = verifier_use(registry, line.features, line.overrides);
  const ImageSet images = image_set(line);
  std::optional<Reference> reference;
  if (!line.reference.empty()) reference = read_reference(line.reference);
  FeatureNetwork network(registry, use);
  // The features of many pictures take a while: a wrong reference is refused before.
  if (reference)
    require_same_network(*reference, network.info().network, network.info().n_features);
  const MetricOptions options = metric_options(line);
  const FeatureSet features = network.features(images);
  const SetMetrics metrics = set_metrics(features, reference ? &*reference : nullptr, options);

  Rows rows = {{"  metric", "value", "95 % interval"}};
  ordered_json values = ordered_json::object();
  for (const auto& [name, value] : named_metrics(metrics)) {
    values[name] = *value ? to_json(**value) : nullptr;
    if (*value)
      rows.push_back(
          {std::string("  ") + name, score_text((*value)->value), interval_text(**value)});
    else
      rows.push_back({std::string("  ") + name, "-", metrics.missing.at(name)});
  }
  answer.text += fmt::format("{}: {} pictures, {} features by {}\n", images.source(),
                             count_text(features.n), features.n_features, network.plugin()) +
                 table_text(rows);
  answer.json["samples"] = features.n;
  answer.json["shape"] = images.shape();
  answer.json["features"] = {{"plugin", network.plugin()},
                             {"network", features.network},
                             {"n_features", features.n_features},
                             {"n_classes", features.n_classes}};
  if (reference)
    answer.json["reference"] = {{"file", line.reference.string()},
                                {"source", reference->source},
                                {"samples", reference->n},
                                {"rows", reference->rows()}};
  answer.json["metrics"] = values;
  answer.json["missing"] = metrics.missing;
}

void add_verifiers(const CommandLine& line, const ordered_json& summary, Answer& answer) {
  const auto all = verifier_statistics(summary, line.first, metric_options(line));
  Rows rows = {{"  verifier", "scored", "mean", "95 % interval"}};
  for (const double q : kQuantiles) rows[0].push_back(fmt::format("{:.0f} %", 100 * q));
  ordered_json verifiers = ordered_json::object();
  for (const VerifierStatistics& one : all) {
    rows.push_back(
        {"  " + one.name, count_text(one.n), score_text(one.mean.value), interval_text(one.mean)});
    ordered_json quantiles = ordered_json::object();
    for (std::size_t q = 0; q < kQuantiles.size(); ++q) {
      rows.back().push_back(score_text(one.quantiles[q]));
      quantiles[fmt::format("{}", kQuantiles[q])] = one.quantiles[q];
    }
    verifiers[one.name] = {{"n", one.n}, {"mean", to_json(one.mean)}, {"quantiles", quantiles}};
  }
  if (!answer.text.empty()) answer.text += "\n";
  answer.text += fmt::format("{}: scores of the {}\n", line.set.string(),
                             line.first ? "first candidates" : "chosen samples") +
                 table_text(rows);
  answer.json["verifiers"] = verifiers;
}

}  // namespace

Answer metrics_verb(const CommandLine& line) {
  const std::optional<ordered_json> summary = read_summary(line.set);
  require_features(line, summary.has_value());
  Answer answer;
  answer.json = {{"set", line.set.string()},
                 {"seed", line.seed},
                 {"resamples", line.resamples},
                 {"neighbours", line.neighbours}};
  if (!summary && fs::exists(line.set / "run.toml"))
    spdlog::warn("the run in '{}' is not finished: these are the samples that are there so far",
                 line.set.string());
  if (!line.features.empty()) add_set_metrics(line, answer);
  if (summary) add_verifiers(line, *summary, answer);
  return answer;
}

Answer stats_verb(const CommandLine& line) {
  // The features of many pictures take a while: a folder that is not there is refused before.
  const fs::path folder = line.out.parent_path();
  if (!folder.empty() && !fs::is_directory(folder))
    throw Error(Exit::kUsage, fmt::format("the folder '{}' for '{}' is not there", folder.string(),
                                          line.out.filename().string()));
  const Registry registry = scan_plugins(line);
  const PluginUse use = verifier_use(registry, line.features, line.overrides);
  const ImageSet images = image_set(line);
  FeatureNetwork network(registry, use);
  const FeatureSet features = network.features(images);
  if (features.n <= features.n_features)
    spdlog::warn("{} pictures do not determine the covariance of {} features; more are better",
                 features.n, features.n_features);
  Reference reference = make_reference(features, line.rows, line.seed);
  reference.plugin = network.plugin();
  reference.source = images.source();
  write_reference(line.out, reference, line.half ? FeatureDtype::kF16 : FeatureDtype::kF32);
  Answer answer;
  answer.text = fmt::format("{}: statistics of {} pictures ({} features by {}), {} of them kept\n",
                            line.out.string(), count_text(reference.n), reference.n_features,
                            network.plugin(), count_text(reference.rows()));
  answer.json = {{"file", line.out.string()},
                 {"source", reference.source},
                 {"plugin", reference.plugin},
                 {"network", reference.network},
                 {"n_features", reference.n_features},
                 {"samples", reference.n},
                 {"rows", reference.rows()}};
  return answer;
}

}  // namespace winnow

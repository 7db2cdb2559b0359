// study_metrics.cpp: features, metrics and their cache.
#include "host/study_metrics.hpp"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/disk.hpp"
#include "host/reference_file.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Everything that the numbers of a run depend on, but for the run itself.
std::string settings_text(const StudyMetrics& metrics, const Registry& registry) {
  const FoundPlugin& plugin = registry.find(PluginKind::kVerifier, metrics.use.id);
  std::string text = fmt::format("{} {} {} {}", metrics.use.id, plugin.package->version,
                                 metrics.resamples, metrics.neighbours);
  for (const OptionValue& option : metrics.use.options) {
    text += fmt::format("\n{} = {}", option.key, to_toml(option.data));
    const auto* path = std::get_if<std::string>(&option.data);
    if (option.type == WN_OPT_PATH && path && fs::is_regular_file(*path))
      text += fmt::format(" {}", sha256_hex_of_file(*path));
  }
  if (!metrics.reference.empty())
    text += fmt::format("\n{}", sha256_hex_of_file(metrics.reference));
  return text;
}

Fields fields_of(const ordered_json& json) {
  Fields fields;
  for (const auto& [name, value] : json.items())
    fields.emplace_back(name, value.is_number() ? number_cell(value.get<double>()) : Cell());
  return fields;
}

}  // namespace

StudyMetricsReader::StudyMetricsReader(const StudyMetrics& metrics, const Registry& registry,
                                       const fs::path& out)
    : metrics_(metrics),
      registry_(registry),
      folder_(out / "metrics"),
      settings_(settings_text(metrics, registry)) {
  if (!metrics.reference.empty()) reference_ = read_reference(metrics.reference);
}

Fields StudyMetricsReader::operator()(const fs::path& run) {
  // The summary has the hashes of all chosen samples: a run that was deleted and made again, with
  // other weights perhaps, has the old one's name.
  const std::string hash = sha256_hex(settings_ + "\n" + sha256_hex_of_file(run / "summary.json"));
  const std::string name = fmt::format("{}-{}.json", run.filename().string(), hash.substr(0, 12));
  std::ifstream in(folder_ / name);
  const auto known = ordered_json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (known.is_object()) return fields_of(known);
  const Fields fields = compute(run);
  ordered_json json = ordered_json::object();
  for (const auto& [key, cell] : fields) {
    const double value = cell_number(cell);
    json[key] = std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
  }
  fs::create_directories(folder_);
  disk::replace_file(folder_, name, json.dump(2) + "\n");
  return fields;
}

FeatureNetwork& StudyMetricsReader::network() {
  if (!network_) network_ = std::make_unique<FeatureNetwork>(registry_, metrics_.use);
  return *network_;
}

void StudyMetricsReader::check() {
  if (reference_)
    require_same_network(*reference_, network().info().network, network().info().n_features);
}

Fields StudyMetricsReader::compute(const fs::path& run) {
  const FeatureSet set = network().features(ImageSet(run));
  const SetMetrics all =
      set_metrics(set, reference_ ? &*reference_ : nullptr,
                  {.seed = 0, .resamples = metrics_.resamples, .k = metrics_.neighbours});
  Fields fields;
  for (const NamedMetric& metric : named_metrics(all)) {
    if (!*metric.value) continue;
    fields.emplace_back(metric.name, number_cell((*metric.value)->value));
    fields.emplace_back(fmt::format("{}_low", metric.name), number_cell((*metric.value)->low));
    fields.emplace_back(fmt::format("{}_high", metric.name), number_cell((*metric.value)->high));
  }
  return fields;
}

}  // namespace winnow

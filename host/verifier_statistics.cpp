// verifier_statistics.cpp: see verifier_statistics.hpp.
#include "host/verifier_statistics.hpp"

#include <algorithm>

namespace winnow {
namespace {

using nlohmann::ordered_json;

struct Scores {
  std::string name;
  std::vector<double> values;
};

// `chosen`: the part of a task's entry that speaks of one sample.
void add_scores(const ordered_json& chosen, std::vector<Scores>& all) {
  const auto scores = chosen.find("scores");
  if (scores == chosen.end() || !scores->is_object()) return;
  for (const auto& [name, score] : scores->items()) {
    if (!score.is_number()) continue;
    const auto same = [&name = name](const Scores& s) { return s.name == name; };
    auto found = std::ranges::find_if(all, same);
    if (found == all.end()) found = all.insert(all.end(), {name, {}});
    found->values.push_back(score.get<double>());
  }
}

}  // namespace

std::vector<VerifierStatistics> verifier_statistics(const ordered_json& summary, bool first,
                                                    const MetricOptions& options) {
  std::vector<Scores> all;
  for (const ordered_json& task : summary.value("tasks", ordered_json::array())) {
    if (!first)
      add_scores(task, all);
    else if (const auto before = task.find("first"); before != task.end())
      add_scores(*before, all);
  }
  std::vector<VerifierStatistics> statistics;
  for (const Scores& scores : all) {
    VerifierStatistics one;
    one.name = scores.name;
    one.n = scores.values.size();
    one.mean = bootstrap_mean(scores.values, options.resamples, options.seed);
    for (std::size_t q = 0; q < kQuantiles.size(); ++q)
      one.quantiles[q] = quantile(scores.values, kQuantiles[q]);
    statistics.push_back(one);
  }
  return statistics;
}

}  // namespace winnow

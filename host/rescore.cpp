// rescore.cpp: see rescore.hpp.
#include "host/rescore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "host/condition.hpp"
#include "host/plugin_provider.hpp"
#include "host/png.hpp"
#include "host/rank_correlation.hpp"
#include "host/scorer.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kDefaultBatch = 64, kLargestBatch = 1024;

struct Place {
  std::size_t task, sample;
};

class Judge {
 public:
  Judge(const SavedRun& run, const Registry& registry, const PluginUse& use) : run_(run) {
    const FoundPlugin& found = registry.find(PluginKind::kVerifier, use.id);
    std::vector<std::unique_ptr<Verifier>> verifiers;
    verifiers.push_back(std::make_unique<Verifier>(
        std::make_unique<PluginInstance>(provider_.code(found, use), use, found.package->version,
                                         services_),
        VerifierUse{.use = use, .name = use.id}));
    const std::uint32_t preferred = verifiers.front()->info().preferred_batch;
    batch_ = preferred ? std::min(preferred, kLargestBatch) : kDefaultBatch;
    scorer_ = std::make_unique<Scorer>(std::move(verifiers), batch_, /*fixed_shape=*/false);
    result_.set_level = scorer_->set_level();
    result_.wanted_previews = scorer_->verifier(0).wants_previews();
  }

  Rescored judge() {
    for (const SavedTask& task : run_.tasks) result_.scores.emplace_back(task.samples.size());
    result_.choice.resize(run_.tasks.size());
    scorer_->reset();
    std::vector<Place> places;
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      for (std::size_t s = 0; s < run_.tasks[t].samples.size(); ++s) {
        places.push_back({t, s});
        if (!result_.set_level && places.size() == batch_) show(places);
      }
      // What a set's verifier says of the next task hangs on the choice of this one.
      if (result_.set_level) show(places), choose(t), accept(t);
    }
    show(places);
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) choose(t);
    return std::move(result_);
  }

 private:
  // Scores them and empties the list.
  void show(std::vector<Place>& places) {
    if (places.empty()) return;
    std::vector<std::unique_ptr<const Condition>> conditions;
    std::vector<Exhibit> exhibits;
    Tensor samples;
    for (std::size_t row = 0; row < places.size(); ++row) {
      const SavedTask& task = run_.tasks[places[row].task];
      const std::vector<float> pixels = read(task.samples[places[row].sample]);
      if (row == 0) samples = Tensor(places.size(), shape_);
      std::ranges::copy(pixels, samples.item(row).begin());
      if (row == 0 || places[row].task != places[row - 1].task)
        conditions.push_back(std::make_unique<const Condition>(task.condition, task.index));
      Exhibit& e = exhibits.emplace_back();
      e.row = row;
      e.condition = &conditions.back()->table;
      e.candidate = task.samples[places[row].sample].candidate;
    }
    scorer_->judge(samples, exhibits);
    for (std::size_t row = 0; row < places.size(); ++row) {
      NewScore& score = result_.scores[places[row].task][places[row].sample];
      score.failure = exhibits[row].failure;
      score.value = score.failure.empty() ? exhibits[row].scores[0].front() : std::nan("");
    }
    places.clear();
  }

  std::vector<float> read(const SavedSample& sample) {
    const Image image = read_png(sample.file);
    const std::vector<std::int64_t> shape = {image.channels, image.height, image.width};
    if (shape_.empty()) shape_ = shape;
    if (shape != shape_)
      throw Error(Exit::kUsage,
                  fmt::format("'{}' has {} x {} pixels in {} channels, expected {} x {} in {} as "
                              "the samples before",
                              sample.file.string(), shape[2], shape[1], shape[0], shape_[2],
                              shape_[1], shape_[0]));
    return sample_of_image(image);
  }

  void choose(std::size_t t) {
    if (!run_.keeps_all) return;
    const auto& scores = result_.scores[t];
    std::optional<std::size_t> best = run_.tasks[t].chosen;
    if (best && !scores[*best].failure.empty()) best.reset();
    for (std::size_t s = 0; s < scores.size(); ++s)
      if (scores[s].failure.empty() && (!best || scores[s].value > scores[*best].value)) best = s;
    result_.choice[t] = best;
  }

  void accept(std::size_t t) {
    const SavedTask& task = run_.tasks[t];
    const auto& best = run_.keeps_all ? result_.choice[t] : task.chosen;
    if (!best) return;
    const Condition condition(task.condition, task.index);
    scorer_->accept(read(task.samples[*best]), shape_, &condition.table,
                    task.samples[*best].candidate);
  }

  const SavedRun& run_;
  HostServices services_{nullptr};
  PluginProvider provider_{Isolation{}};
  std::unique_ptr<Scorer> scorer_;
  std::uint32_t batch_ = 0;
  std::vector<std::int64_t> shape_;  // [C, H, W] of all samples
  Rescored result_;
};

class Summary {
 public:
  Summary(const SavedRun& run, const Rescored& rescored) : run_(run), rescored_(rescored) {}

  RescoreSummary make() {
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) count(t);
    for (std::size_t v = 0; v < run_.verifiers.size(); ++v) {
      summary_.means.push_back(mean_of(v));
      summary_.agreements.push_back(agreement_with(v));
    }
    summary_.means.push_back(mean_of(run_.verifiers.size()));
    return std::move(summary_);
  }

 private:
  void count(std::size_t t) {
    const auto& scores = rescored_.scores[t];
    const auto failed = std::ranges::count_if(scores, [](auto& s) { return !s.failure.empty(); });
    summary_.samples += scores.size();
    summary_.failed += static_cast<std::uint64_t>(failed);
    summary_.task_failed |= failed > 0 && static_cast<std::size_t>(failed) == scores.size();
    if (!run_.tasks[t].chosen || !rescored_.choice[t]) return;
    ++summary_.compared;
    summary_.changed += rescored_.choice[t] != run_.tasks[t].chosen;
  }

  // Verifier v of the run, or the new one, which comes behind them.
  double score(std::size_t v, std::size_t t, std::size_t s) const {
    return v < run_.verifiers.size() ? run_.tasks[t].samples[s].scores[v]
                                     : rescored_.scores[t][s].value;
  }

  MeanScore mean_of(std::size_t v) const {
    MeanScore mean{v < run_.verifiers.size() ? run_.verifiers[v] : "", 0, 0, 0, 0};
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      const SavedTask& task = run_.tasks[t];
      const auto choice = run_.keeps_all ? rescored_.choice[t] : task.chosen;
      if (!task.first || !task.chosen || !choice) continue;
      const double first = score(v, t, *task.first), chosen = score(v, t, *task.chosen),
                   would_be = score(v, t, *choice);
      if (std::isnan(first + chosen + would_be)) continue;
      mean.first += first, mean.chosen += chosen, mean.would_be += would_be;
      ++mean.tasks;
    }
    for (double* sum : {&mean.first, &mean.chosen, &mean.would_be})
      *sum = mean.tasks ? *sum / static_cast<double>(mean.tasks) : std::nan("");
    return mean;
  }

  Agreement agreement_with(std::size_t v) const {
    Agreement agreement{run_.verifiers[v], 0, 0, 0, 0};
    std::vector<double> all_old, all_new;
    for (std::size_t t = 0; t < run_.tasks.size(); ++t) {
      std::vector<double> old_scores, new_scores;
      for (std::size_t s = 0; s < run_.tasks[t].samples.size(); ++s) {
        const double before = score(v, t, s), now = rescored_.scores[t][s].value;
        if (std::isnan(before + now)) continue;
        old_scores.push_back(before), new_scores.push_back(now);
      }
      const double within = rank_correlation(old_scores, new_scores);
      if (!std::isnan(within)) agreement.within += within, ++agreement.tasks;
      all_old.insert(all_old.end(), old_scores.begin(), old_scores.end());
      all_new.insert(all_new.end(), new_scores.begin(), new_scores.end());
    }
    agreement.within =
        agreement.tasks ? agreement.within / static_cast<double>(agreement.tasks) : std::nan("");
    agreement.over_all = rank_correlation(all_old, all_new);
    agreement.samples = all_old.size();
    return agreement;
  }

  const SavedRun& run_;
  const Rescored& rescored_;
  RescoreSummary summary_;
};

}  // namespace

Rescored rescore(const SavedRun& run, const Registry& registry, const PluginUse& verifier) {
  return Judge(run, registry, verifier).judge();
}

RescoreSummary summary_of(const SavedRun& run, const Rescored& rescored) {
  return Summary(run, rescored).make();
}

}  // namespace winnow

// engine_sets.cpp: the part of the engine for set-level verifiers. Candidates of all tasks are made
// in batches as ever, but they are judged task by task: what a sample adds to the set depends on
// what earlier tasks put there.
#include <algorithm>

#include "host/engine_state.hpp"

namespace winnow {

// Takes the walks whose task has not its turn out of `finished`.
void Engine::park(const SampleBatch& batch, std::vector<std::unique_ptr<Walk>>& finished) {
  for (auto& walk : finished) {
    const bool waits = (walk->purpose == Purpose::kCandidate || walk->purpose == Purpose::kFinal) &&
                       !in_turn(*walk->task);
    const auto row = std::ranges::find(batch.walks, walk.get());
    if (!waits || row == batch.walks.end()) continue;
    Parked parked;
    if (walk->failure.empty()) {
      const auto sample = batch.samples->item(static_cast<std::size_t>(row - batch.walks.begin()));
      parked.sample.assign(sample.begin(), sample.end());
    }
    const std::uint64_t task = walk->task->index();
    parked.walk = std::move(walk);
    parked_bytes_ += parked.bytes();
    parked_[task].push_back(std::move(parked));
  }
  std::erase(finished, nullptr);
}

void Engine::judge_parked() {
  while (!parked_.empty() && parked_.begin()->first == turn_) {
    std::vector<Parked> waiting = std::move(parked_.begin()->second);
    parked_.erase(parked_.begin());
    for (std::size_t begin = 0; begin < waiting.size(); begin += settings_.batch) {
      const std::size_t n = std::min<std::size_t>(settings_.batch, waiting.size() - begin);
      Tensor samples(n, frame_.sampler.info(WN_PROFILE_FINAL).sample_shape);
      SampleBatch batch;
      batch.samples = &samples;
      for (std::size_t i = 0; i < n; ++i) {
        Parked& parked = waiting[begin + i];
        std::ranges::copy(parked.sample, samples.item(i).begin());
        parked_bytes_ -= parked.bytes();
        batch.walks.push_back(parked.walk.get());
      }
      judge(batch);
    }
    for (Parked& parked : waiting) finish(std::move(parked.walk));
  }
}

// A task that an earlier part of the run finished: its sample, as it was written, joins the set.
void Engine::accept_again(std::uint64_t index, const nlohmann::ordered_json& entry) {
  if (!entry.contains("sample")) return;
  const std::vector<float> sample = output_.read_sample(entry.at("sample"));
  const Condition condition(specs_[index], index);
  scorer_.accept(sample, frame_.sampler.info(WN_PROFILE_FINAL).sample_shape, &condition.table,
                 entry.at("best").at("candidate"));
}

}  // namespace winnow

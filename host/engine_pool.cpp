// engine_pool.cpp: the part of the engine that takes results from recorded pools instead of making
// them. Such a candidate is charged, recorded and told like one that was made; only nothing is
// walked. Whatever the pools lack is made, which is always right.
#include "host/engine_state.hpp"
#include "host/pool.hpp"

namespace winnow {

// The sample of a recipe from the pools' pictures.
std::optional<std::vector<float>> Engine::pooled_sample(const RecipeKey& key) const {
  const auto image = settings_.pools->sample(key);
  if (!image) return std::nullopt;
  const std::vector<std::int64_t> shape{image->channels, image->height, image->width};
  if (shape != frame_.sampler.info(WN_PROFILE_FINAL).sample_shape) return std::nullopt;
  return sample_of_image(*image);
}

// Of each verifier: its scores hang on the leg in which the previews that it wants were made.
std::vector<bool> Engine::scored_by_leg() const {
  std::vector<bool> by_leg;
  for (std::size_t v = 0; v < scorer_.size(); ++v)
    by_leg.push_back(scorer_.verifier(v).wants_previews());
  return by_leg;
}

// Sets what the noise needs of gradients from the pools; false: one is missing.
bool Engine::pooled_gradients(Live& live, std::uint64_t noise) {
  NoiseGraph& noises = live.task->noises();
  while (const std::uint64_t missing = noises.missing(noise)) {
    const auto* values = settings_.pools->gradient(live.keys->of_noise(missing));
    if (!values) return false;
    write(gradient_record(live.task->index(), missing, *values));
    noises.set(missing, *values);
  }
  return true;
}

bool Engine::pooled_score(const ScoreTable& from, std::size_t verifier) const {
  return from[verifier].size() == scorer_.verifier(verifier).info().n_heads;
}

// Right after an ask, while all that its recipes name is there.
void Engine::note_keys(Live& live, const Asked& asked) {
  if (!settings_.pools) return;
  Task& task = *live.task;
  if (!live.keys)
    live.keys = std::make_unique<RecipeKeys>(settings_.pools->scope(),
                                             settings_.pools->condition(task.index()));
  for (std::uint64_t id : asked.noises) live.keys->add(task.noises().at(id));
  for (std::uint64_t id : asked.candidates) live.keys->add(task.candidate(id));
  if (live.keys->size() < live.most_keys) return;
  // What the search has forgotten is never named again.
  live.keys->keep([&](std::uint64_t id) { return task.noises().has(id); },
                  [&](std::uint64_t id) { return task.has_candidate(id); });
  live.most_keys = 2 * live.keys->size() + Live::kFewKeys;
}

// A set-level verifier's scores hang on what was accepted before, so with one all is made.
bool Engine::take_from_pools(Live& live, std::uint64_t id) {
  if (!settings_.pools || set_level_) return false;
  const Candidate& c = live.task->candidate(id);
  // What fails takes its children with it, and that is not known yet.
  if (c.parent && live.task->candidate(c.parent).state == CandidateState::kOpen) return false;
  const RecipeKey key = live.keys->of(id);
  auto found = settings_.pools->find(key, c.start_time, scored_by_leg());
  if (!found) return false;
  if (live.task->drawn_noise(c) && !pooled_gradients(live, c.noise)) return false;
  DoneRecord record;
  record.task = live.task->index();
  record.candidate = id;
  if (c.scored) {
    if (found->hash.empty()) return false;
    const bool shown = is_shown(c);
    record.hash = found->hash;
    record.scores.resize(scorer_.size());
    for (std::size_t v = 0; v < scorer_.size(); ++v) {
      if (!looks_at(c, v)) continue;
      if (!pooled_score(found->scores, v)) return false;
      record.scores[v] = std::move(found->scores[v]);
    }
    if (shown && keeps_samples()) {
      const auto sample = pooled_sample(key);
      if (!sample) return false;
      keep_sample(live, c, *sample, record.scores);
    }
  }
  write(done_record(record));
  ++replayed_candidates_;
  replayed_nfe_ += c.nfe + c.backward_nfe;
  replay(live, record);
  return true;
}

bool Engine::take_final_from_pools(Live& live) {
  if (!settings_.pools || set_level_) return false;
  const FinalPlan& plan = live.plan;
  const Candidate& c = live.task->candidate(plan.best);
  const bool known = plan.mode == FinalMode::kAsItIs;
  const RecipeKey key = known ? live.keys->of(plan.best)
                        : plan.mode == FinalMode::kComplete
                            ? live.keys->of(completed_recipe(plan.best, c.profile))
                            : live.keys->of(regenerated_recipe(plan.noise, plan.stochasticity));
  const double start = known ? c.start_time : plan.mode == FinalMode::kComplete ? c.stop_time : 1.0;
  auto found = settings_.pools->find(key, start, scored_by_leg());
  if (!found || found->hash.empty()) return false;
  Walk walk;
  walk.task = live.task.get();
  walk.id = plan.best;
  walk.hash = found->hash;
  if (known) walk.scores = c.scores;
  walk.scores.resize(scorer_.size());
  for (std::size_t v = 0; v < scorer_.size(); ++v) {
    if (!walk.scores[v].empty()) continue;  // judged when it was a candidate
    if (!pooled_score(found->scores, v)) return false;
    walk.scores[v] = std::move(found->scores[v]);
  }
  if (keeps_samples()) {
    const auto sample = pooled_sample(key);
    if (!sample) return false;
    keep_final(live, walk, *sample);
  }
  replayed_nfe_ += plan.nfe;
  final_over(live, walk, walk.scores);
  return true;
}

}  // namespace winnow

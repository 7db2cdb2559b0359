// engine_results.cpp: the half of the engine that takes finished walks: judging, recording, waking
// children, the final sample.
#include <fmt/format.h>

#include <algorithm>

#include "host/engine_state.hpp"

namespace winnow {
namespace {

using Json = nlohmann::ordered_json;

const char* mode_name(FinalMode mode) {
  switch (mode) {
    case FinalMode::kComplete:
      return "completed";
    case FinalMode::kRegenerate:
      return "regenerated";
    default:
      return "as it is";
  }
}

}  // namespace

void Engine::take(const SampleBatch& batch, std::vector<std::unique_ptr<Walk>>& finished) {
  if (set_level_) park(batch, finished);
  judge(batch);
  take_gradients(batch);
  for (auto& walk : finished) finish(std::move(walk));
}

// Who looks at it: selecting verifiers at all that is scored; held-out ones at what is written,
// and, when they want a preview, at every sample, since only a walk has previews.
bool Engine::looks_at(const Candidate& c, std::size_t verifier) const {
  if (scorer_.selects(verifier)) return true;
  return is_shown(c) || (c.stop_time == 0 && scorer_.verifier(verifier).wants_previews());
}

Exhibit Engine::exhibit_of(const Walk& walk, std::size_t row) const {
  const Candidate& c = walk.task->candidate(walk.id);
  Exhibit e;
  e.row = row;
  e.condition = walk.task->condition();
  e.candidate = walk.id;
  e.previews = walk.previews;
  const bool final = walk.purpose == Purpose::kFinal;
  const bool known = final && live_.at(walk.task->index())->plan.mode == FinalMode::kAsItIs;
  if (known) e.scores = c.scores;
  e.scores.resize(scorer_.size());  // a candidate that was never scored has none
  for (std::size_t v = 0; v < scorer_.size(); ++v) {
    bool asked = true;
    if (known)
      asked = e.scores[v].empty() && !(c.scored && scorer_.verifier(v).wants_previews());
    else if (!final)
      asked = looks_at(c, v);
    e.asked.push_back(asked);
  }
  return e;
}

void Engine::judge(const SampleBatch& batch) {
  std::vector<Exhibit> exhibits;
  std::vector<Walk*> shown;
  for (std::size_t row = 0; row < batch.walks.size(); ++row) {
    Walk* walk = batch.walks[row];
    if (walk->stage != Stage::kDone || !walk->failure.empty()) continue;
    if (walk->purpose == Purpose::kGradient || !in_turn(*walk->task)) continue;
    exhibits.push_back(exhibit_of(*walk, row));
    shown.push_back(walk);
  }
  if (exhibits.empty()) return;
  scorer_.judge(*batch.samples, exhibits);
  for (std::size_t i = 0; i < exhibits.size(); ++i)
    judged(*shown[i], exhibits[i], batch.samples->item(exhibits[i].row));
}

void Engine::judged(Walk& walk, Exhibit& exhibit, std::span<const float> sample) {
  Live& live = *live_.at(walk.task->index());
  walk.failure = exhibit.failure;
  walk.scores = std::move(exhibit.scores);
  walk.unscored = std::move(exhibit.unscored);
  walk.previews.clear();
  if (!walk.failure.empty()) return;
  walk.hash = sample_hash(sample);
  const Candidate& c = walk.task->candidate(walk.id);
  if (walk.purpose != Purpose::kFinal) {
    if (is_shown(c)) keep_sample(live, c, sample, walk.scores);
    return;
  }
  keep_final(live, walk, sample);
  if (set_level_)
    scorer_.accept(sample, frame_.sampler.info(WN_PROFILE_FINAL).sample_shape,
                   walk.task->condition(), walk.id);
}

void Engine::keep_sample(Live& live, const Candidate& c, std::span<const float> sample,
                         const ScoreTable& scores) {
  if (!keeps_samples()) return;
  Json recipe = recipe_json(*live.task, c.id);
  recipe["scores"] = scores_json(scores).at("scores");
  if (c.first) live.first_file = write_sample(live, c.id, "first", sample, recipe);
  if (settings_.keep == Keep::kAll)
    write_sample(live, c.id, fmt::format("c{:06}", c.id).c_str(), sample, recipe);
}

void Engine::keep_final(Live& live, Walk& walk, std::span<const float> sample) {
  if (!keeps_samples()) return;
  Json recipe = recipe_json(*live.task, walk.id);
  recipe["scores"] = scores_json(walk.scores).at("scores");
  recipe["made"] = mode_name(live.plan.mode);
  walk.file = write_sample(live, walk.id, "best", sample, std::move(recipe));
}

std::string Engine::write_sample(Live& live, std::uint64_t, const char* kind,
                                 std::span<const float> sample, Json recipe) {
  recipe["run_seed"] = frame_.run_seed;
  return output_.sample(fmt::format("t{:05}-{}", live.task->index(), kind), sample, recipe);
}

void Engine::finish(std::unique_ptr<Walk> walk) {
  Live& live = *live_.at(walk->task->index());
  const LatentKey key{walk->task->index(), walk->id};
  if (walk->purpose == Purpose::kFinal) return final_over(live, *walk, std::move(walk->scores));
  if (walk->purpose == Purpose::kGradient) return gradient_over(live, *walk);
  if (walk->purpose == Purpose::kRemake) {
    recomputed_nfe_ += walk->walked_nfe;
    if (!walk->failure.empty())
      throw Error(Exit::kPlugin,
                  fmt::format("task {}, candidate {} succeeded before, but failed when it was made "
                              "again: {}",
                              key.task, key.candidate, walk->failure));
    const auto latent = std::make_shared<const Latent>(std::move(walk->latent));
    cache_.put(key, latent);
    return wake(key, latent);
  }
  candidate_over(live, *walk);
}

void Engine::candidate_over(Live& live, Walk& walk) {
  Task& task = *live.task;
  const std::uint64_t id = walk.id;
  const Candidate& c = task.candidate(id);
  if (c.state != CandidateState::kOpen) return;
  DoneRecord record;
  record.task = task.index();
  record.candidate = id;
  record.error = walk.failure;
  if (walk.failure.empty()) {
    record.scores = walk.scores;
    record.hash = walk.hash;
    record.unscored = walk.unscored;
    if (!walk.unscored.empty()) live.unscored[id] = std::move(walk.unscored);
  }
  write(done_record(record));
  if (!walk.failure.empty()) return fail_candidate(live, id, walk.failure);
  if (c.scored) {
    ++(c.stop_time > 0 ? live.ledger.previews : live.ledger.decoded);
    count_scores(live, walk.scores);
  }
  const auto latent = std::make_shared<const Latent>(std::move(walk.latent));
  task.succeed(id, std::move(walk.scores));
  if (task.winner() == id && live.winner != id) {
    live.winner = id;
    live.winner_latent = latent;
  }
  const LatentKey key{task.index(), id};
  cache_.put(key, latent);
  wake(key, latent);
  if (task.round_complete()) turns_.push_back(task.index());
}

void Engine::fail_candidate(Live& live, std::uint64_t id, const std::string& why) {
  for (std::uint64_t failed : live.task->fail(id, why))
    waiting_.erase({live.task->index(), failed});
  if (live.task->round_complete()) turns_.push_back(live.task->index());
}

void Engine::wake(const LatentKey& key, const LatentPtr& latent) {
  auto found = waiting_.extract(key);
  if (found.empty()) return;
  for (auto& job : found.mapped()) {
    job->base = latent;
    get_ready(std::move(job));
  }
}

void Engine::begin_final(Live& live) {
  const auto plan = live.task->final_plan();
  if (!plan) {
    Json entry{{"task", live.task->index()}};
    entry["error"] = live.task->accepted() == 0 ? "the budget does not reach for one candidate"
                                                : "every candidate failed";
    return close(live, std::move(entry));
  }
  live.plan = *plan;
  if (take_final_from_pools(live)) return;
  prepare(std::make_unique<Job>(Job{&live, plan->best, Purpose::kFinal, nullptr}));
}

void Engine::final_over(Live& live, Walk& walk, ScoreTable scores) {
  Task& task = *live.task;
  Json entry{{"task", task.index()}};
  live.ledger.final_nfe += live.plan.nfe;
  if (!walk.failure.empty()) {
    entry["error"] = "the final generation failed: " + walk.failure;
    return close(live, std::move(entry));
  }
  if (live.plan.mode != FinalMode::kAsItIs || !task.candidate(walk.id).scored) {
    ++live.ledger.decoded;
    count_scores(live, scores);
  } else if (settings_.keep != Keep::kAll) {
    for (std::size_t v = 0; v < scorer_.size(); ++v)
      if (!scorer_.selects(v) && !scorer_.verifier(v).wants_previews())
        ++live.ledger.verifier_calls[scorer_.verifier(v).use().name];
  }
  entry["best"] = recipe_json(task, walk.id);
  entry["best"]["made"] = mode_name(live.plan.mode);
  const Json judged = scores_json(scores);
  entry["scores"] = judged.at("scores");
  if (judged.contains("heads")) entry["heads"] = judged.at("heads");
  // Who was not asked again was asked when it was a candidate.
  if (const auto before = live.unscored.find(walk.id);
      before != live.unscored.end() && live.plan.mode == FinalMode::kAsItIs)
    for (const auto& [name, why] : before->second)
      if (!judged.at("scores").contains(name)) walk.unscored.try_emplace(name, why);
  if (!walk.unscored.empty()) entry["unscored"] = walk.unscored;
  if (keeps_samples()) entry["sample"] = walk.file;
  entry["hash"] = walk.hash;
  close(live, std::move(entry));
}

void Engine::close(Live& live, Json entry) {
  Task& task = *live.task;
  Json condition = Json::object();
  const wn_condition* asked = task.condition();
  if (asked->class_id >= 0) condition["class"] = asked->class_id;
  if (asked->prompt.size) condition["prompt"] = std::string(asked->prompt.data, asked->prompt.size);
  if (const auto& image = specs_[task.index()].image; !image.empty())
    condition["image"] = image.string();
  entry["condition"] = condition;
  if (task.first().id) {
    Json first{{"candidate", task.first().id}};
    first["scores"] = scores_json(task.first().scores).at("scores");
    if (const auto why = live.unscored.find(task.first().id); why != live.unscored.end())
      first["unscored"] = why->second;
    if (keeps_samples()) first["sample"] = live.first_file;
    entry["first"] = first;
  }
  for (const auto& [candidate, why] : task.failures())
    entry["failures"].push_back({{"candidate", candidate}, {"why", why}});
  live.ledger.search_nfe = task.spent_nfe();
  live.ledger.backward_nfe = task.backward_nfe();
  live.ledger.candidates = task.accepted();
  live.ledger.failed_candidates = task.failed();
  live.ledger.network_passes = (live.ledger.search_nfe + live.ledger.final_nfe) *
                               frame_.sampler.info(WN_PROFILE_FINAL).network_passes;
  write(final_record(task.index(), entry, live.ledger));
  const std::uint64_t index = task.index();
  settle(index, std::move(entry), live.ledger);
  live_.erase(index);
}

void Engine::settle(std::uint64_t index, Json entry, const Ledger& ledger) {
  any_task_failed_ |= entry.contains("error");
  ledger_ += ledger;
  ++tasks_done_;
  const std::string& name = scorer_.verifier(frame_.selecting.front()).use().name;
  if (entry.contains("scores") && entry.contains("first") &&
      entry["first"]["scores"].contains(name) && entry["scores"].contains(name)) {
    const double best = entry["scores"][name];
    best_sum_ += best;
    gain_sum_ += best - entry["first"]["scores"][name].get<double>();
    ++gain_tasks_;
  }
  entries_[index] = std::move(entry);
  while (turn_ < entries_.size() && !entries_[turn_].is_null()) ++turn_;
}

void Engine::count_scores(Live& live, const ScoreTable& scores) {
  for (std::size_t v = 0; v < scores.size(); ++v)
    if (!scores[v].empty()) ++live.ledger.verifier_calls[scorer_.verifier(v).use().name];
}

Json Engine::scores_json(const ScoreTable& scores) const {
  Json by_name = Json::object(), heads = Json::object();
  for (std::size_t v = 0; v < scores.size(); ++v) {
    if (scores[v].empty()) continue;
    const std::string& name = scorer_.verifier(v).use().name;
    by_name[name] = scores[v].front();
    if (scores[v].size() > 1) heads[name] = scores[v];
  }
  Json both{{"scores", by_name}};
  if (!heads.empty()) both["heads"] = heads;
  return both;
}

}  // namespace winnow

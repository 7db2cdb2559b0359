// engine_gradients.cpp: the part of the engine that makes GRADIENT and TWIST noises: candidates
// wait until the gradient through their source's path, or preview, is there. What was made stands
// in the journal, because kernels that differ in the last bit would lead a resumed search
// elsewhere.
#include <fmt/format.h>

#include "host/engine_state.hpp"
#include "host/gradient.hpp"

namespace winnow {
namespace {

// The noise that the job is going to use where a gradient changes it; 0: none.
std::uint64_t consumed_noise(const Task& task, const Candidate& c, Purpose purpose,
                             const FinalPlan& plan) {
  if (purpose == Purpose::kGradient) return 0;
  if (purpose == Purpose::kFinal) return plan.mode == FinalMode::kRegenerate ? plan.noise : 0;
  return task.drawn_noise(c);
}

}  // namespace

void Engine::restore_gradients(Live& live, const Asked& asked) {
  for (std::uint64_t noise : asked.noises) {
    const auto known = live.known_gradients.find(noise);
    if (known == live.known_gradients.end()) continue;
    live.task->noises().set(noise, std::move(known->second));
    live.known_gradients.erase(known);
  }
}

// True: the job was taken, and comes back when its noise can be evaluated.
bool Engine::wait_for_gradient(std::unique_ptr<Job>& job) {
  Task& task = *job->live->task;
  const std::uint64_t noise =
      consumed_noise(task, task.candidate(job->id), job->purpose, job->live->plan);
  if (!noise) return false;
  while (const std::uint64_t missing = task.noises().missing(noise)) {
    const std::uint64_t source = task.noises().at(missing).candidate;
    const LatentKey key{task.index(), source};
    if (const LatentPtr known = directions_.get(key)) {
      make_noise(task, missing, known->values);
      continue;
    }
    Live* live = job->live;
    GradientWait& wait = gradient_waits_[key];
    const bool is_asked_for = !wait.jobs.empty();
    if (std::ranges::find(wait.noises, missing) == wait.noises.end())
      wait.noises.push_back(missing);
    wait.jobs.push_back(std::move(job));
    if (!is_asked_for)
      prepare(std::make_unique<Job>(Job{live, source, Purpose::kGradient, nullptr}));
    return true;
  }
  return false;
}

void Engine::make_noise(Task& task, std::uint64_t noise, std::span<const float> direction) {
  const Noise& recipe = task.noises().at(noise);
  std::vector<float> x(direction.size());
  task.noises().evaluate(recipe.parents.front(), recipe.position, x);
  std::vector<float> y = recipe.op == WN_NOISE_TWIST ? shifted_along(x, direction, recipe.s)
                                                     : moved_along(x, direction, recipe.s);
  write(gradient_record(task.index(), noise, y));
  task.noises().set(noise, std::move(y));
}

void Engine::take_gradients(const SampleBatch& batch) {
  std::vector<Walk*> walks;
  std::vector<Exhibit> exhibits;
  std::vector<PathGradient> paths;
  for (std::size_t row = 0; row < batch.walks.size(); ++row) {
    Walk* walk = batch.walks[row];
    if (walk->purpose != Purpose::kGradient || !walk->failure.empty()) continue;
    walks.push_back(walk);
    exhibits.push_back(exhibit_of(*walk, row));
    paths.push_back({walk->task, walk->id, walk->latent.values, {}, {}});
  }
  if (walks.empty()) return;
  const Tensor d_samples = scorer_.gradient(*batch.samples, exhibits, frame_.selection);
  for (std::size_t i = 0; i < paths.size(); ++i) paths[i].failure = exhibits[i].failure;
  differentiate(frame_.sampler, paths, d_samples, settings_.batch, settings_.deterministic);
  for (std::size_t i = 0; i < paths.size(); ++i) {
    walks[i]->failure = paths[i].failure;
    if (!exhibits[i].failure.empty()) continue;  // its path was not differentiated
    walks[i]->latent.values = std::move(paths[i].direction);
    const Candidate& c = walks[i]->task->candidate(walks[i]->id);
    const SamplerInfo& info = frame_.sampler.info(c.profile);
    const double nfe = walks[i]->task->differentiated_nfe(c);
    gradient_nfe_ += nfe * (info.backward_nfe + info.vjp_forward_nfe);
    recomputed_nfe_ += nfe * info.vjp_forward_nfe + walks[i]->walked_nfe;
  }
}

void Engine::gradient_over(Live& live, Walk& walk) {
  Task& task = *live.task;
  const LatentKey key{task.index(), walk.id};
  GradientWait wait = std::move(gradient_waits_.at(key));
  gradient_waits_.erase(key);
  if (walk.failure.empty()) {
    for (std::uint64_t noise : wait.noises)  // a recorded pool may have had it in the meantime
      if (task.noises().missing(noise)) make_noise(task, noise, walk.latent.values);
    directions_.put(key, std::make_shared<const Latent>(Latent{std::move(walk.latent.values), {}}));
    for (auto& job : wait.jobs) get_ready(std::move(job));
    return;
  }
  for (auto& job : wait.jobs) {
    const std::string why =
        fmt::format("the gradient of candidate {} failed: {}", walk.id, walk.failure);
    if (job->purpose != Purpose::kCandidate)
      throw Error(Exit::kPlugin, fmt::format("task {}, candidate {} succeeded before, but {}",
                                             task.index(), job->id, why));
    DoneRecord record;
    record.task = task.index();
    record.candidate = job->id;
    record.error = why;
    write(done_record(record));
    fail_candidate(live, job->id, why);
  }
}

}  // namespace winnow

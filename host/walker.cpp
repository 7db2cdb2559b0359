// walker.cpp: see walker.hpp.
#include "host/walker.hpp"

#include <algorithm>

#include "host/batch_noise.hpp"
#include "host/preview_plan.hpp"

namespace winnow {
std::unique_ptr<Walk> walk_of(const Candidate& c, Task& task, Frame& frame) {
  auto walk = std::make_unique<Walk>();
  walk->task = &task;
  walk->id = c.id;
  walk->profile = c.profile;
  walk->stochasticity = c.stochasticity;
  walk->noise = c.noise;
  walk->first_position = c.first_position;
  walk->stop_time = c.stop_time;
  if (c.stop_time < c.start_time)
    walk->leg = frame.legs.get(c.profile, c.start_time, c.stop_time, c.stochasticity, c.leg_steps);
  if (c.op == WN_CAND_RENOISE) {
    walk->renoise_from = task.candidate(c.parent).stop_time;
    walk->renoise_to = c.from_time;
  } else if (c.op == WN_CAND_JITTER) {
    const SamplerInfo& info = frame.sampler.info(c.profile);
    const auto at = std::ranges::find(info.times, c.start_time) - info.times.begin();
    walk->jitter = c.s * info.noise_scale[static_cast<std::size_t>(at)];
  }
  walk->stage = c.op == WN_CAND_START     ? Stage::kInit
                : c.op == WN_CAND_RENOISE ? Stage::kRenoise
                : walk->leg               ? Stage::kStep
                                          : Stage::kDone;
  return walk;
}

void want_previews(Walk& walk, const Frame& frame) {
  if (!walk.leg) return;
  walk.preview_steps = preview_steps(*walk.leg, frame.preview_times);
  walk.previews.resize(walk.preview_steps.size());
}

void apply_jitter(Walk& w) {
  std::vector<float> noise(w.latent.values.size());
  w.task->noises().evaluate(w.noise, 0, noise);
  for (std::size_t i = 0; i < noise.size(); ++i)
    w.latent.values[i] = static_cast<float>(w.latent.values[i] + w.jitter * noise[i]);
  std::ranges::fill(w.latent.carry, 0.0f);
  w.latent.has_eval = 0;
}

Walker::Walker(Sampler& sampler, std::uint32_t batch, bool fixed_shape)
    : sampler_(sampler), batch_(batch), fixed_shape_(fixed_shape) {
  const SamplerInfo& info = sampler.info(WN_PROFILE_FINAL);
  mixed_times_ = info.flags & sampler.info(WN_PROFILE_SEARCH).flags & WN_F_MIXED_TIMES;
  latents_ = Tensor(batch, info.latent_shape, sampler.memory());
  clean_ = Tensor(batch, info.latent_shape, sampler.memory());
  samples_ = Tensor(batch, info.sample_shape, sampler.memory());
  if (info.carry_elements) {
    const std::int64_t carry_shape[] = {static_cast<std::int64_t>(info.carry_elements)};
    carry_ = Tensor(batch, carry_shape, sampler.memory());
  }
}

Walker::Key Walker::key_of(const Walk& w) const {
  if (w.stage == Stage::kRenoise && !mixed_times_)
    return {w.stage, w.profile, w.renoise_from, w.renoise_to};
  if (w.stage == Stage::kStep && !mixed_times_)
    return {w.stage, w.profile, w.time(), w.leg->times[w.step + 1]};
  if (w.stage == Stage::kPreview && !mixed_times_)
    return {w.stage, w.profile, w.looking ? w.time() : w.stop_time, 0};
  return {w.stage, w.profile, 0, 0};
}

void Walker::add(std::unique_ptr<Walk> walk) {
  const SamplerInfo& info = sampler_.info(walk->profile);
  walk->latent.values.resize(info.latent_elements);
  walk->latent.carry.resize(info.carry_elements);
  ++in_flight_;
  if (walk->stage == Stage::kStep) look_or_step(*walk);
  enqueue(std::move(walk));
}

// Before a step: is there a verifier that wants to see the preview here?
void Walker::look_or_step(Walk& w) {
  w.looking = false;
  for (std::size_t i = 0; i < w.preview_steps.size(); ++i)
    w.looking |= w.preview_steps[i] == w.step && w.previews[i].empty();
  w.stage = w.looking ? Stage::kPreview : Stage::kStep;
}

void Walker::keep_preview(Walk& w, std::span<const float> sample) {
  for (std::size_t i = 0; i < w.preview_steps.size(); ++i)
    if (w.preview_steps[i] == w.step) w.previews[i].assign(sample.begin(), sample.end());
}

void Walker::enqueue(std::unique_ptr<Walk> walk) {
  queues_[key_of(*walk)].push_back(std::move(walk));
}

double Walker::nfe_ahead() const {
  double ahead = 0;
  for (const auto& [key, queue] : queues_)
    for (const auto& walk : queue) {
      if (walk->purpose != Purpose::kCandidate) continue;
      const Candidate& c = walk->task->candidate(walk->id);
      if (c.state == CandidateState::kOpen) ahead += std::max(0.0, c.nfe - walk->walked_nfe);
    }
  return ahead;
}

// Full batches of what ends walks first, so that samples do not pile up; else whatever has most to
// do.
std::deque<std::unique_ptr<Walk>>& Walker::choose(Stage& stage) {
  auto best = queues_.end();
  std::size_t best_rank = 0;
  for (auto it = queues_.begin(); it != queues_.end(); ++it) {
    const std::size_t ready = std::min<std::size_t>(it->second.size(), batch_);
    const bool ends = std::get<0>(it->first) >= Stage::kPreview;
    const std::size_t rank =
        2 * ready + (ends && ready == batch_ ? 2 * batch_ : 0) + (ends ? 1 : 0);
    if (ready && rank >= best_rank) {
      best = it;
      best_rank = rank;
    }
  }
  stage = std::get<0>(best->first);
  return best->second;
}

void Walker::fill(const std::vector<std::unique_ptr<Walk>>& walks, Stage stage) {
  const std::size_t n = fixed_shape_ ? batch_ : walks.size();
  latents_.resize(n);
  clean_.resize(n);
  samples_.resize(n);
  if (carry_.capacity()) carry_.resize(n);
  columns_.clear();
  noises_.clear();
  columns_.profile = walks.front()->profile;
  columns_.latents = &latents_;
  columns_.carry = carry_.capacity() ? &carry_ : nullptr;
  for (std::size_t i = 0; i < n; ++i) {
    Walk& w = *walks[std::min(i, walks.size() - 1)];
    std::ranges::copy(w.latent.values, latents_.item(i).begin());
    if (columns_.carry) std::ranges::copy(w.latent.carry, carry_.item(i).begin());
    double from = w.stop_time, to = w.stop_time;
    std::uint32_t position = 0;
    if (stage == Stage::kInit) {
      from = to = 1;
    } else if (stage == Stage::kRenoise) {
      from = w.renoise_from;
      to = w.renoise_to;
    } else if (stage == Stage::kStep) {
      from = w.leg->times[w.step];
      to = w.leg->times[w.step + 1];
      position = w.first_position + static_cast<std::uint32_t>(w.step);
    } else if (w.looking) {
      from = to = w.leg->times[w.step];
    }
    columns_.conditions.push_back(w.task->condition());
    columns_.has_eval.push_back(w.latent.has_eval);
    columns_.from_time.push_back(from);
    columns_.to_time.push_back(to);
    columns_.stochasticity.push_back(w.stochasticity);
    columns_.noise.push_back(i);
    columns_.position.push_back(position);
    noises_.emplace_back(w.task, w.noise);
  }
}

ItemFailures Walker::call(Stage stage) {
  BatchNoise noise(noises_);
  ++batches_;
  switch (stage) {
    case Stage::kInit:
      return sampler_.init(columns_, noise);
    case Stage::kRenoise:
      return sampler_.renoise(columns_, noise);
    case Stage::kStep:
      return sampler_.step(columns_, noise);
    case Stage::kPreview: {
      ItemFailures failures = sampler_.preview(columns_, noise, clean_);
      // The latents go on from where they stopped; only the picture is made of the clean
      // prediction.
      std::swap(latents_, clean_);
      ItemFailures decoded = sampler_.decode(columns_, samples_);
      std::swap(latents_, clean_);
      for (std::size_t i = 0; i < failures.size(); ++i)
        if (failures[i].status == WN_OK) failures[i] = decoded[i];
      return failures;
    }
    default:
      return sampler_.decode(columns_, samples_);
  }
}

void Walker::take_back(std::vector<std::unique_ptr<Walk>>& walks, Stage stage,
                       const ItemFailures& failures) {
  const SamplerInfo& info = sampler_.info(columns_.profile);
  for (std::size_t i = 0; i < walks.size(); ++i) {
    Walk& w = *walks[i];
    double nfe = 0;
    if (stage == Stage::kStep) nfe = w.leg->nfe[w.step];
    if (stage == Stage::kPreview) nfe = info.preview_nfe;
    if ((stage == Stage::kStep || stage == Stage::kPreview) && w.latent.has_eval)
      nfe = std::max(0.0, nfe - info.preview_credit);
    w.walked_nfe += nfe;
    walked_nfe_ += nfe;
    if (failures[i].status != WN_OK) {
      w.failure = failures[i].text;
      w.stage = Stage::kDone;
      continue;
    }
    if (stage != Stage::kDecode) {
      std::ranges::copy(latents_.item(i), w.latent.values.begin());
      if (columns_.carry) std::ranges::copy(carry_.item(i), w.latent.carry.begin());
      w.latent.has_eval = columns_.has_eval[i];
    }
    if (stage == Stage::kStep) ++w.step;
    const bool more_steps = w.leg && w.step < w.leg->nfe.size();
    if (w.looking) {
      keep_preview(w, samples_.item(i));
      w.looking = false;
      w.stage = Stage::kStep;
    } else if (stage >= Stage::kPreview) {
      w.stage = Stage::kDone;
    } else if (more_steps) {
      look_or_step(w);
    } else {
      w.stage = w.wants_preview ? Stage::kPreview : w.wants_sample ? Stage::kDecode : Stage::kDone;
    }
  }
}

SampleBatch Walker::advance(std::vector<std::unique_ptr<Walk>>& finished) {
  Stage stage;
  auto& queue = choose(stage);
  std::vector<std::unique_ptr<Walk>> walks;
  while (!queue.empty() && walks.size() < batch_) {
    walks.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  if (queue.empty()) std::erase_if(queues_, [](const auto& entry) { return entry.second.empty(); });
  fill(walks, stage);
  const ItemFailures failures = call(stage);
  take_back(walks, stage, failures);
  SampleBatch ready;
  ready.samples = &samples_;
  for (auto& walk : walks) {
    // Rows must stay in step with the tensor, so failed ones are listed too.
    if (stage >= Stage::kPreview) ready.walks.push_back(walk.get());
    if (walk->stage == Stage::kDone) {
      --in_flight_;
      finished.push_back(std::move(walk));
    } else {
      enqueue(std::move(walk));
    }
  }
  return ready;
}

}  // namespace winnow

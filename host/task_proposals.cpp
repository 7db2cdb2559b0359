// task_proposals.cpp: the half of a task that a search talks to during ask: noises and candidates
// are checked, placed on the time axis, priced, and taken or refused.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/preview_plan.hpp"
#include "host/task.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kMaxLegSteps = 100'000;

[[noreturn]] void refuse(std::uint64_t id, const std::string& why) {
  throw Error(Exit::kPlugin, fmt::format("candidate {}: {}", id, why));
}

// Position of the first arrival below `from` when walking along the schedule.
std::uint32_t arrival_index(const std::vector<double>& times, double from) {
  const auto at_or_above =
      std::ranges::find_if(times, [&](double t) { return t < from; }) - times.begin();
  return static_cast<std::uint32_t>(at_or_above);
}

}  // namespace

wn_status Task::noise(const wn_noise_recipe& recipe) {
  NoiseGraph::Source source;
  if (recipe.op == WN_NOISE_GRADIENT || recipe.op == WN_NOISE_TWIST) {
    const std::uint32_t flags = frame_.sampler.info(WN_PROFILE_SEARCH).flags;
    if (!frame_.gradients || (recipe.op == WN_NOISE_TWIST && !(flags & WN_F_PREVIEW_VJP)))
      return WN_E_UNIMPLEMENTED;
    const Candidate& c = gradient_source(recipe);
    source = {c.id, c.noise, 0};
    if (recipe.op == WN_NOISE_TWIST)
      source.position = arrival_index(frame_.sampler.info(c.profile).times, c.stop_time);
  }
  asked_.noises.push_back(noises_.push(recipe, source).id);
  // Its path must not go, forgotten or not, before the gradient through it was made.
  if (source.candidate) ++candidates_.at(source.candidate).children;
  return WN_OK;
}

// A candidate through whose whole path, or for TWIST preview, a gradient can be taken.
const Candidate& Task::gradient_source(const wn_noise_recipe& recipe) const {
  const auto bad = [&](const std::string& why) {
    throw Error(Exit::kPlugin, fmt::format("noise {}: the gradient of candidate {}, which {}",
                                           recipe.id, recipe.candidate, why));
  };
  if (!candidates_.contains(recipe.candidate)) bad("is not there");
  const Candidate& c = candidates_.at(original(recipe.candidate));
  if (c.forgotten) bad("was forgotten");
  if (!c.told || c.state != CandidateState::kDone) bad("has not been told a score");
  if (recipe.op == WN_NOISE_TWIST) {
    if (!c.previewed) bad("was not judged by a preview");
    return c;
  }
  const bool stochastic =
      c.stochasticity > 0 ||
      (c.stochasticity == 0 && frame_.sampler.info(c.profile).flags & WN_F_STOCHASTIC);
  if (c.op != WN_CAND_START || c.stop_time != 0 || c.leg_steps || stochastic)
    bad("is not a START along the schedule, without new noise, to time 0");
  return c;
}

std::uint64_t Task::drawn_noise(const Candidate& c) const {
  if (c.op != WN_CAND_CONTINUE) return c.initial_noise();
  const bool own = c.own_noise && noises_.has(c.noise);
  return own && noises_.at(c.noise).op == WN_NOISE_TWIST ? c.noise : 0;
}

// Sources of the gradients that nobody has paid for yet.
std::set<std::uint64_t> Task::unpaid_gradients(std::uint64_t noise) const {
  std::set<std::uint64_t> sources;
  if (!noise) return sources;
  for (std::uint64_t id : noises_.undrawn(noise))
    if (const std::uint64_t source = noises_.at(id).candidate;
        !candidates_.at(source).gradient_paid)
      sources.insert(source);
  return sources;
}

double Task::backward_price(const std::set<std::uint64_t>& sources) const {
  double total = 0;
  for (std::uint64_t id : sources) {
    const Candidate& source = candidates_.at(id);
    const SamplerInfo& info = frame_.sampler.info(source.profile);
    total += info.backward_nfe * differentiated_nfe(source);
  }
  return total;
}

double Task::differentiated_nfe(const Candidate& source) const {
  if (source.stop_time > 0) return frame_.sampler.info(source.profile).preview_nfe;
  return frame_.legs.get(source.profile, 1.0, 0.0, source.stochasticity, 0)->total();
}

// It stays paid when the candidate fails through its parent: others may draw on the gradient.
void Task::pay_backward(const Candidate& c) {
  if (!drawn_noise(c)) return;
  for (std::uint64_t source : unpaid_gradients(c.noise))
    candidates_.at(source).gradient_paid = true;
  noises_.draw(c.noise);
  spent_nfe_ += c.backward_nfe;
  backward_nfe_ += c.backward_nfe;
}

std::uint64_t Task::original(std::uint64_t id) const {
  for (;;) {
    const Candidate& c = candidates_.at(id);
    if (c.op != WN_CAND_RESCORE) return id;
    id = c.parent;
  }
}

Candidate Task::checked(const wn_candidate& r, const Lookup& parent_of, bool quote) const {
  if (r.struct_size < WN_SIZE(wn_candidate, pool)) refuse(r.id, "struct_size is too small");
  if (r.op > WN_CAND_RESCORE) refuse(r.id, fmt::format("unknown operation {}", r.op));
  if (r.profile > 1) refuse(r.id, fmt::format("unknown profile {}", r.profile));
  if (r.score > 1) refuse(r.id, fmt::format("unknown score {}", r.score));
  if (!(r.stop_time >= 0 && r.stop_time <= 1))
    refuse(r.id, fmt::format("stop time {} is outside [0, 1]", r.stop_time));
  if (!std::isfinite(r.s) || !std::isfinite(r.from_time) || !std::isfinite(r.stochasticity) ||
      (r.stochasticity < 0 && r.stochasticity != -1))
    refuse(r.id, "s, from_time or stochasticity is no valid number");
  if (r.leg_steps > kMaxLegSteps) refuse(r.id, fmt::format("a leg of {} steps", r.leg_steps));
  Candidate c;
  c.id = r.id;
  c.parent = r.parent;
  c.noise = r.noise;
  c.s = r.s;
  c.from_time = r.from_time;
  c.stop_time = r.stop_time;
  c.stochasticity = r.stochasticity;
  c.op = r.op;
  c.leg_steps = r.leg_steps;
  c.profile = r.profile;
  c.scored = r.score == WN_SCORE_SAMPLE;
  c.pool = r.pool;
  c.own_noise = r.noise != 0;
  const Candidate* parent = nullptr;
  if (r.op == WN_CAND_START) {
    if (r.parent) refuse(r.id, "START takes no parent");
  } else {
    parent = parent_of(r.parent);
    if (!parent) refuse(r.id, fmt::format("its parent {} is not there", r.parent));
    c.parent = parent->id;
  }
  if (r.op == WN_CAND_RESCORE) return c;
  if (!quote) {
    if (!c.own_noise && r.op != WN_CAND_CONTINUE) refuse(r.id, "needs a noise");
    if (c.own_noise && !noises_.has(c.noise))
      refuse(r.id, fmt::format("its noise {} is not there", c.noise));
  }
  place(c, parent);
  if (c.own_noise && noises_.has(c.noise)) check_twist(c);
  return c;
}

void Task::check_twist(const Candidate& c) const {
  const Noise& noise = noises_.at(c.noise);
  if (noise.op != WN_NOISE_TWIST) return;
  if (c.op != WN_CAND_CONTINUE || c.parent != noise.candidate || c.leg_steps ||
      c.first_position != noise.position || c.last_position < noise.position)
    refuse(c.id, fmt::format("its noise {} is a TWIST, which only a CONTINUE of candidate {} along "
                             "the schedule takes",
                             c.noise, noise.candidate));
}

// Where on the time axis and in the noise's positions the candidate's own leg lies.
void Task::place(Candidate& c, const Candidate* parent) const {
  const SamplerInfo& info = frame_.sampler.info(c.profile);
  if (c.op == WN_CAND_RENOISE) {
    if (!frame_.sampler.can_renoise())
      refuse(c.id, fmt::format("RENOISE, but {} has no renoise", frame_.sampler.id()));
    if (!(c.from_time > parent->stop_time && c.from_time <= 1))
      refuse(c.id, fmt::format("RENOISE to time {} from {}: expected a time above it, at most 1",
                               c.from_time, parent->stop_time));
    c.start_time = c.from_time;
  } else {
    c.start_time = parent ? parent->stop_time : 1.0;
  }
  if (c.op == WN_CAND_JITTER) {
    const auto at = std::ranges::find(info.times, c.start_time) - info.times.begin();
    if (static_cast<std::size_t>(at) >= info.noise_scale.size())
      refuse(c.id,
             fmt::format("JITTER at time {}, where the schedule has no noise scale", c.start_time));
  }
  if (c.stop_time > c.start_time)
    refuse(c.id, fmt::format("stop time {} lies above its start {}", c.stop_time, c.start_time));
  std::uint32_t steps = 0;
  if (c.stop_time < c.start_time)
    steps = static_cast<std::uint32_t>(
        frame_.legs.get(c.profile, c.start_time, c.stop_time, c.stochasticity, c.leg_steps)
            ->nfe.size());
  if (c.own_noise || !parent) {
    c.first_position = c.leg_steps || steps == 0 ? 1 : arrival_index(info.times, c.start_time);
    c.last_position = steps ? c.first_position + steps - 1 : 0;
  } else {
    c.noise = parent->noise;
    c.first_position = parent->last_position + 1;
    c.last_position = parent->last_position + steps;
  }
  c.previewed = c.scored && c.stop_time > 0;
}

double Task::price(const Candidate& c, const Candidate* parent) const {
  if (c.op == WN_CAND_RESCORE) return 0;
  const SamplerInfo& info = frame_.sampler.info(c.profile);
  const bool evaluated = c.op == WN_CAND_CONTINUE && parent->previewed;
  if (c.stop_time == c.start_time) return c.previewed ? preview_price(info, evaluated) : 0;
  const LegPtr leg =
      frame_.legs.get(c.profile, c.start_time, c.stop_time, c.stochasticity, c.leg_steps);
  const std::span<const double> looks =
      c.scored ? std::span<const double>(frame_.preview_times) : std::span<const double>{};
  return leg_price(*leg, looks, info, evaluated) + (c.previewed ? preview_price(info, false) : 0);
}

wn_status Task::candidate(const wn_candidate& recipe) {
  if (recipe.id <= last_id_)
    refuse(recipe.id, fmt::format("ids must grow, the last one was {}", last_id_));
  if (asked_.candidates.size() >= frame_.max_n) return WN_E_RESOURCE_EXHAUSTED;
  const Candidate* parent = nullptr;
  Candidate c = checked(
      recipe,
      [&](std::uint64_t id) -> const Candidate* {
        const auto found = candidates_.find(id);
        if (found == candidates_.end()) return nullptr;
        if (found->second.forgotten)
          refuse(recipe.id, fmt::format("its parent {} was forgotten", id));
        // A rescored candidate stands for the old one, except when it is to be judged once more.
        return parent = &candidates_.at(original(id));
      },
      /*quote=*/false);
  if (c.op == WN_CAND_RESCORE) return rescore(std::move(c), *parent);
  c.nfe = price(c, parent);
  c.backward_nfe = backward_price(unpaid_gradients(drawn_noise(c)));
  if (asked_.time_up_after < 0 && expired_(asked_.candidates.size()))
    asked_.time_up_after = static_cast<std::int64_t>(asked_.candidates.size());
  const Budget& budget = frame_.budget;
  if (asked_.time_up_after >= 0 ||
      (budget.nfe &&
       spent_nfe_ + c.nfe + c.backward_nfe > static_cast<double>(*budget.nfe) + 1e-9) ||
      (budget.candidates && accepted_ + 1 > *budget.candidates))
    return WN_BUDGET;

  spent_nfe_ += c.nfe;
  pay_backward(c);
  ++accepted_;
  last_id_ = c.id;
  if (c.noise) noises_.retain(c.noise);
  if (c.parent) ++candidates_.at(c.parent).children;
  c.first = !has_first_ && c.scored && c.stop_time == 0;
  has_first_ |= c.first;
  asked_.candidates.push_back(c.id);
  round_.push_back(c.id);
  ++open_;
  const std::uint64_t id = c.id;
  const bool orphan = parent && parent->state == CandidateState::kFailed;
  candidates_.emplace(id, std::move(c));
  if (orphan) {
    Candidate& failed = candidates_.at(id);
    refund_ += std::exchange(failed.nfe, 0.0);
    --open_;
    failed.state = CandidateState::kFailed;
    failed.failure = fmt::format("its parent {} failed", failed.parent);
    ++failed_;
  }
  return WN_OK;
}

wn_status Task::rescore(Candidate c, const Candidate& parent) {
  if (!parent.told || !parent.scored)
    refuse(c.id, fmt::format("RESCORE of {}, which has not been told a score yet", parent.id));
  last_id_ = c.id;
  c.scored = true;
  c.state = parent.state;
  c.heads = parent.heads;
  c.scores = parent.scores;
  c.failure = parent.failure;
  c.stop_time = parent.stop_time;
  c.noise = 0;
  ++candidates_.at(parent.id).children;
  asked_.candidates.push_back(c.id);
  round_.push_back(c.id);
  candidates_.emplace(c.id, std::move(c));
  return WN_OK;
}

double Task::cost(std::span<const wn_candidate* const> recipes) {
  std::unordered_map<std::uint64_t, Candidate> provisional;
  std::set<std::uint64_t> gradients;
  double total = 0;
  for (const wn_candidate* recipe : recipes) {
    const Candidate* parent = nullptr;
    Candidate c = checked(
        *recipe,
        [&](std::uint64_t id) -> const Candidate* {
          if (const auto here = provisional.find(id); here != provisional.end())
            return parent = &here->second;
          const auto found = candidates_.find(id);
          if (found == candidates_.end()) return nullptr;
          if (found->second.forgotten)
            refuse(recipe->id, fmt::format("its parent {} was forgotten", id));
          return parent = &candidates_.at(original(id));
        },
        /*quote=*/true);
    total += price(c, parent);
    if (noises_.has(drawn_noise(c))) gradients.merge(unpaid_gradients(drawn_noise(c)));
    provisional[c.id] = std::move(c);
  }
  return total + backward_price(gradients);
}

double Task::left() { return problem_.budget_nfe - spent_nfe_; }

void Task::forget(std::span<const std::uint64_t> ids) {
  for (std::uint64_t id : ids) {
    const auto found = candidates_.find(id);
    if (found == candidates_.end() || found->second.forgotten)
      refuse(id, "forgotten, but it is not there");
    Candidate& c = found->second;
    if (!c.told) refuse(id, "forgotten before its result was told");
    c.forgotten = true;
    // Rank rules choose among all scored candidates of the task in the end, so their recipes stay.
    if (all_heads_.contains(id)) {
      if (on_forget) on_forget(id);
    } else {
      drop_if_unneeded(id);
    }
  }
}

void Task::drop_if_unneeded(std::uint64_t id) {
  std::vector<std::uint64_t> open{id};
  while (!open.empty()) {
    const auto found = candidates_.find(open.back());
    open.pop_back();
    if (found == candidates_.end()) continue;
    const Candidate& c = found->second;
    if (!c.forgotten || c.children || all_heads_.contains(c.id)) continue;
    if (on_forget) on_forget(c.id);
    std::vector<std::uint64_t> made_of;
    if (c.noise) made_of = noises_.release(c.noise);
    if (c.parent) made_of.push_back(c.parent);
    candidates_.erase(found);
    for (std::uint64_t source : made_of) {
      --candidates_.at(source).children;
      open.push_back(source);
    }
  }
}

}  // namespace winnow

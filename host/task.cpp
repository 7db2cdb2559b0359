// task.cpp: see task.hpp. Whatever depends on the order in which work happens to finish is kept
// out: refunds and scores take effect when a round is told, never before, so that asks are the same
// however the run is executed.
#include "host/task.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "host/png.hpp"

namespace winnow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kMaxLegSteps = 100'000;
constexpr std::uint32_t kMaxEmptyAsks = 1000;
constexpr std::size_t kShownFailures = 8;

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

Condition::Condition(const TaskSpec& spec, std::uint64_t task) : prompt(spec.prompt) {
  table.struct_size = WN_SIZE(wn_condition, tensors);
  table.task = task;
  table.prompt = {prompt.c_str(), prompt.size()};
  table.class_id = spec.class_id;
  if (spec.image.empty()) return;
  const Image picture = read_png(spec.image);
  const std::int64_t shape[] = {picture.channels, picture.height, picture.width};
  image = Tensor(1, shape);
  const std::size_t plane = std::size_t{picture.height} * picture.width;
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < picture.channels; ++c)
      image.item(0)[c * plane + i] =
          static_cast<float>(picture.pixels[i * picture.channels + c]) / 255.0f;
  image_view = image.view();
  image_view.ndim -= 1;  // one picture, not a batch
  image_view.shape += 1;
  named = {{"image", 5}, &image_view};
  table.n_tensors = 1;
  table.tensors = &named;
}

LegPtr LegTable::get(std::uint32_t profile, double from, double to, double stochasticity,
                     std::uint32_t steps) {
  constexpr std::size_t kMostRemembered = 4096;
  const auto key = std::make_tuple(profile, from, to, stochasticity, steps);
  if (const auto found = legs_.find(key); found != legs_.end()) return found->second;
  if (legs_.size() >= kMostRemembered) legs_.clear();
  const auto leg =
      std::make_shared<const Leg>(sampler_.leg(profile, from, to, stochasticity, steps));
  legs_.emplace(key, leg);
  return leg;
}

Task::Task(std::uint64_t index, const TaskSpec& spec, std::unique_ptr<Search> search, Frame& frame)
    : index_(index),
      frame_(frame),
      condition_(spec, index),
      noises_(frame.sampler.info(WN_PROFILE_FINAL).latent_elements),
      best_score_(-kInfinity),
      winner_score_(-kInfinity),
      search_(std::move(search)) {
  const SamplerInfo& info = frame.sampler.info(WN_PROFILE_FINAL);
  wn_problem& p = problem_;
  p.struct_size = WN_SIZE(wn_problem, condition);
  p.n_scores = 1 + static_cast<std::uint32_t>(frame.selecting.size());
  p.seed = task_seed(frame.run_seed, index);
  p.budget_nfe = frame.budget.nfe ? static_cast<double>(*frame.budget.nfe) : kInfinity;
  for (double nfe : info.nfe) p.final_nfe += frame.profiles_differ ? nfe : 0;
  std::ranges::copy(info.latent_shape, p.latent_shape);
  p.latent_ndim = static_cast<std::uint32_t>(info.latent_shape.size());
  p.sampler_flags = info.flags;
  p.verifier_flags = frame.verifier_flags;
  p.selection_flags = frame.selection.pooled() ? WN_F_RANKED : 0;
  p.max_n = frame.max_n;
  p.backward_nfe = info.backward_nfe;
  p.condition = &condition_.table;
  for (std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH}) {
    const SamplerInfo& of = frame.sampler.info(profile);
    p.n_steps[profile] = static_cast<std::uint32_t>(of.nfe.size());
    p.times[profile] = of.times.data();
    p.nfe[profile] = of.nfe.data();
    p.noise_scale[profile] = of.noise_scale.empty() ? nullptr : of.noise_scale.data();
    p.preview_nfe[profile] = of.preview_nfe;
    p.preview_credit[profile] = of.preview_credit;
  }
  search_->begin(problem_);
}

Asked Task::ask(const Expired& expired) {
  asked_ = {};
  expired_ = expired;
  ++asks_;
  asked_.status = search_->ask(frame_.max_n, *this);
  expired_ = nullptr;
  if (asked_.status == WN_OK) {
    empty_asks_ = asked_.candidates.empty() ? empty_asks_ + 1 : 0;
    if (empty_asks_ > kMaxEmptyAsks)
      throw Error(Exit::kPlugin,
                  fmt::format("{}: answered ask {} times with 'more follows' but proposed nothing "
                              "(plugin misbehaving)",
                              search_->id(), empty_asks_));
    return asked_;
  }
  empty_asks_ = 0;
  last_round_ = asked_.status == WN_DONE;
  if (round_.empty() && !last_round_)
    throw Error(Exit::kPlugin, fmt::format("{}: waits for results of a round without candidates "
                                           "(plugin misbehaving)",
                                           search_->id()));
  complete_ = !round_.empty();
  done_ = last_round_ && round_.empty();
  return asked_;
}

wn_status Task::noise(const wn_noise_recipe& recipe) {
  // The path through the sampler's vjp is not walked yet; a search may do without, or give up.
  if (recipe.op == WN_NOISE_GRADIENT) return WN_E_UNIMPLEMENTED;
  asked_.noises.push_back(noises_.push(recipe).id);
  return WN_OK;
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
  return c;
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
  double total = 0;
  if (c.stop_time < c.start_time)
    total += frame_.legs.get(c.profile, c.start_time, c.stop_time, c.stochasticity, c.leg_steps)
                 ->total();
  if (c.previewed) total += info.preview_nfe;
  if (c.op == WN_CAND_CONTINUE && parent->previewed) total -= info.preview_credit;
  return std::max(0.0, total);
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
  if (asked_.time_up_after < 0 && expired_(asked_.candidates.size()))
    asked_.time_up_after = static_cast<std::int64_t>(asked_.candidates.size());
  const Budget& budget = frame_.budget;
  if (asked_.time_up_after >= 0 ||
      (budget.nfe && spent_nfe_ + c.nfe > static_cast<double>(*budget.nfe) + 1e-9) ||
      (budget.candidates && accepted_ + 1 > *budget.candidates))
    return WN_BUDGET;

  spent_nfe_ += c.nfe;
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
    provisional[c.id] = std::move(c);
  }
  return total;
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
  while (id) {
    const auto found = candidates_.find(id);
    if (found == candidates_.end()) return;
    const Candidate& c = found->second;
    if (!c.forgotten || c.children || all_heads_.contains(id)) return;
    if (on_forget) on_forget(id);
    const std::uint64_t parent = c.parent;
    if (c.noise) noises_.release(c.noise);
    candidates_.erase(found);
    if (parent) --candidates_.at(parent).children;
    id = parent;
  }
}

void Task::succeed(std::uint64_t id, ScoreTable scores) {
  Candidate& c = candidates_.at(id);
  c.state = CandidateState::kDone;
  c.scores = std::move(scores);
  if (c.scored)
    for (std::size_t v : frame_.selecting) c.heads.push_back(c.scores[v].front());
  if (c.first) first_ = {id, c.scores};
  --open_;
  if (!frame_.selection.pooled() && c.scored && c.stop_time == 0)
    note_winner(id, frame_.selection.absolute(c.heads));
}

std::vector<std::uint64_t> Task::fail(std::uint64_t id, const std::string& why) {
  std::vector<std::uint64_t> failed{id};
  Candidate& c = candidates_.at(id);
  c.state = CandidateState::kFailed;
  c.failure = why;
  --open_;
  ++failed_;
  for (std::size_t next = 0; next < failed.size(); ++next) {
    if (candidates_.at(failed[next]).children == 0) continue;
    for (std::uint64_t child_id : round_) {
      Candidate& child = candidates_.at(child_id);
      if (child.parent != failed[next] || child.state != CandidateState::kOpen) continue;
      child.state = CandidateState::kFailed;
      child.failure = fmt::format("its parent {} failed", child.parent);
      refund_ += std::exchange(child.nfe, 0.0);
      --open_;
      ++failed_;
      failed.push_back(child_id);
    }
  }
  return failed;
}

void Task::note_winner(std::uint64_t id, double score) {
  // Equal scores: the smaller id, whichever finished first.
  if (score > winner_score_ || (score == winner_score_ && id < winner_)) {
    winner_score_ = score;
    winner_ = id;
  }
}

std::vector<double> Task::score_round() {
  std::vector<double> scores(round_.size(), -kInfinity);
  if (!frame_.selection.pooled()) {
    for (std::size_t i = 0; i < round_.size(); ++i) {
      const Candidate& c = candidates_.at(round_[i]);
      if (c.state == CandidateState::kDone && c.scored)
        scores[i] = frame_.selection.absolute(c.heads);
    }
    return scores;
  }
  std::map<std::uint64_t, std::vector<std::pair<std::size_t, std::size_t>>> places;
  for (std::size_t i = 0; i < round_.size(); ++i) {
    const Candidate& c = candidates_.at(round_[i]);
    if (!c.scored) continue;
    auto& pool = pools_[c.pool];
    places[c.pool].emplace_back(i, pool.size());
    pool.push_back({c.id, c.heads});
  }
  for (const auto& [name, members] : places) {
    std::vector<Heads> heads;
    for (const Member& member : pools_[name]) heads.push_back(member.heads);
    const std::vector<double> judged = frame_.selection.within(heads);
    for (const auto& [in_round, in_pool] : members) scores[in_round] = judged[in_pool];
  }
  pools_.erase(0);
  return scores;
}

void Task::tell() {
  const std::vector<double> scores = score_round();
  std::vector<std::vector<double>> numbers(round_.size());
  std::vector<wn_result> results(round_.size());
  std::vector<const wn_result*> pointers;
  double round_best = -kInfinity;
  for (std::size_t i = 0; i < round_.size(); ++i) {
    Candidate& c = candidates_.at(round_[i]);
    c.told = true;
    const bool ok = c.state == CandidateState::kDone;
    if (!ok && c.op != WN_CAND_RESCORE && failures_.size() < kShownFailures)
      failures_.emplace_back(c.id, c.failure);
    if (ok && c.scored) {
      numbers[i].push_back(scores[i]);
      numbers[i].insert(numbers[i].end(), c.heads.begin(), c.heads.end());
      round_best = std::max(round_best, scores[i]);
      if (frame_.selection.pooled() && c.op != WN_CAND_RESCORE && c.stop_time == 0)
        all_heads_[c.id] = c.heads;
    }
    results[i] = {.struct_size = WN_SIZE(wn_result, seconds),
                  .status = ok ? WN_OK : WN_E_INTERNAL,
                  .candidate = c.id,
                  .n_scores = static_cast<std::uint32_t>(numbers[i].size()),
                  .reserved0 = 0,
                  .scores = numbers[i].empty() ? nullptr : numbers[i].data(),
                  .nfe = c.nfe,
                  .seconds = 0};
    pointers.push_back(&results[i]);
  }
  spent_nfe_ -= refund_;
  refund_ = 0;
  best_score_ = frame_.selection.pooled() ? round_best : std::max(best_score_, round_best);
  round_.clear();
  complete_ = false;
  done_ = last_round_;
  search_->tell(pointers);
  if (frame_.selection.pooled())
    if (const auto chosen = final_choice()) winner_ = *chosen;
}

std::optional<std::uint64_t> Task::final_choice() {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, heads] : all_heads_) ids.push_back(id);
  if (ids.empty()) return std::nullopt;
  std::ranges::sort(ids);
  std::vector<Heads> pool;
  for (std::uint64_t id : ids) pool.push_back(all_heads_.at(id));
  const std::vector<double> judged = frame_.selection.within(pool);
  return ids[static_cast<std::size_t>(std::ranges::max_element(judged) - judged.begin())];
}

// What the search names; where that cannot be, what the host saw itself.
std::optional<std::uint64_t> Task::named_best() {
  const std::vector<std::uint64_t> named = search_->best(1);
  if (!named.empty()) {
    const auto found = candidates_.find(named.front());
    if (found != candidates_.end() && found->second.state == CandidateState::kDone)
      return original(named.front());
    spdlog::warn("{}: named candidate {} as its best, which {} (plugin misbehaving)", search_->id(),
                 named.front(), found == candidates_.end() ? "is not there" : "failed");
  }
  if (winner_ && candidates_.contains(winner_)) return winner_;
  return std::nullopt;
}

std::optional<FinalPlan> Task::final_plan() {
  std::optional<std::uint64_t> best;
  if (frame_.selection.pooled()) best = final_choice();
  if (!best) best = named_best();
  if (!best) return std::nullopt;
  FinalPlan plan;
  plan.best = *best;
  const Candidate* c = &candidates_.at(*best);
  if (c->stop_time > 0) {
    plan.mode = FinalMode::kComplete;
    plan.nfe = frame_.legs.get(c->profile, c->stop_time, 0.0, 0.0, 0)->total();
    return plan;
  }
  if (!frame_.profiles_differ) return plan;
  // Only a deterministic path that begins with noise and was never touched can be walked again on a
  // finer schedule.
  const SamplerInfo& info = frame_.sampler.info(WN_PROFILE_SEARCH);
  for (;; c = &candidates_.at(c->parent)) {
    const bool deterministic =
        c->stochasticity == -1 || (c->stochasticity == 0 && !(info.flags & WN_F_STOCHASTIC));
    if (c->profile != WN_PROFILE_SEARCH || !deterministic || c->leg_steps) return plan;
    if (c->op == WN_CAND_START) break;
    if (c->op != WN_CAND_CONTINUE) return plan;
  }
  plan.mode = FinalMode::kRegenerate;
  plan.noise = c->noise;
  plan.stochasticity = c->stochasticity;
  plan.nfe = frame_.legs.get(WN_PROFILE_FINAL, 1.0, 0.0, c->stochasticity, 0)->total();
  return plan;
}

}  // namespace winnow

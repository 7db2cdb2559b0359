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

#include "host/preview_plan.hpp"

namespace winnow {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kMaxEmptyAsks = 1000;
constexpr std::size_t kShownFailures = 8;

}  // namespace

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
      if (c.op == WN_CAND_CONTINUE && drawn_noise(c))
        numbers[i].push_back(noises_.log_ratio(c.noise));
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
                  .nfe = c.nfe + c.backward_nfe,
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
    const LegPtr leg = frame_.legs.get(c->profile, c->stop_time, 0.0, 0.0, 0);
    plan.nfe = leg_price(*leg, frame_.preview_times, frame_.sampler.info(c->profile), c->previewed);
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
  const LegPtr leg = frame_.legs.get(WN_PROFILE_FINAL, 1.0, 0.0, c->stochasticity, 0);
  plan.nfe = leg_price(*leg, frame_.preview_times, frame_.sampler.info(WN_PROFILE_FINAL), false);
  return plan;
}

}  // namespace winnow

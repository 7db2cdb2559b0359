// engine.cpp: see engine.hpp.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "host/engine_state.hpp"

namespace winnow {
namespace {

using std::chrono::steady_clock;

// A group ends with either: what waits must not grow with the speed of the host.
constexpr auto kCommitEvery = std::chrono::milliseconds(50);
constexpr std::uint64_t kCommitBytes = 256 << 10;
constexpr std::size_t kMaxLive = 4096;

}  // namespace

struct Engine::Clock {
  steady_clock::time_point start = steady_clock::now(), committed = start;
};

Engine::Engine(Frame& frame, const std::vector<TaskSpec>& tasks, Scorer& scorer,
               EngineOutput& output, History history, EngineSettings settings)
    : frame_(frame),
      specs_(tasks),
      scorer_(scorer),
      output_(output),
      history_(std::move(history)),
      settings_(std::move(settings)),
      walker_(frame.sampler, settings_.batch, settings_.deterministic),
      cache_(settings_.cache_bytes),
      directions_(settings_.cache_bytes),
      set_level_(scorer.set_level()),
      entries_(tasks.size()),
      clock_(std::make_unique<Clock>()) {
  recomputed_nfe_ = history_.clock.recomputed_nfe;
  if (set_level_) scorer_.reset();
}

Engine::~Engine() = default;

double Engine::seconds() const {
  const std::chrono::duration<double> here = steady_clock::now() - clock_->start;
  return history_.clock.seconds + here.count();
}

double Engine::mean_best() const {
  if (gain_tasks_ > 0) return best_sum_ / gain_tasks_;
  double sum = 0, n = 0;
  for (const auto& [index, live] : live_) {
    if (!std::isfinite(live->task->best_score())) continue;
    sum += live->task->best_score();
    ++n;
  }
  return n > 0 ? sum / n : std::numeric_limits<double>::quiet_NaN();
}

double Engine::live_nfe() const {
  double total = 0;
  for (const auto& [index, live] : live_) total += live->task->spent_nfe();
  return total;
}

double Engine::done_nfe() const {
  double ahead = walker_.nfe_ahead();
  const auto add = [&](const std::unique_ptr<Job>& job, bool has_gradient) {
    if (!job || job->purpose != Purpose::kCandidate) return;
    const Candidate& c = job->live->task->candidate(job->id);
    if (c.state == CandidateState::kOpen) ahead += c.nfe + (has_gradient ? 0 : c.backward_nfe);
  };
  for (const auto& job : ready_) add(job, true);
  for (const auto& [parent, jobs] : waiting_)
    for (const auto& job : jobs) add(job, false);
  for (const auto& [source, wait] : gradient_waits_)
    for (const auto& job : wait.jobs) add(job, false);
  return std::max(0.0, ledger_.search_nfe + live_nfe() - ahead);
}

// Every task gets at least one candidate, however little time there is.
bool Engine::expired(const Live& live) const {
  const auto& cap = frame_.budget.seconds;
  return cap && live.task->accepted() > 0 && seconds() >= *cap;
}

void Engine::write(const std::string& record) {
  output_.record(record);
  pending_bytes_ += record.size();
  dirty_ = true;
}

void Engine::commit_if_due(bool now) {
  const auto time = steady_clock::now();
  const bool due =
      now || pending_bytes_ >= kCommitBytes || time - clock_->committed >= kCommitEvery;
  if (dirty_ && due) {
    output_.record(clock_record(
        {seconds(), walked_nfe(), recomputed_nfe_, replayed_candidates(), replayed_nfe()}));
    output_.commit();
    clock_->committed = time;
    pending_bytes_ = 0;
    dirty_ = false;
  }
  if (now) output_.flush();
}

bool Engine::run() try {
  return loop();
} catch (const Stopped&) {  // a plugin gave its call up because we asked for it
  keep_what_is_done();
  return false;
} catch (...) {
  try {
    keep_what_is_done();
  } catch (...) {  // what ended the run is told, not this
  }
  throw;
}

void Engine::keep_what_is_done() {
  dirty_ = true;  // the clock: what was walked without a result was walked all the same
  commit_if_due(true);
}

bool Engine::loop() {
  const std::size_t in_flight = std::size_t{2} * settings_.batch;
  std::vector<std::unique_ptr<Walk>> finished;
  for (;;) {
    if (stopped()) {
      keep_what_is_done();
      return false;
    }
    for (std::size_t n = turns_.size(); n > 0; --n) {
      const std::uint64_t index = turns_.front();
      turns_.pop_front();
      if (const auto found = live_.find(index); found != live_.end()) advance(*found->second);
    }
    judge_parked();
    admit();
    while (walker_.in_flight() < in_flight) {
      const std::unique_ptr<Job> job = next_job();
      if (!job) break;
      start(*job);
    }
    if (walker_.in_flight() > 0) {
      const SampleBatch batch = walker_.advance(finished);
      take(batch, finished);
      finished.clear();
    } else if (turns_.empty()) {
      if (next_task_ == specs_.size() && live_.empty()) break;
      if (next_task_ == specs_.size())
        throw Error(Exit::kInternal, "the engine has live tasks but nothing to do");
    }
    commit_if_due(false);
    if (settings_.on_turn) settings_.on_turn();
  }
  commit_if_due(true);
  if (settings_.on_turn) settings_.on_turn();
  return true;
}

// While samples of tasks whose turn has not come fill their share of memory, only the task in turn
// goes on.
std::unique_ptr<Engine::Job> Engine::next_job() {
  const bool all = !set_level_ || parked_bytes_ < settings_.cache_bytes;
  const auto next = all ? ready_.begin() : std::ranges::find_if(ready_, [&](const auto& job) {
    return in_turn(*job->live->task);
  });
  if (next == ready_.end()) return nullptr;
  std::unique_ptr<Job> job = std::move(*next);
  ready_.erase(next);
  return job;
}

// New tasks as long as those that run do not fill the batches.
void Engine::admit() {
  while (next_task_ < specs_.size() && live_.size() < kMaxLive && turns_.empty() &&
         pending_bytes_ < kCommitBytes &&  // from a pool, tasks may be over at once
         ready_.size() + walker_.in_flight() < std::size_t{4} * settings_.batch &&
         (live_.empty() || parked_bytes_ < settings_.cache_bytes)) {
    const std::uint64_t index = next_task_++;
    if (const auto known = history_.finals.find(index); known != history_.finals.end()) {
      if (set_level_) accept_again(index, known->second.entry);
      settle(index, std::move(known->second.entry), known->second.ledger);
      history_.finals.erase(known);
      continue;
    }
    auto live = std::make_unique<Live>();
    live->task = std::make_unique<Task>(index, specs_[index], settings_.make_search(), frame_);
    live->task->on_forget = [this, index](std::uint64_t id) {
      cache_.erase({index, id});
      directions_.erase({index, id});
      const auto at = live_.find(index);
      if (at == live_.end()) return;
      const Task& task = *at->second->task;
      if (id != task.first().id && id != task.winner()) at->second->unscored.erase(id);
    };
    if (const auto asks = history_.asks.find(index); asks != history_.asks.end()) {
      live->expected_asks.assign(asks->second.begin(), asks->second.end());
      history_.asks.erase(asks);
    }
    if (const auto done = history_.done.find(index); done != history_.done.end()) {
      live->known = std::move(done->second);
      history_.done.erase(done);
    }
    if (const auto known = history_.gradients.find(index); known != history_.gradients.end()) {
      live->known_gradients = std::move(known->second);
      history_.gradients.erase(known);
    }
    Live& here = *live;
    live_[index] = std::move(live);
    advance(here);
  }
}

void Engine::advance(Live& live) {
  constexpr int kTellsInARow = 64;  // then others have their turn, and a stop is noticed
  Task& task = *live.task;
  for (int tells = 0;;) {
    if (live.finishing) return;
    if (task.round_complete()) {
      task.tell();
      if (task.winner() != live.winner) {
        live.winner = task.winner();
        live.winner_latent = cache_.get({task.index(), live.winner});
      }
      ++tells;
    }
    if (task.done()) {
      live.finishing = true;
      return begin_final(live);
    }
    if (!task.wants_ask()) return;
    // A huge round is taken in bites, so that what waits stays small.
    if (tells >= kTellsInARow ||
        ready_.size() > std::size_t{8} * settings_.batch + 2 * frame_.max_n) {
      turns_.push_back(task.index());
      return;
    }
    ask(live);
  }
}

void Engine::ask(Live& live) {
  Task& task = *live.task;
  std::int64_t up = -1;
  const bool replaying = !live.expected_asks.empty();
  if (replaying) up = time_up_after(live.expected_asks.front());
  const Asked asked = task.ask([&](std::size_t n) {
    return replaying ? up >= 0 && n >= static_cast<std::size_t>(up) : expired(live);
  });
  const std::string record = ask_record(task, asked);
  if (replaying) {
    const std::string expected = std::move(live.expected_asks.front());
    live.expected_asks.pop_front();
    require_same_ask(task, record, expected);
  } else {
    write(record);
  }
  restore_gradients(live, asked);
  note_keys(live, asked);
  for (std::uint64_t id : asked.candidates) schedule(live, id);
}

void Engine::schedule(Live& live, std::uint64_t id) {
  const Candidate& c = live.task->candidate(id);
  if (c.state != CandidateState::kOpen) return;  // a rescore, or an orphan
  if (const auto known = live.known.find(id); known != live.known.end()) {
    const DoneRecord record = std::move(known->second);
    live.known.erase(known);
    return replay(live, record);
  }
  if (take_from_pools(live, id)) return;
  prepare(std::make_unique<Job>(Job{&live, id, Purpose::kCandidate, nullptr}));
}

void Engine::replay(Live& live, const DoneRecord& known) {
  const Candidate& c = live.task->candidate(known.candidate);
  if (!known.unscored.empty()) live.unscored[known.candidate] = known.unscored;
  if (!known.error.empty()) return fail_candidate(live, known.candidate, known.error);
  if (c.scored) {
    ++(c.stop_time > 0 ? live.ledger.previews : live.ledger.decoded);
    count_scores(live, known.scores);
    if (c.first && keeps_samples())
      live.first_file = fmt::format("samples/t{:05}-first.png", live.task->index());
  }
  live.task->succeed(known.candidate, known.scores);
}

// Finds the latent the job starts from; when it is gone, has it made again.
void Engine::prepare(std::unique_ptr<Job> job) {
  Task& task = *job->live->task;
  const Candidate& c = task.candidate(job->id);
  const bool final = job->purpose == Purpose::kFinal;
  const bool of_itself = final || job->purpose == Purpose::kGradient;
  const bool from_noise =
      final ? job->live->plan.mode == FinalMode::kRegenerate : !of_itself && c.op == WN_CAND_START;
  if (from_noise) return get_ready(std::move(job));
  const std::uint64_t parent = of_itself ? job->id : c.parent;
  const LatentKey key{task.index(), parent};
  if (job->live->winner == parent && job->live->winner_latent)
    job->base = job->live->winner_latent;
  else
    job->base = cache_.get(key);
  if (job->base) return get_ready(std::move(job));
  auto& queue = waiting_[key];
  const bool nobody_makes_it =
      queue.empty() && task.candidate(parent).state != CandidateState::kOpen;
  Live* live = job->live;
  queue.push_back(std::move(job));
  if (nobody_makes_it) prepare(std::make_unique<Job>(Job{live, parent, Purpose::kRemake, nullptr}));
}

// The latent is there; the noise may still have to be made. In this order: a candidate whose parent
// can still fail must not wait for gradients.
void Engine::get_ready(std::unique_ptr<Job> job) {
  if (!wait_for_gradient(job)) ready_.push_back(std::move(job));
}

// From the chosen candidate's latent, or from its noise, to the sample that is handed out.
void Engine::aim_at_final(Walk& walk, const Candidate& c, const FinalPlan& plan) {
  walk.wants_sample = true;
  walk.stop_time = 0;
  walk.leg = nullptr;
  walk.stage = Stage::kDecode;
  if (plan.mode == FinalMode::kRegenerate) {
    walk.profile = WN_PROFILE_FINAL;
    walk.noise = plan.noise;
    walk.first_position = 1;
    walk.stochasticity = plan.stochasticity;
    walk.leg = frame_.legs.get(WN_PROFILE_FINAL, 1.0, 0.0, plan.stochasticity, 0);
    walk.stage = Stage::kInit;
  } else if (plan.mode == FinalMode::kComplete) {
    walk.stochasticity = 0;
    walk.first_position = c.last_position + 1;
    walk.leg = frame_.legs.get(c.profile, c.stop_time, 0.0, 0.0, 0);
    walk.stage = Stage::kStep;
  }
}

void Engine::start(Job& job) {
  Task& task = *job.live->task;
  const Candidate& c = task.candidate(job.id);
  if (job.purpose == Purpose::kCandidate && c.state != CandidateState::kOpen) return;
  auto walk = walk_of(c, task, frame_);
  walk->purpose = job.purpose;
  if (job.base) walk->latent = *job.base;
  if (c.op == WN_CAND_JITTER && job.purpose != Purpose::kFinal) apply_jitter(*walk);
  if (job.purpose == Purpose::kFinal) {
    aim_at_final(*walk, c, job.live->plan);
    if (job.live->plan.mode != FinalMode::kAsItIs) want_previews(*walk, frame_);
    if (job.live->plan.mode == FinalMode::kComplete && c.previewed && !walk->latent.has_eval)
      recomputed_nfe_ += frame_.sampler.info(c.profile).preview_credit;
    walker_.add(std::move(walk));
    return;
  }
  if (job.purpose == Purpose::kGradient) {
    walk->leg = nullptr;
    walk->stage = c.stop_time > 0 ? Stage::kPreview : Stage::kDecode;
    walker_.add(std::move(walk));
    return;
  }
  if (job.purpose == Purpose::kCandidate && c.scored) {
    walk->wants_preview = c.stop_time > 0;
    walk->wants_sample = c.stop_time == 0;
    want_previews(*walk, frame_);
    if (walk->stage == Stage::kDone)
      walk->stage = walk->wants_preview ? Stage::kPreview : Stage::kDecode;
  }
  // What the price took for granted: the parent's evaluation. A latent made again has lost it.
  const bool counted_on_eval = c.op == WN_CAND_CONTINUE && task.candidate(c.parent).previewed;
  if (counted_on_eval && !walk->latent.has_eval && walk->stage != Stage::kDone &&
      job.purpose == Purpose::kCandidate)
    recomputed_nfe_ += frame_.sampler.info(c.profile).preview_credit;
  if (walk->stage == Stage::kDone)
    finish(std::move(walk));
  else
    walker_.add(std::move(walk));
}

}  // namespace winnow

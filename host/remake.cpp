// remake.cpp: see remake.hpp.
#include "host/remake.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/engine.hpp"
#include "host/run_directory.hpp"
#include "host/sha256.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

History history_of(const fs::path& run, std::string& notice) {
  History history(/*keep_finished=*/true);
  read_journal(
      journal_path(run), [&](std::string_view payload) { history.add(payload); }, &notice);
  return history;
}

RunConfig in_batches_of(RunConfig config, const History& history) {
  if (!history.batches.empty()) config.execution.batch = history.batches.back();
  return config;
}

struct Failed {
  std::string why;
};

// Walks one candidate, parents first. Throws Failed.
class Maker {
 public:
  Maker(Assembly& assembly, Task& task, bool fixed_shape)
      : assembly_(assembly),
        task_(task),
        walker_(assembly.sampler(), assembly.batch(), fixed_shape) {}

  // Calls look(samples, walk) with one sample when the candidate's sample or preview is there.
  template <typename Look>
  void make(std::uint64_t id, Look look) {
    const Candidate& c = task_.candidate(id);
    auto walk = walk_of(c, task_, assembly_.frame());
    begin(*walk, c);
    walk->wants_preview = c.scored && c.stop_time > 0;
    walk->wants_sample = c.scored && c.stop_time == 0;
    want_previews(*walk, assembly_.frame());
    if (walk->stage == Stage::kDone)
      walk->stage = walk->wants_preview ? Stage::kPreview : Stage::kDecode;
    run(std::move(walk), look);
  }

 private:
  void begin(Walk& walk, const Candidate& c) {
    if (c.parent) walk.latent = latent_of(c.parent);
    if (c.op == WN_CAND_JITTER) apply_jitter(walk);
  }

  Latent latent_of(std::uint64_t id) {
    const Candidate& c = task_.candidate(id);
    auto walk = walk_of(c, task_, assembly_.frame());
    begin(*walk, c);
    return run(std::move(walk), [](const Tensor&, const Walk&) {});
  }

  template <typename Look>
  Latent run(std::unique_ptr<Walk> walk, Look look) {
    if (walk->stage == Stage::kDone) return std::move(walk->latent);
    walker_.add(std::move(walk));
    std::vector<std::unique_ptr<Walk>> finished;
    while (walker_.in_flight()) {
      const SampleBatch batch = walker_.advance(finished);
      if (batch.walks.empty()) continue;
      const Walk& made = *batch.walks.front();
      if (made.stage == Stage::kDone && made.failure.empty()) look(*batch.samples, made);
    }
    if (!finished.front()->failure.empty()) throw Failed{finished.front()->failure};
    return std::move(finished.front()->latent);
  }

  Assembly& assembly_;
  Task& task_;
  Walker walker_;
};

}  // namespace

// One task's search, driven by the journal instead of by results.
class RemadeRun::Replay {
 public:
  Replay(Assembly& assembly, const TaskSpec& spec, std::uint64_t index, History& history)
      : task_(index, spec, assembly.make_search(), assembly.frame()),
        asks_(history.asks[index]),
        done_(history.done[index]),
        gradients_(history.gradients[index]) {}

  Task& task() { return task_; }

  // True once the candidate has been asked for.
  bool until(std::uint64_t wanted) {
    for (;;) {
      if (std::ranges::find(open_, wanted) != open_.end()) return true;
      for (const std::uint64_t id : open_) finish(id);
      open_.clear();
      if (task_.round_complete()) task_.tell();
      if (task_.done() || next_ == asks_.size()) return false;
      ask(asks_[next_++]);
    }
  }

 private:
  void ask(const std::string& payload) {
    const std::int64_t up = time_up_after(payload);
    Asked asked =
        task_.ask([&](std::size_t n) { return up >= 0 && n >= static_cast<std::size_t>(up); });
    require_same_ask(task_, ask_record(task_, asked), payload);
    for (const std::uint64_t noise : asked.noises)
      if (const auto made = gradients_.find(noise); made != gradients_.end())
        task_.noises().set(noise, made->second);
    open_ = std::move(asked.candidates);
  }

  void finish(std::uint64_t id) {
    if (task_.candidate(id).state != CandidateState::kOpen) return;
    const auto found = done_.find(id);
    // The run stopped before it was made: this round is the journal's last, and is never told.
    if (found == done_.end()) return;
    if (found->second.error.empty())
      task_.succeed(id, found->second.scores);
    else
      task_.fail(id, found->second.error);
  }

  Task task_;
  const std::vector<std::string>& asks_;
  const std::unordered_map<std::uint64_t, DoneRecord>& done_;
  const History::Gradients& gradients_;
  std::size_t next_ = 0;             // of asks_
  std::vector<std::uint64_t> open_;  // asked for last
};

RemadeRun::RemadeRun(RunConfig config, const Registry& registry, const fs::path& run)
    : history_(history_of(run, notice_)),
      config_(in_batches_of(std::move(config), history_)),
      assembly_(config_, registry, nullptr) {
  if (history_.records && history_.config_hash != sha256_hex(resolved_toml(config_)))
    throw Error(Exit::kJournal, "the journal belongs to another run.toml than the one beside it");
}

RemadeRun::~RemadeRun() = default;

bool RemadeRun::one_batch_size() const {
  const auto& sizes = history_.batches;
  return !sizes.empty() && sizes.front() != 0 &&
         std::ranges::all_of(sizes, [&](std::uint32_t size) { return size == sizes.front(); });
}

const DoneRecord& RemadeRun::find(std::uint64_t task, std::uint64_t candidate) {
  if (task >= config_.tasks.size())
    throw Error(Exit::kUsage, fmt::format("task {} is not there; the run has tasks 0 to {}", task,
                                          config_.tasks.size() - 1));
  if (!replay_ || task != task_)
    replay_ = std::make_unique<Replay>(assembly_, config_.tasks[task], task, history_);
  task_ = task;
  if (!replay_->until(candidate))
    throw Error(Exit::kUsage, fmt::format("task {} has no candidate {}", task, candidate));
  candidate = replay_->task().original(candidate);
  const auto done = history_.done[task].find(candidate);
  if (done == history_.done[task].end())
    throw Error(Exit::kUsage, fmt::format("candidate {} has no result yet", candidate));
  if (const std::string& why = done->second.error; !why.empty())
    throw Error(Exit::kUsage, fmt::format("candidate {} failed: {}", candidate, why));
  if (!replay_->task().candidate(candidate).scored)
    throw Error(Exit::kUsage, fmt::format("candidate {} was never scored, so it has no sample to "
                                          "compare",
                                          candidate));
  found_ = done->second;
  found_.candidate = candidate;
  return found_;
}

Remade RemadeRun::make() {
  Remade remade;
  remade.recipe = recipe_json(replay_->task(), found_.candidate);
  Maker maker(assembly_, replay_->task(), config_.deterministic);
  const auto look = [&](const Tensor& samples, const Walk& walk) {
    Scorer& scorer = assembly_.scorer();
    std::vector<Exhibit> exhibits(1);
    exhibits[0].previews = walk.previews;
    for (std::size_t v = 0; v < scorer.size(); ++v)
      exhibits[0].asked.push_back(!scorer.verifier(v).set_level());
    exhibits[0].condition = replay_->task().condition();
    exhibits[0].candidate = found_.candidate;
    scorer.judge(samples, exhibits);
    if (!exhibits[0].failure.empty()) throw Failed{exhibits[0].failure};
    remade.scores = std::move(exhibits[0].scores);
    remade.sample.assign(samples.item(0).begin(), samples.item(0).end());
    remade.hash = sample_hash(remade.sample);
  };
  try {
    maker.make(found_.candidate, look);
  } catch (const Failed& failed) {
    remade.failure = failed.why;
  }
  return remade;
}

}  // namespace winnow

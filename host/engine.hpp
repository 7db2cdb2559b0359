// engine.hpp: the loop: ask -> recipes -> latents -> samples -> scores -> tell, over all live tasks
// at once, with the journal as its memory. One scheduling thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/latent_cache.hpp"
#include "host/ledger.hpp"
#include "host/recipe_key.hpp"
#include "host/records.hpp"
#include "host/scorer.hpp"
#include "host/walker.hpp"

namespace winnow {

// Where results go. `record` comes after the files it speaks of.
class EngineOutput {
 public:
  virtual ~EngineOutput() = default;
  // Writes one sample; returns its path relative to the run directory.
  virtual std::string sample(const std::string& name, std::span<const float> sample,
                             const nlohmann::ordered_json& recipe) = 0;
  // The pixels of such a file, as a sample: in [0, 1], in steps of 1/255.
  virtual std::vector<float> read_sample(const std::string& file) = 0;
  virtual void record(const std::string& payload) = 0;
  // Everything so far becomes durable together, in order, in the end before anything later. Throws
  // Error for what an earlier one could not write.
  virtual void commit() = 0;
  virtual void flush() = 0;  // commit(), and waits until it is
};

class Pools;

struct EngineSettings {
  std::uint32_t batch = 16;
  std::uint64_t cache_bytes = 256ull << 20;
  bool deterministic = false;
  Keep keep = Keep::kBest;
  std::function<std::unique_ptr<Search>()> make_search;
  const Pools* pools = nullptr;  // where results may be taken from; outlives the engine
  const std::atomic<wn_status>* stop = nullptr;
  std::function<void()> on_turn;  // after every batch; for progress
};

class Engine {
 public:
  // Everything passed in outlives the engine. `history`: what an earlier part of the run left; it
  // is used up.
  Engine(Frame& frame, const std::vector<TaskSpec>& tasks, Scorer& scorer, EngineOutput& output,
         History history, EngineSettings settings);
  ~Engine();

  // True: all tasks are finished. False: stopped; everything is committed. Throws Error; what was
  // done is committed where that still can be.
  bool run();

  // Entries of summary.json, by task. A moved-out history counts too.
  const std::vector<nlohmann::ordered_json>& entries() const { return entries_; }
  const Ledger& ledger() const { return ledger_; }  // of finished tasks
  double live_nfe() const;                          // search NFE charged by running tasks
  // Search NFE charged by all tasks, less what is still to be walked of it.
  double done_nfe() const;
  std::uint64_t tasks_done() const { return tasks_done_; }
  // Work made again: latents made anew, and whatever earlier parts walked without a result. Exact
  // once all tasks are finished.
  double recomputed_nfe() const {
    return std::max(recomputed_nfe_,
                    walked_nfe() - ledger_.search_nfe - ledger_.final_nfe - live_nfe());
  }
  double seconds() const;  // wall clock over all parts
  double seconds_this_part() const { return seconds() - history_.clock.seconds; }
  double walked_nfe() const { return history_.clock.walked_nfe + walked_nfe_this_part(); }
  double walked_nfe_this_part() const { return walker_.walked_nfe() + gradient_nfe_; }
  // Taken from pools instead of being made, over all parts.
  std::uint64_t replayed_candidates() const {
    return history_.clock.replayed_candidates + replayed_candidates_;
  }
  double replayed_nfe() const { return history_.clock.replayed_nfe + replayed_nfe_; }
  // Means over finished tasks: of the first selecting verifier's score of the final sample, and how
  // much it gained over the first candidate. Before one is finished the best is that of the running
  // ones by the selection rule; NaN: nothing has a score.
  double mean_best() const;
  double mean_gain() const { return gain_tasks_ ? gain_sum_ / gain_tasks_ : 0; }
  std::uint64_t batches() const { return walker_.batches(); }
  bool any_task_failed() const { return any_task_failed_; }

 private:
  struct Live;  // a task and its books
  struct Job;   // a walk that waits for its parent's latent
  struct GradientWait;
  struct Parked;  // results of a task whose turn has not come

  bool loop();
  void keep_what_is_done();
  std::unique_ptr<Job> next_job();  // null: none may start
  void admit();
  void advance(Live& live);
  void ask(Live& live);
  void schedule(Live& live, std::uint64_t id);
  void replay(Live& live, const DoneRecord& known);
  void note_keys(Live& live, const Asked& asked);
  bool take_from_pools(Live& live, std::uint64_t id);
  bool take_final_from_pools(Live& live);
  std::optional<std::vector<float>> pooled_sample(const RecipeKey& key) const;
  bool pooled_score(const ScoreTable& from, std::size_t verifier) const;
  bool pooled_gradients(Live& live, std::uint64_t noise);
  std::vector<bool> scored_by_leg() const;
  void prepare(std::unique_ptr<Job> job);
  void get_ready(std::unique_ptr<Job> job);
  void start(Job& job);
  void aim_at_final(Walk& walk, const Candidate& c, const FinalPlan& plan);
  void finish(std::unique_ptr<Walk> walk);
  void candidate_over(Live& live, Walk& walk);
  void fail_candidate(Live& live, std::uint64_t id, const std::string& why);
  void wake(const LatentKey& key, const LatentPtr& latent);
  void take(const SampleBatch& batch, std::vector<std::unique_ptr<Walk>>& finished);
  void judge(const SampleBatch& batch);
  Exhibit exhibit_of(const Walk& walk, std::size_t row) const;
  void judged(Walk& walk, Exhibit& exhibit, std::span<const float> sample);

  // Gradients (engine_gradients.cpp).
  bool wait_for_gradient(std::unique_ptr<Job>& job);
  void make_noise(Task& task, std::uint64_t noise, std::span<const float> direction);
  void take_gradients(const SampleBatch& batch);
  void gradient_over(Live& live, Walk& walk);
  void restore_gradients(Live& live, const Asked& asked);

  // Set-level verifiers (engine_sets.cpp): tasks are judged one after the other.
  bool in_turn(const Task& task) const { return !set_level_ || task.index() == turn_; }
  void park(const SampleBatch& batch, std::vector<std::unique_ptr<Walk>>& finished);
  void judge_parked();
  void accept_again(std::uint64_t index, const nlohmann::ordered_json& entry);

  void begin_final(Live& live);
  void final_over(Live& live, Walk& walk, ScoreTable scores);
  void close(Live& live, nlohmann::ordered_json entry);
  void settle(std::uint64_t index, nlohmann::ordered_json entry, const Ledger& ledger);
  void count_scores(Live& live, const ScoreTable& scores);
  nlohmann::ordered_json scores_json(const ScoreTable& scores) const;
  bool looks_at(const Candidate& c, std::size_t verifier) const;  // a scored candidate
  // All verifiers judge it, and its sample is written where samples are kept.
  bool is_shown(const Candidate& c) const {
    return c.stop_time == 0 && (c.first || settings_.keep == Keep::kAll);
  }
  bool keeps_samples() const { return settings_.keep != Keep::kNone; }
  void keep_sample(Live& live, const Candidate& c, std::span<const float> sample,
                   const ScoreTable& scores);
  void keep_final(Live& live, Walk& walk, std::span<const float> sample);
  std::string write_sample(Live& live, std::uint64_t id, const char* kind,
                           std::span<const float> sample, nlohmann::ordered_json recipe);
  bool expired(const Live& live) const;
  bool stopped() const { return settings_.stop && settings_.stop->load() != WN_OK; }
  void write(const std::string& record);
  void commit_if_due(bool now);

  Frame& frame_;
  const std::vector<TaskSpec>& specs_;
  Scorer& scorer_;
  EngineOutput& output_;
  History history_;
  EngineSettings settings_;
  Walker walker_;
  LatentCache cache_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Live>> live_;
  std::deque<std::uint64_t> turns_;  // tasks that may be able to go on
  std::deque<std::unique_ptr<Job>> ready_;
  std::unordered_map<LatentKey, std::vector<std::unique_ptr<Job>>, LatentKeyHash> waiting_;
  std::unordered_map<LatentKey, GradientWait, LatentKeyHash> gradient_waits_;  // by source
  LatentCache directions_;  // d score / d noise by source, as latents
  bool set_level_;
  std::map<std::uint64_t, std::vector<Parked>> parked_;  // by task
  std::uint64_t parked_bytes_ = 0;
  std::uint64_t pending_bytes_ = 0;  // records that are not committed
  std::uint64_t next_task_ = 0, tasks_done_ = 0;
  std::uint64_t turn_ =
      0;  // the first task that is not finished; those that fail may be later ones
  std::vector<nlohmann::ordered_json> entries_;
  Ledger ledger_;
  double recomputed_nfe_ = 0, gradient_nfe_ = 0;
  std::uint64_t replayed_candidates_ = 0;  // in this part; and their price
  double replayed_nfe_ = 0;
  double best_sum_ = 0, gain_sum_ = 0, gain_tasks_ = 0;
  bool any_task_failed_ = false, dirty_ = false;
  struct Clock;
  std::unique_ptr<Clock> clock_;
};

}  // namespace winnow

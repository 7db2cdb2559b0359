// task.hpp: one task of a run: its search, its two graphs (noises, candidates), its budget and its
// rounds. Knows prices, executes nothing; the engine does the work and the planner only pretends
// to.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/condition.hpp"
#include "host/guard.hpp"
#include "host/leg_table.hpp"
#include "host/noise_graph.hpp"
#include "host/selection.hpp"

namespace winnow {

// Scores of one sample: all heads by verifier (in the order of the config); empty: that verifier
// did not judge it.
using ScoreTable = std::vector<std::vector<float>>;
// By name of a verifier: why it gave no score.
using Unscored = std::map<std::string, std::string>;

// What all tasks of a run share. Outlives them.
struct Frame {
  Sampler& sampler;
  LegTable& legs;
  const Selection& selection;
  std::vector<std::size_t> selecting;  // indices of the verifiers that select
  std::uint32_t verifier_flags = 0;    // that all of them have
  std::vector<double> preview_times;   // at which verifiers want previews (Scorer::preview_times)
  Budget budget;
  std::uint64_t run_seed = 0;
  std::uint64_t max_n = 256;
  bool profiles_differ = false;  // the final schedule is not the search schedule
  bool gradients = false;        // the sampler has vjp, the selecting verifiers grad, no ranks
};

enum class CandidateState : std::uint8_t { kOpen, kDone, kFailed };

struct Candidate {  // a host copy of wn_candidate, and what became of it
  std::uint64_t id = 0, parent = 0, noise = 0;  // noise: own, or inherited by CONTINUE
  double s = 0, from_time = 0, stop_time = 0, stochasticity = 0;
  std::uint32_t op = 0, leg_steps = 0, profile = 0;
  bool scored = false;  // asks for a score
  bool own_noise = false;
  bool first = false;  // the task's first candidate that is scored at time 0
  bool forgotten = false;
  bool told = false;
  bool previewed = false;      // its latent was evaluated when it stopped
  bool gradient_paid = false;  // the backward pass through its path or preview was charged
  CandidateState state = CandidateState::kOpen;
  std::uint32_t children = 0;  // candidates and noises made of it that are still there
  std::uint32_t first_position = 1, last_position = 0;  // that its steps arrive at
  std::uint64_t pool = 0;
  double start_time = 1;
  double nfe = 0;           // charged, gradients excepted
  double backward_nfe = 0;  // charged for gradients that it is the first to draw on
  ScoreTable scores;        // once done and scored
  Heads heads;              // head 0 of the selecting verifiers
  std::string failure;

  // The noise that it draws on at position 0; 0: none.
  std::uint64_t initial_noise() const { return op == WN_CAND_CONTINUE ? 0 : noise; }
};

// What an ask brought, for the journal.
struct Asked {
  std::vector<std::uint64_t> noises, candidates;
  wn_status status = WN_OK;
  std::int64_t time_up_after =
      -1;  // accepted candidates of this ask when the clock ran out; -1: it did not
};

// How the winner becomes the final sample.
enum class FinalMode { kAsItIs, kComplete, kRegenerate };
struct FinalPlan {
  std::uint64_t best = 0;
  FinalMode mode = FinalMode::kAsItIs;
  std::uint64_t noise = 0;  // kRegenerate: the initial noise
  double nfe = 0;
  double stochasticity = 0;  // kRegenerate
};

class Task final : public ProposalSink {
 public:
  Task(std::uint64_t index, const TaskSpec& spec, std::unique_ptr<Search> search, Frame& frame);
  Task(const Task&) = delete;

  std::uint64_t index() const { return index_; }
  const std::string& search_id() const { return search_->id(); }
  const wn_condition* condition() const { return &condition_.table; }
  NoiseGraph& noises() { return noises_; }
  Candidate& candidate(std::uint64_t id) { return candidates_.at(id); }
  bool has_candidate(std::uint64_t id) const { return candidates_.contains(id); }
  std::size_t candidate_count() const { return candidates_.size(); }

  // One ask of the current round. `expired(n)`: are the run's seconds used up, now that this ask
  // has brought n candidates?
  using Expired = std::function<bool(std::size_t n)>;
  Asked ask(const Expired& expired);
  bool wants_ask() const { return !complete_ && !done_; }
  bool round_complete() const { return complete_ && open_ == 0; }
  bool done() const { return done_; }

  // The engine reports. Children that wait for a failed parent fail with it and are refunded; ids
  // of those are returned.
  void succeed(std::uint64_t id, ScoreTable scores);
  std::vector<std::uint64_t> fail(std::uint64_t id, const std::string& why);
  // Once the round is complete: scores it by the selection rule and tells it whole.
  void tell();

  // After done(): the winner and what it takes to make its sample. Nullopt: every candidate failed.
  std::optional<FinalPlan> final_plan();

  // NFE of what a gradient of the candidate's score goes through: its path, or its preview.
  double differentiated_nfe(const Candidate& source) const;

  // The first candidate that was to be scored at time 0: what one gets without search. Id 0: none
  // succeeded.
  struct First {
    std::uint64_t id = 0;
    ScoreTable scores;
  };
  const First& first() const { return first_; }

  // The first few failed candidates, in push order, with the reason.
  const std::vector<std::pair<std::uint64_t, std::string>>& failures() const { return failures_; }
  // The noise whose gradients a candidate draws on: at position 0, or by a TWIST of its own; 0:
  // none.
  std::uint64_t drawn_noise(const Candidate& c) const;
  // The candidate that a RESCORE stands for; any other stands for itself.
  std::uint64_t original(std::uint64_t id) const;

  double spent_nfe() const { return spent_nfe_; }
  double backward_nfe() const { return backward_nfe_; }  // the part of it that gradients cost
  std::uint64_t accepted() const { return accepted_; }
  std::uint64_t failed() const { return failed_; }
  // The best score told so far (absolute rules), or of the last round (pooled ones).
  double best_score() const { return best_score_; }
  // Called when nothing starts from a candidate any more: its latent can go.
  std::function<void(std::uint64_t id)> on_forget;
  // A better candidate at time 0 was found (after a tell for pooled rules).
  std::uint64_t winner() const { return winner_; }

  // ProposalSink
  wn_status noise(const wn_noise_recipe& recipe) override;
  wn_status candidate(const wn_candidate& candidate) override;
  double cost(std::span<const wn_candidate* const> candidates) override;
  double left() override;
  void forget(std::span<const std::uint64_t> ids) override;

 private:
  struct Member {  // of a pool
    std::uint64_t id;
    Heads heads;
  };
  using Lookup = std::function<const Candidate*(std::uint64_t)>;
  // `parent_of` finds parents, among the provisional ones of cost() too.
  Candidate checked(const wn_candidate& recipe, const Lookup& parent_of, bool quote) const;
  void place(Candidate& c, const Candidate* parent) const;
  double price(const Candidate& c, const Candidate* parent) const;
  const Candidate& gradient_source(const wn_noise_recipe& recipe) const;
  std::set<std::uint64_t> unpaid_gradients(std::uint64_t noise) const;
  double backward_price(const std::set<std::uint64_t>& sources) const;
  void check_twist(const Candidate& c) const;
  void pay_backward(const Candidate& c);
  wn_status rescore(Candidate c, const Candidate& parent);
  void drop_if_unneeded(std::uint64_t id);
  std::vector<double> score_round();
  void note_winner(std::uint64_t id, double score);
  std::optional<std::uint64_t> final_choice();
  std::optional<std::uint64_t> named_best();

  std::uint64_t index_;
  Frame& frame_;
  Condition condition_;
  NoiseGraph noises_;
  std::unordered_map<std::uint64_t, Candidate> candidates_;
  std::vector<std::uint64_t> round_;
  std::map<std::uint64_t, std::vector<Member>> pools_;  // by name; 0: this round's
  std::unordered_map<std::uint64_t, Heads>
      all_heads_;  // pooled rules: every scored candidate at time 0
  Asked asked_;
  Expired expired_;
  std::size_t open_ = 0;  // candidates of the round that are not done
  bool complete_ = false, last_round_ = false, done_ = false, has_first_ = false;
  std::uint64_t last_id_ = 0, accepted_ = 0, failed_ = 0, winner_ = 0, asks_ = 0;
  std::uint32_t empty_asks_ = 0;
  double spent_nfe_ = 0, backward_nfe_ = 0, refund_ = 0, best_score_, winner_score_;
  First first_;
  std::vector<std::pair<std::uint64_t, std::string>> failures_;
  wn_problem problem_{};
  std::unique_ptr<Search> search_;  // last: destroyed before what it borrows
};

}  // namespace winnow

// search_driver.hpp: turns a search written as a loop into ask, tell and best.
//
// Part of search.hpp. One round is what one evaluate() waits for. It is pushed over as many asks
// as max_n demands, told whole, and only then the loop goes on. Everything pushed is a pure
// function of begin and the tells before it: ids count up in push order, nothing is drawn here.
#pragma once

#include <cmath>
#include <functional>

#include "winnow/search_graph.hpp"

namespace wn::inline v1_0_rc1::detail {

class Driver {
 public:
  using CandidatePtr = std::shared_ptr<CandidateNode>;

  void begin(const wn_problem* problem) { problem_ = problem; }
  const wn_problem& problem() const {
    if (!problem_)
      throw Error(WN_E_FAILED_PRECONDITION, "the problem is not known in the constructor yet");
    return *problem_;
  }
  bool ranked() const { return (problem().selection_flags & WN_F_RANKED) != 0; }
  const std::shared_ptr<Released>& released() const { return released_; }
  void rank_all_at_end() { rank_all_ = true; }
  void choose(CandidatePtr node) { chosen_ = std::move(node); }
  void stop() { task_ = Task(); }

  // Called by evaluate(), inside the loop. False: nothing has to be pushed, all scores are known.
  bool open_round(const std::vector<CandidatePtr>& list) {
    if (list.empty()) throw Error(WN_E_INVALID_ARGUMENT, "evaluate() was given no candidate");
    ++round_number_;
    for (const CandidatePtr& node : list)
      if (!node->told) node->queued = round_number_;  // wanted, and so judged, by the author
    std::vector<CandidatePtr> fresh;
    for (const CandidatePtr& node : list) node->told ? queue_again(node) : queue_new(node, fresh);
    // Scores of a ranked selection hold within one round only, so the incumbent is judged in it.
    if (ranked() && incumbent_ && incumbent_->queued != round_number_)
      for (const CandidatePtr& node : fresh)
        if (node->until.scored && node->until.time == incumbent_->until.time) {
          queue_again(incumbent_);
          break;
        }
    for (CandidatePtr& node : fresh) round_.push_back({std::move(node), 0, false, 0});
    return !round_.empty();
  }

  // `run` makes the coroutine at the first ask.
  wn_status ask(std::uint64_t max_n, const wn_proposals* proposals,
                const std::function<Task()>& run) {
    proposals_ = proposals;
    struct Reset {
      const wn_proposals*& slot;
      ~Reset() { slot = nullptr; }
    } reset{proposals_};
    std::uint64_t pushed = 0;
    for (;;) {
      if (round_.empty() && !next_round(run)) {
        forget_released();
        return WN_DONE;
      }
      forget_released();
      for (; cursor_ < round_.size(); ++cursor_, ++pushed) {
        if (pushed == max_n) return WN_OK;
        const wn_status status = push(round_[cursor_]);
        if (status == WN_E_RESOURCE_EXHAUSTED && pushed > 0) return WN_OK;
        if (status == WN_BUDGET) {
          end_by_budget();
          break;
        }
        if (status != WN_OK) refuse(status, "candidate", round_[cursor_].id);
      }
      if (cursor_ < round_.size()) continue;  // what costs nothing is still to be pushed
      if (!round_.empty()) break;
    }
    const bool last = phase_ == Phase::kFinal || (phase_ == Phase::kEnding && !needs_final());
    return last ? WN_DONE : WN_WAIT;
  }

  void tell(const wn_result* const* results, std::uint64_t n) {
    if (n != cursor_)
      throw Error(WN_E_INVALID_ARGUMENT, "told " + std::to_string(n) + " results of a round of " +
                                             std::to_string(cursor_));
    for (std::uint64_t i = 0; i < n; ++i) take(round_[i], *results[i]);
    if (phase_ == Phase::kFinal)
      choose_finalist();
    else
      judge();
    round_.clear();
    cursor_ = 0;
  }

  std::uint64_t best() const {  // 0: nothing succeeded
    const CandidatePtr& node = chosen_ ? chosen_ : incumbent_;
    return node ? node->id : 0;
  }

  double left() const { return proposals().left(proposals().ctx); }

  double cost(const std::vector<CandidatePtr>& list) {
    std::vector<wn_candidate> recipes;
    std::uint64_t id = next_candidate_;
    ++price_number_;
    for (const CandidatePtr& node : list) node->quoted = price_number_;
    for (const CandidatePtr& node : list) price(node, recipes, id);
    if (recipes.empty()) return 0;
    std::vector<const wn_candidate*> pointers;
    for (const wn_candidate& recipe : recipes) pointers.push_back(&recipe);
    double nfe = 0;
    const wn_status status =
        proposals().cost(proposals().ctx, pointers.data(), pointers.size(), &nfe);
    if (status != WN_OK) refuse(status, "price of", recipes.back().id);
    return nfe;
  }

 private:
  struct Entry {
    CandidatePtr node;
    std::uint64_t id;  // as pushed
    bool again;        // RESCORE of a candidate that was told before
    double score;      // as told
  };
  enum class Phase { kRunning, kEnding, kFinal, kOver };

  const wn_proposals& proposals() const {
    if (!proposals_)
      throw Error(WN_E_FAILED_PRECONDITION, "left() and cost() work inside run() only");
    return *proposals_;
  }
  [[noreturn]] static void refuse(wn_status status, const char* what, std::uint64_t id) {
    throw Error(status, std::string("the host refused ") + what + " " + std::to_string(id) +
                            " with status " + std::to_string(status));
  }

  // ---- rounds

  void queue_again(const CandidatePtr& node) {
    if (!node->until.scored)
      throw Error(WN_E_INVALID_ARGUMENT, "a candidate that was run unscored was evaluated again");
    if (!ranked() || !node->good() || node->queued == round_number_) return;
    node->queued = round_number_;
    round_.push_back({node, 0, true, 0});
  }
  // Parents that were never pushed come first, unscored unless the author evaluates them too.
  void queue_new(const CandidatePtr& node, std::vector<CandidatePtr>& out) {
    if (node->ordered == round_number_) return;
    node->ordered = round_number_;
    if (node->parent && node->parent->id == 0) {
      if (node->parent->queued != round_number_) {
        node->parent->queued = round_number_;
        node->parent->until.scored = false;
      }
      queue_new(node->parent, out);
    }
    out.push_back(node);
  }
  bool needs_final() const { return ranked() && finalists_.size() > 1; }

  bool next_round(const std::function<Task()>& run) {
    if (phase_ == Phase::kRunning) {
      if (!task_) task_ = run();
      phase_ = Phase::kOver;  // unless the loop suspends itself without a failure
      const bool waiting = task_.resume();
      phase_ = waiting ? Phase::kRunning : Phase::kEnding;
      if (waiting) return true;
      stop();
    }
    if (phase_ == Phase::kEnding && needs_final()) {
      phase_ = Phase::kFinal;
      ++round_number_;
      for (const CandidatePtr& node : finalists_) round_.push_back({node, 0, true, 0});
      return true;
    }
    phase_ = Phase::kOver;
    return false;
  }
  // The rest of the round is dropped, but for what costs nothing; the loop never goes on.
  void end_by_budget() {
    phase_ = phase_ == Phase::kFinal ? Phase::kFinal : Phase::kEnding;
    const auto rest = round_.begin() + static_cast<std::ptrdiff_t>(cursor_);
    round_.erase(std::remove_if(rest, round_.end(), [](const Entry& e) { return !e.again; }),
                 round_.end());
    stop();
  }

  // ---- pushing

  static wn_candidate recipe_of(const CandidateNode& node, std::uint64_t id, std::uint64_t parent) {
    wn_candidate out{};
    out.struct_size = WN_SIZE(wn_candidate, pool);
    out.op = node.op;
    out.id = id;
    out.parent = parent;
    out.noise = node.noise ? node.noise->recipe.id : 0;
    out.s = node.s;
    out.from_time = node.from_time;
    out.stop_time = node.until.time;
    out.stochasticity = node.until.stochasticity;
    out.leg_steps = node.until.steps;
    out.profile = node.until.profile;
    out.score = node.until.scored ? WN_SCORE_SAMPLE : WN_SCORE_NONE;
    return out;
  }
  wn_status push(Entry& entry) {
    CandidateNode& node = *entry.node;
    if (!entry.again && node.noise) push_noise(*node.noise);
    wn_candidate recipe =
        recipe_of(node, next_candidate_, node.parent ? node.parent->id : std::uint64_t{0});
    if (entry.again) {
      recipe.op = WN_CAND_RESCORE;
      recipe.parent = node.id;
      recipe.noise = 0;
      recipe.leg_steps = 0;
      recipe.s = recipe.from_time = recipe.stochasticity = 0;
    }
    entry.id = next_candidate_;
    const wn_status status = proposals().candidate(proposals().ctx, &recipe);
    if (status != WN_OK) return status;
    ++next_candidate_;
    if (!entry.again) node.id = recipe.id;
    return WN_OK;
  }
  void push_noise(NoiseNode& node) {
    if (node.recipe.id != 0) return;
    std::vector<std::uint64_t> parents;
    for (const auto& parent : node.parents) {
      push_noise(*parent);
      parents.push_back(parent->recipe.id);
    }
    wn_noise_recipe& recipe = node.recipe;
    recipe.struct_size = WN_SIZE(wn_noise_recipe, reserved0);
    if (recipe.op == WN_NOISE_ROTATE || recipe.op == WN_NOISE_TWIST) {
      recipe.parent = parents.front();
    } else {
      recipe.parents = parents.data();
      recipe.weights = node.weights.empty() ? nullptr : node.weights.data();
      recipe.n_parents = parents.size();
    }
    if (node.candidate) recipe.candidate = node.candidate->id;
    std::vector<std::int64_t> shape(problem().latent_shape,
                                    problem().latent_shape + problem().latent_ndim);
    const wn_tensor tensor{node.values.data(),
                           {1, 0},
                           static_cast<std::int32_t>(shape.size()),
                           dtype_of<float>(),
                           shape.data(),
                           nullptr,
                           0};
    if (!node.values.empty()) recipe.tensor = &tensor;
    recipe.id = next_noise_++;
    const wn_status status = proposals().noise(proposals().ctx, &recipe);
    if (status != WN_OK) refuse(status, "noise", recipe.id);
    recipe.parents = nullptr;
    recipe.weights = nullptr;
    recipe.tensor = nullptr;
    node.parents = {};
    node.weights = {};
    node.values = {};
    node.candidate.reset();
  }
  void forget_released() {
    std::vector<std::uint64_t>& ids = released_->ids;
    if (ids.empty()) return;
    const wn_status status = proposals().forget(proposals().ctx, ids.data(), ids.size());
    if (status != WN_OK) refuse(status, "to forget", ids.front());
    ids.clear();
  }
  void price(const CandidatePtr& node, std::vector<wn_candidate>& recipes, std::uint64_t& id) {
    if (node->id != 0 || node->priced == price_number_) return;
    node->priced = price_number_;
    if (node->parent) price(node->parent, recipes, id);
    node->provisional = id++;
    const CandidateNode* parent = node->parent.get();
    recipes.push_back(recipe_of(*node, node->provisional,
                                !parent      ? 0
                                : parent->id ? parent->id
                                             : parent->provisional));
    if (node->quoted != price_number_) recipes.back().score = WN_SCORE_NONE;  // as queue_new does
  }

  // ---- judging

  static void take(Entry& entry, const wn_result& result) {
    if (result.candidate != entry.id)
      throw Error(WN_E_INVALID_ARGUMENT, "told candidate " + std::to_string(result.candidate) +
                                             " where " + std::to_string(entry.id) + " was due");
    CandidateNode& node = *entry.node;
    const bool good = result.status == WN_OK && result.n_scores > 0;
    entry.score = good ? result.scores[0] : -std::numeric_limits<double>::infinity();
    const bool twisted = !entry.again && node.noise && node.noise->recipe.op == WN_NOISE_TWIST;
    if (good) node.scores.assign(result.scores, result.scores + result.n_scores);
    if (good && twisted) {
      node.log_ratio = node.scores.back();
      node.scores.pop_back();
    }
    if (entry.again) return;
    node.told = true;
    node.status = result.status;
    node.parent.reset();
    if (result.status != WN_OK || node.until.scored) node.score = entry.score;
  }
  // Ranks of different rounds do not compare. They are shifted so that the incumbent keeps the
  // score it had: then "greater than the best so far" means what it says, in every round.
  void judge() {
    const Entry* anchor = nullptr;
    for (const Entry& entry : round_)
      if (entry.again && entry.node == incumbent_ && std::isfinite(entry.score)) anchor = &entry;
    const double before = anchor ? anchor->node->score : 0;
    const Entry* winner = nullptr;
    for (const Entry& entry : round_) {
      CandidateNode& node = *entry.node;
      if (entry.again) released_->ids.push_back(entry.id);
      if (anchor && entry.node != incumbent_ && node.good())
        node.score = shifted(entry.score, anchor->score, before);
      else if (entry.again && !anchor)
        node.score = entry.score;
      if (!node.good()) continue;
      if (rank_all_ && ranked() && !entry.again) add_finalist(entry.node);
      if (!winner || beats(node, *winner->node)) winner = &entry;
    }
    if (!winner) return;
    if (ranked() && !rank_all_) add_finalist(winner->node);
    if (!incumbent_ || beats(*winner->node, *incumbent_)) incumbent_ = winner->node;
  }
  static double shifted(double score, double anchor, double before) {
    const double out = before + (score - anchor);
    if (score > anchor && !(out > before))
      return std::nextafter(before, std::numeric_limits<double>::infinity());
    return out;
  }
  // Nearer to data comes first: a preview's score says little about a finished sample's.
  static bool beats(const CandidateNode& a, const CandidateNode& b) {
    return a.until.time != b.until.time ? a.until.time < b.until.time : a.score > b.score;
  }
  void add_finalist(const CandidatePtr& node) {
    if (!finalists_.empty() && node->until.time < finalists_.front()->until.time)
      finalists_.clear();
    if (!finalists_.empty() && node->until.time > finalists_.front()->until.time) return;
    if (!std::exchange(node->finalist, true)) finalists_.push_back(node);
  }
  void choose_finalist() {
    const Entry* winner = nullptr;
    for (const Entry& entry : round_)
      if (std::isfinite(entry.score) && (!winner || entry.score > winner->score)) winner = &entry;
    if (winner) incumbent_ = winner->node;
    finalists_.clear();
    phase_ = Phase::kOver;
  }

  const wn_problem* problem_ = nullptr;
  const wn_proposals* proposals_ = nullptr;
  std::shared_ptr<Released> released_ = std::make_shared<Released>();
  std::vector<Entry> round_;  // [0, cursor_) is pushed
  std::size_t cursor_ = 0;
  std::uint64_t round_number_ = 0, price_number_ = 0, next_candidate_ = 1, next_noise_ = 1;
  Phase phase_ = Phase::kRunning;
  bool rank_all_ = false;
  CandidatePtr incumbent_, chosen_;
  std::vector<CandidatePtr> finalists_;
  Task task_;  // last: its frame holds handles
};

}  // namespace wn::inline v1_0_rc1::detail

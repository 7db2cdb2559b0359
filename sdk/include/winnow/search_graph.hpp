// search_graph.hpp: noises and candidates as values; what nobody can name any more is forgotten.
//
// Part of search.hpp, which is what authors read. A handle is a counted reference to a small node
// (some 300 bytes, never a tensor). The host forgets a candidate when its last handle is gone and
// no noise handle needs it: a noise lives in the host only as long as a candidate that uses it, or
// a noise made of it, so the last such candidate stays as the noise's anchor.
#pragma once

#include <coroutine>
#include <exception>
#include <limits>

#include "winnow/plugin.hpp"

namespace wn::inline v1_0_rc1 {

// How far a candidate runs, and how.
struct Until {
  double time = 0;          // 1 = pure noise, 0 = data; compared exactly with the schedule's times
  bool scored = true;       // judge the sample (time 0) or the preview; false: its score is NaN
  std::uint32_t steps = 0;  // 0: along the schedule; n: n steps of the sampler's own spacing
  std::uint32_t profile = WN_PROFILE_SEARCH;
  double stochasticity =
      0;  // 0: as the sampler is configured; -1: deterministic; > 0: times its own
};

class Noise;
class Candidate;

namespace detail {

struct Released {  // candidates to be forgotten at the next ask
  std::vector<std::uint64_t> ids;
};
struct CandidateNode;

struct NoiseNode {
  explicit NoiseNode(std::shared_ptr<Released> list) : released(std::move(list)) {}
  NoiseNode(const NoiseNode&) = delete;
  NoiseNode& operator=(const NoiseNode&) = delete;
  ~NoiseNode() {
    if (anchor != 0) released->ids.push_back(anchor);
  }

  std::shared_ptr<Released> released;
  wn_noise_recipe recipe{};  // id 0: not pushed yet
  std::uint64_t anchor = 0;  // a candidate without handles that keeps this noise in the host
  // Only until it is pushed:
  std::vector<std::shared_ptr<NoiseNode>> parents;
  std::vector<double> weights;
  std::vector<float> values;
  std::shared_ptr<CandidateNode> candidate;
};

struct CandidateNode {
  explicit CandidateNode(std::shared_ptr<Released> list) : released(std::move(list)) {}
  CandidateNode(const CandidateNode&) = delete;
  CandidateNode& operator=(const CandidateNode&) = delete;
  ~CandidateNode() {
    if (id == 0) return;
    if (noise && noise.use_count() > 1 && noise->anchor == 0)
      noise->anchor = id;
    else
      released->ids.push_back(id);
  }
  bool good() const { return told && until.scored && status == WN_OK; }

  std::shared_ptr<Released> released;
  std::shared_ptr<NoiseNode> noise;       // null: the parent's
  std::shared_ptr<CandidateNode> parent;  // until it is told
  Until until;
  double s = 0, from_time = 0;
  std::uint64_t id = 0;       // 0: not pushed yet
  std::uint64_t queued = 0;   // the last round in which its score is wanted
  std::uint64_t ordered = 0;  // the last round in which it was put in order
  std::uint64_t quoted = 0, priced = 0, provisional = 0;  // last call of cost(), its id there
  bool finalist = false;
  std::uint32_t op = WN_CAND_START;
  bool told = false;
  wn_status status = WN_OK;
  double score = std::numeric_limits<double>::quiet_NaN();
  double log_ratio = 0;
  std::vector<double> scores;  // as told
};

struct Access;

}  // namespace detail

// A function of the position that feeds the sampler; cheap to copy. Made by a wn::Search.
class Noise {
 public:
  Noise() = default;  // names nothing
  explicit operator bool() const { return node_ != nullptr; }
  friend bool operator==(const Noise&, const Noise&) = default;

 private:
  friend struct detail::Access;
  std::shared_ptr<detail::NoiseNode> node_;
};

// A recipe for a latent; cheap to copy. Made by a wn::Search, run by evaluate().
class Candidate {
 public:
  Candidate() = default;  // names nothing
  explicit operator bool() const { return node_ != nullptr; }
  friend bool operator==(const Candidate&, const Candidate&) = default;

  // As evaluate() gave it: minus infinity when it failed, NaN before it was evaluated or unscored.
  double score() const { return node_->score; }
  bool failed() const { return node_->told && node_->status != WN_OK; }
  // As told: [0] is what the run selects on (relative to its pool under ranked selection), the
  // others are the selecting verifiers'. Empty before evaluation, when unscored or failed.
  const std::vector<double>& scores() const { return node_->scores; }
  double time() const { return node_->until.time; }
  // log p - log p' of its twist(), p the density of normal noise at what was used, p' at what was
  // drawn; 0 without one, before it was evaluated and when it is not scored.
  double log_ratio() const { return node_->log_ratio; }

 private:
  friend struct detail::Access;
  std::shared_ptr<detail::CandidateNode> node_;
};

namespace detail {

struct Access {
  static const std::shared_ptr<NoiseNode>& node(const Noise& noise) {
    if (!noise.node_) throw Error(WN_E_INVALID_ARGUMENT, "a noise that names nothing was used");
    return noise.node_;
  }
  static const std::shared_ptr<CandidateNode>& node(const Candidate& candidate) {
    if (!candidate.node_)
      throw Error(WN_E_INVALID_ARGUMENT, "a candidate that names nothing was used");
    return candidate.node_;
  }
  static Noise wrap(std::shared_ptr<NoiseNode> node) {
    Noise out;
    out.node_ = std::move(node);
    return out;
  }
  static Candidate wrap(std::shared_ptr<CandidateNode> node) {
    Candidate out;
    out.node_ = std::move(node);
    return out;
  }
};

}  // namespace detail

// What run() returns: a coroutine that the SDK resumes after each whole round.
class Task {
 public:
  struct promise_type {
    std::exception_ptr failure;
    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { failure = std::current_exception(); }
  };

  Task() = default;
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }
  explicit operator bool() const { return handle_ != nullptr; }
  // False when it has ended. An exception that left the coroutine leaves here.
  bool resume() {
    handle_.resume();
    if (handle_.promise().failure) std::rethrow_exception(handle_.promise().failure);
    return !handle_.done();
  }

 private:
  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace wn::inline v1_0_rc1

// search.hpp: a search as a loop.
//
//   struct ZeroOrder : wn::Search {
//     static constexpr const char* kId = "org.example.zero_order";          // as in the manifest
//     ZeroOrder(const wn::Host&, const wn::Options& options) : cosine(options.f64("cosine")) {}
//     wn::Task run() override {
//       auto pivot = fresh();
//       double best = co_await evaluate(start(pivot));
//       for (;;) {  // ends with the budget
//         std::vector<wn::Noise> noises;
//         for (int i = 0; i < 4; ++i) noises.push_back(rotate(pivot, cosine));
//         auto scores = co_await evaluate(start(noises));
//         for (std::size_t i = 0; i < scores.size(); ++i)
//           if (scores[i] > best) best = scores[i], pivot = noises[i];
//       }
//     }
//     double cosine;
//   };
//   WN_EXPORT_PLUGINS(ZeroOrder)
//
// There is one object per task. What evaluate() waits for is a round; the host runs the rounds of
// all tasks together. The SDK takes care of ids, noise addresses, max_n and forgetting, and of:
//
// - The end of the budget. A candidate that no longer fits ends the search: it and the rest of its
//   round are dropped, what was pushed before it is still judged (and can be the answer), and run()
//   is destroyed where it waits, never resumed with scores missing. So a loop needs no end, and
//   what must happen on time is planned with left() and cost(). Returning from run() ends it too.
// - Failures. A candidate that fails scores minus infinity and is never the answer.
// - The answer. It is the best score among those that came nearest to data (time 0), or choose().
// - Ranked selection. There scores hold within one round only. The SDK judges the best candidate
//   again in every round that it can be compared with, and shifts the round's scores so that it
//   keeps its own: comparing with the best score so far is right. To compare other old candidates
//   evaluate them again, together with the new ones (free; otherwise their score is just returned).
//   At the end all round winners are judged in one pool, and the best of them is the answer; they
//   are kept until then, some 300 bytes a round.
// - Replay. run() must depend on nothing but its options, the problem and the scores: no clock, no
//   address, no std::random_device; use uniform().
//
// Handles are values; the host forgets what no handle names any more, so a search that keeps
// nothing runs for ever in flat memory. Use them in run() only, on its thread.
#pragma once

#include <array>

#include "winnow/search_driver.hpp"

namespace wn::inline v1_0_rc1 {

class Search {
 public:
  using Noises = std::vector<Noise>;
  using Candidates = std::vector<Candidate>;
  using Scores = std::vector<double>;

  Search() = default;
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  virtual ~Search() = default;
  // Called once, when problem() is known and before anything is spent: throw wn::Error to refuse it
  // (INVALID_ARGUMENT or FAILED_PRECONDITION, with what the user should change). Evaluates nothing.
  virtual void prepare() {}
  // The loop: a coroutine, started once. An exception that leaves it fails the task's search.
  virtual Task run() = 0;

 protected:
  // ---- noises: nothing is computed here, the host evaluates them when a candidate needs them

  // Standard normal. The k-th fresh noise of a task is the same in every search, so searches that
  // start alike can be compared pairwise.
  Noise fresh() { return make_noise(WN_NOISE_FRESH, 0, next_fresh_++); }
  Noises fresh(std::size_t n) {
    Noises out(n);
    for (Noise& noise : out) noise = fresh();
    return out;
  }
  // A random direction at a fixed angle; the norm is kept. cosine in [-1, 1].
  Noise rotate(const Noise& parent, double cosine) {
    return make_noise(WN_NOISE_ROTATE, 1, next_proposal_++, cosine, {parent});
  }
  // |parents[0]| times the unit vector along sum_i weights[i] parents[i].
  Noise mix(const Noises& parents, const std::vector<double>& weights) {
    return make_noise(WN_NOISE_MIX, 1, 0, 0, parents, weights);
  }
  // sum_i weights[i] parents[i], not renormalised.
  Noise linear(const Noises& parents, const std::vector<double>& weights) {
    return make_noise(WN_NOISE_LINEAR, 1, 0, 0, parents, weights);
  }
  // Per element: b with this probability, else a.
  Noise splice(const Noise& a, const Noise& b, double probability) {
    return make_noise(WN_NOISE_SPLICE, 1, next_proposal_++, probability, {a, b});
  }
  // The initial noise of an evaluated start() run to time 0, moved by step * |x| along the gradient
  // of its score, norm kept. UNIMPLEMENTED unless sampler and verifiers can differentiate.
  Noise gradient(const Candidate& candidate, double step) {
    Noise out = make_noise(WN_NOISE_GRADIENT, 1, 0, step);
    node(out).candidate = detail::Access::node(candidate);
    return out;
  }
  // `noise` plus s times d score / d latent of an evaluated preview, in the step that follows it:
  // the first step of continue_(candidate, twist(candidate, ...)), which it is for alone. What that
  // does to the density of the noise is log_ratio() of that candidate. UNIMPLEMENTED unless the
  // sampler (WN_F_PREVIEW_VJP) and the verifiers can differentiate.
  Noise twist(const Candidate& candidate, const Noise& noise, double s) {
    Noise out = make_noise(WN_NOISE_TWIST, 1, 0, s, {noise});
    node(out).candidate = detail::Access::node(candidate);
    return out;
  }
  // Own values (latent_shape) at one position, fresh at all others: the escape hatch, large.
  Noise values(std::vector<float> elements, std::uint32_t position = 0) {
    Noise out = make_noise(WN_NOISE_TENSOR, 1, next_proposal_++);
    node(out).recipe.position = position;
    node(out).values = std::move(elements);
    return out;
  }

  // ---- candidates: nothing runs before evaluate()

  // From pure noise.
  Candidate start(const Noise& noise, const Until& until = {}) {
    return make_candidate(WN_CAND_START, nullptr, &noise, until);
  }
  Candidates start(const Noises& noises, const Until& until = {}) {
    Candidates out;
    for (const Noise& noise : noises) out.push_back(start(noise, until));
    return out;
  }
  // The parent's latent run on, with its noise or (stochastic samplers) another one.
  Candidate continue_(const Candidate& parent, const Until& until = {}) {
    return make_candidate(WN_CAND_CONTINUE, &parent, nullptr, until);
  }
  Candidate continue_(const Candidate& parent, const Noise& noise, const Until& until = {}) {
    return make_candidate(WN_CAND_CONTINUE, &parent, &noise, until);
  }
  Candidates continue_(const Candidates& parents, const Until& until = {}) {
    Candidates out;
    for (const Candidate& parent : parents) out.push_back(continue_(parent, until));
    return out;
  }
  // The parent's latent noised forward to from_time (above where it stopped), then run on.
  Candidate renoise(const Candidate& parent, const Noise& noise, double from_time,
                    const Until& until = {}) {
    Candidate out = make_candidate(WN_CAND_RENOISE, &parent, &noise, until);
    detail::Access::node(out)->from_time = from_time;
    return out;
  }
  // The parent's latent plus s * noise_scale * noise at its time, then run on.
  Candidate jitter(const Candidate& parent, const Noise& noise, double s, const Until& until = {}) {
    Candidate out = make_candidate(WN_CAND_JITTER, &parent, &noise, until);
    detail::Access::node(out)->s = s;
    return out;
  }

  // ---- evaluation

  template <class Result>
  struct Evaluation {
    detail::Driver* driver;
    std::vector<std::shared_ptr<detail::CandidateNode>> nodes;
    bool await_ready() const { return !driver->open_round(nodes); }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    Result await_resume() const {
      if constexpr (std::is_same_v<Result, double>) {
        return nodes.front()->score;
      } else {
        Result out;
        for (const auto& candidate : nodes) out.push_back(candidate->score);
        return out;
      }
    }
  };
  // `co_await evaluate(...)` gives the scores, in the order of the candidates. Parents that were
  // not evaluated before run too, unscored; a candidate that was evaluated costs nothing again.
  Evaluation<Scores> evaluate(const Candidates& candidates) {
    Evaluation<Scores> out{&driver_, {}};
    for (const Candidate& candidate : candidates)
      out.nodes.push_back(detail::Access::node(candidate));
    return out;
  }
  Evaluation<double> evaluate(const Candidate& candidate) {
    return {&driver_, {detail::Access::node(candidate)}};
  }
  // The search NFE that the budget still allows; infinity when NFE has no cap.
  double left() const { return driver_.left(); }
  // The exact price in NFE of evaluating all of them together, unevaluated parents included.
  double cost(const Candidates& candidates) {
    std::vector<std::shared_ptr<detail::CandidateNode>> nodes;
    for (const Candidate& candidate : candidates) nodes.push_back(detail::Access::node(candidate));
    return driver_.cost(nodes);
  }
  double cost(const Candidate& candidate) { return cost(Candidates{candidate}); }

  // Names the answer, which need not be finished: the host completes it. Default: see above.
  void choose(const Candidate& candidate) { driver_.choose(detail::Access::node(candidate)); }
  // Under ranked selection, at the end judge every scored candidate in the last pool, not only the
  // winners of the rounds: exact, but all are kept (some 300 bytes each). Call it before the loop.
  void rank_all_at_end() { driver_.rank_all_at_end(); }

  // ---- what the search may know

  const wn_problem& problem() const { return driver_.problem(); }
  bool ranked() const { return driver_.ranked(); }  // scores are relative to a pool
  std::span<const double> times(std::uint32_t profile = WN_PROFILE_SEARCH) const {  // 1 ... 0
    return {problem().times[profile], std::size_t{problem().n_steps[profile]} + 1};
  }
  const Host& host() const { return host_; }
  // In [0, 1), from the task's seed: the n-th call gives the same number in every replay.
  double uniform() {
    std::array<std::uint32_t, 1> word{};
    host_.uniform_u32({problem().seed, 0, 128, 0}, 0, next_uniform_++, word);
    return word[0] * 0x1p-32;
  }

 private:
  friend struct SearchAccess;

  static detail::NoiseNode& node(const Noise& noise) { return *detail::Access::node(noise); }
  Noise make_noise(std::uint32_t op, std::uint32_t domain, std::uint64_t stream, double s = 0,
                   const Noises& parents = {}, const std::vector<double>& weights = {}) {
    auto made = std::make_shared<detail::NoiseNode>(driver_.released());
    made->recipe.op = op;
    made->recipe.s = s;
    made->recipe.addr = {problem().seed, stream, domain, 0};
    for (const Noise& parent : parents) made->parents.push_back(detail::Access::node(parent));
    made->weights = weights;
    const bool weighted = op == WN_NOISE_MIX || op == WN_NOISE_LINEAR;
    if (weighted && (parents.empty() || parents.size() != weights.size()))
      throw Error(WN_E_INVALID_ARGUMENT, "found " + std::to_string(parents.size()) +
                                             " noises and " + std::to_string(weights.size()) +
                                             " weights, expected as many of both");
    return detail::Access::wrap(std::move(made));
  }
  Candidate make_candidate(std::uint32_t op, const Candidate* parent, const Noise* noise,
                           const Until& until) {
    auto made = std::make_shared<detail::CandidateNode>(driver_.released());
    made->op = op;
    made->until = until;
    if (parent) made->parent = detail::Access::node(*parent);
    if (noise) made->noise = detail::Access::node(*noise);
    return detail::Access::wrap(std::move(made));
  }

  Host host_{nullptr};
  detail::Driver driver_;
  std::uint64_t next_fresh_ = 0, next_proposal_ = 0, next_uniform_ = 0;
};

// For the tables below and for tests that drive a search without a library.
struct SearchAccess {
  static void begin(Search& search, const Host& host, const wn_problem* problem) {
    search.host_ = host;
    search.driver_.begin(problem);
    search.prepare();
  }
  static wn_status ask(Search& search, std::uint64_t max_n, const wn_proposals* proposals) {
    return search.driver_.ask(max_n, proposals, [&] { return search.run(); });
  }
  static void tell(Search& search, const wn_result* const* results, std::uint64_t n) {
    search.driver_.tell(results, n);
  }
  static std::uint64_t best(const Search& search) { return search.driver_.best(); }
  // Destroys the loop while the author's members still live.
  static void stop(Search& search) { search.driver_.stop(); }
};

namespace detail {

template <class T>
struct SearchTables {
  static constexpr wn_search_1 kMain = {
      [](wn_instance* i, const wn_call* call, const wn_problem* problem) noexcept -> wn_status {
        return fence(call, [&] { SearchAccess::begin(self<T>(i), box<T>(i).host, problem); });
      },
      [](wn_instance* i, const wn_call* call, std::uint64_t max_n,
         const wn_proposals* proposals) noexcept -> wn_status {
        return fence(call, [&] { return SearchAccess::ask(self<T>(i), max_n, proposals); });
      },
      [](wn_instance* i, const wn_call* call, const wn_result* const* results,
         std::uint64_t n) noexcept -> wn_status {
        return fence(call, [&] { SearchAccess::tell(self<T>(i), results, n); });
      },
      [](wn_instance* i, std::uint64_t max_n, std::uint64_t* ids,
         std::uint64_t* n_out) noexcept -> wn_status {
        const std::uint64_t id = SearchAccess::best(self<T>(i));
        *n_out = id != 0 && max_n > 0 ? 1 : 0;
        if (*n_out == 1) ids[0] = id;
        return WN_OK;
      }};
  static const void* find(std::string_view id) { return id == WN_SEARCH_1 ? &kMain : nullptr; }
};

}  // namespace detail
}  // namespace wn::inline v1_0_rc1

// search_bench.cpp: see search_bench.hpp.
#include "host/validator/search_bench.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "host/error.hpp"
#include "host/text.hpp"

namespace winnow::validator {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

// Thrown inside a fence; becomes the test's failure once the search's frames are left.
struct Mistake {
  std::string text;
};
template <class... Parts>
[[noreturn]] void wrong(fmt::format_string<Parts...> format, Parts&&... parts) {
  throw Mistake{fmt::format(format, std::forward<Parts>(parts)...)};
}

double target(std::size_t e) { return e % 2 ? 0.75 : -0.5; }

double norm(std::span<const float> v) {
  double squares = 0;
  for (const float x : v) squares += static_cast<double>(x) * x;
  return std::sqrt(squares);
}

bool on_schedule(double time) {
  const double k = time * 10;
  return std::abs(k - std::round(k)) < 1e-9;
}

}  // namespace

template <class Body>
wn_status SearchBench::fenced(void* ctx, Body body) {
  auto& self = *static_cast<SearchBench*>(ctx);
  if (!self.mistake_.empty()) return WN_E_FAILED_PRECONDITION;
  try {
    return body(self);
  } catch (const Mistake& mistake) {
    self.mistake_ = mistake.text;
  } catch (const std::exception& error) {
    self.mistake_ = error.what();
  }
  return WN_E_INVALID_ARGUMENT;
}

SearchBench::SearchBench(Instance& instance, SearchRules rules)
    : instance_(instance), rules_(std::move(rules)) {
  for (int k = 0; k <= kSteps; ++k) times_.push_back(1 - k / double{kSteps});
  costs_.assign(kSteps, 1.0);
  scales_.assign(kSteps, 0.1);
  condition_.struct_size = WN_SIZE(wn_condition, tensors);
  condition_.class_id = 3;
  problem_.struct_size = WN_SIZE(wn_problem, condition);
  problem_.n_scores = 3;
  problem_.seed = rules_.seed;
  problem_.budget_nfe = rules_.budget;
  problem_.latent_shape[0] = 1;
  problem_.latent_shape[1] = problem_.latent_shape[2] = 4;
  problem_.latent_ndim = 3;
  problem_.sampler_flags = WN_F_DETERMINISTIC | WN_F_MIXED_TIMES | WN_F_RENOISE | WN_F_VJP;
  problem_.verifier_flags = WN_F_DETERMINISTIC | WN_F_GRAD;
  problem_.selection_flags = rules_.ranked ? WN_F_RANKED : 0;
  problem_.max_n = rules_.max_n;
  for (const int p : {0, 1}) {
    problem_.n_steps[p] = kSteps;
    problem_.times[p] = times_.data();
    problem_.nfe[p] = costs_.data();
    problem_.noise_scale[p] = scales_.data();
    problem_.preview_nfe[p] = 1;
  }
  problem_.condition = &condition_;
  proposals_ = {
      .struct_size = WN_SIZE(wn_proposals, forget),
      .reserved0 = 0,
      .ctx = this,
      .noise =
          [](void* ctx, const wn_noise_recipe* recipe) {
            return fenced(ctx, [&](SearchBench& s) { return s.noise(*recipe); });
          },
      .candidate =
          [](void* ctx, const wn_candidate* recipe) {
            return fenced(ctx, [&](SearchBench& s) { return s.candidate(*recipe); });
          },
      .cost =
          [](void* ctx, const wn_candidate* const* recipes, std::uint64_t n, double* nfe) {
            return fenced(ctx, [&](SearchBench& s) { return *nfe = s.cost({recipes, n}), WN_OK; });
          },
      .left =
          [](void* ctx) {
            const auto& self = *static_cast<SearchBench*>(ctx);
            return self.rules_.budget - self.run_.spent;
          },
      .forget =
          [](void* ctx, const std::uint64_t* ids, std::uint64_t n) {
            return fenced(ctx, [&](SearchBench& s) { return s.forget({ids, n}), WN_OK; });
          }};
}

wn_status SearchBench::noise(const wn_noise_recipe& r) {
  if (r.struct_size < WN_SIZE(wn_noise_recipe, position))
    wrong("noise {}: struct_size is {}", r.id, r.struct_size);
  NoiseGraph::Source source;
  const Candidate* from = nullptr;
  if (r.op == WN_NOISE_GRADIENT) {
    if (!rules_.gradients || rules_.ranked) return WN_E_UNIMPLEMENTED;
    from = &known(r.candidate, r.id);
    if (!from->told || from->failed || !from->start || from->time != 0)
      wrong(
          "noise {}: the gradient of candidate {}, which is no START to time 0 that was told a "
          "score",
          r.id, r.candidate);
    source = {from->original, from->noise};
  }
  const bool has_address = r.op == WN_NOISE_FRESH || r.op == WN_NOISE_ROTATE ||
                           r.op == WN_NOISE_TENSOR || r.op == WN_NOISE_SPLICE;
  if (has_address && r.addr.seed != rules_.seed) ++run_.foreign_seeds;
  noises_.push(r, source);
  if (from) make_gradient(r, *from);
  std::string line = fmt::format("noise {} op {} at {}/{} of {} s {}", r.id, r.op, r.addr.stream,
                                 r.addr.domain, r.parent, r.s);
  for (std::uint64_t i = 0; i < r.n_parents; ++i) line += fmt::format(" {}", r.parents[i]);
  log(line);
  return WN_OK;
}

void SearchBench::make_gradient(const wn_noise_recipe& recipe, const Candidate& source) {
  std::vector<float> x(kElements), g(kElements), moved(kElements);
  noises_.evaluate(source.noise, 0, x);
  for (std::size_t e = 0; e < kElements; ++e)
    g[e] = static_cast<float>(-2 * (source.latent[e] - target(e)));
  const double length = norm(x), slope = std::max(norm(g), 1e-30);
  for (std::size_t e = 0; e < kElements; ++e)
    moved[e] = static_cast<float>(x[e] + recipe.s * length * g[e] / slope);
  const double ratio = length / std::max(norm(moved), 1e-30);
  for (float& value : moved) value = static_cast<float>(value * ratio);
  noises_.set(recipe.id, moved);
}

const SearchBench::Candidate& SearchBench::known(std::uint64_t id, std::uint64_t wanted_by) const {
  const auto found = candidates_.find(id);
  if (found == candidates_.end())
    wrong("{} names candidate {}, which was never pushed, or forgotten", wanted_by, id);
  return found->second;
}

void SearchBench::check_recipe(const wn_candidate& r) const {
  if (r.struct_size < WN_SIZE(wn_candidate, pool))
    wrong("candidate {}: struct_size is {}", r.id, r.struct_size);
  if (r.id <= last_id_)
    wrong("candidate {} after candidate {}: ids must be above 0 and grow", r.id, last_id_);
  if (r.op > WN_CAND_RESCORE || r.profile > 1 || r.score > 1)
    wrong("candidate {}: operation {}, profile {}, score {}", r.id, r.op, r.profile, r.score);
  if (!(r.stop_time >= 0 && r.stop_time <= 1) || !std::isfinite(r.s) ||
      !std::isfinite(r.from_time) || !std::isfinite(r.stochasticity) ||
      (r.stochasticity < 0 && r.stochasticity != -1))
    wrong("candidate {}: stop_time {}, s {}, from_time {}, stochasticity {}", r.id, r.stop_time,
          r.s, r.from_time, r.stochasticity);
  if (r.op == WN_CAND_START) {
    if (r.parent) wrong("candidate {}: START takes no parent, found {}", r.id, r.parent);
  } else {
    const Candidate& parent = known(r.parent, r.id);
    if (r.op == WN_CAND_RESCORE) {
      if (!parent.told || parent.failed || !parent.scored)
        wrong("candidate {}: RESCORE of {}, which was told no score", r.id, r.parent);
      return;
    }
    const double from = r.op == WN_CAND_RENOISE ? r.from_time : parent.time;
    if (r.op == WN_CAND_RENOISE && !(from > parent.time && from <= 1))
      wrong("candidate {}: RENOISE to time {} from {}", r.id, from, parent.time);
    if (r.op == WN_CAND_JITTER && (!on_schedule(from) || from == 0))
      wrong("candidate {}: JITTER at time {}, where there is no noise scale", r.id, from);
    if (r.stop_time > from)
      wrong("candidate {}: stop time {} above its start {}", r.id, r.stop_time, from);
  }
  if (!r.noise && r.op != WN_CAND_CONTINUE) wrong("candidate {} needs a noise", r.id);
  if (r.noise && !noises_.has(r.noise))
    wrong("candidate {} names noise {}, which is not there", r.id, r.noise);
}

double SearchBench::price(const wn_candidate& r, double from) const {
  if (r.op == WN_CAND_RESCORE) return 0;
  const double steps =
      r.leg_steps && r.stop_time < from ? r.leg_steps : std::ceil((from - r.stop_time) * 10 - 1e-9);
  return steps + (r.score && r.stop_time > 0 ? 1 : 0);
}

// Parents may stand in the array; ids are provisional.
double SearchBench::cost(std::span<const wn_candidate* const> recipes) {
  std::map<std::uint64_t, double> stops;
  double total = 0;
  for (const wn_candidate* r : recipes) {
    const auto start = [&] {
      const auto mine = stops.find(r->parent);
      return mine != stops.end() ? mine->second : known(r->parent, r->id).time;
    };
    total += price(*r, r->op == WN_CAND_START     ? 1
                       : r->op == WN_CAND_RENOISE ? r->from_time
                                                  : start());
    stops[r->id] = r->stop_time;
  }
  return total;
}

void SearchBench::make(Candidate& made, const wn_candidate& r) {
  std::vector<float> z(kElements);
  if (r.noise && r.op != WN_CAND_CONTINUE) noises_.evaluate(r.noise, 0, z);
  if (r.op == WN_CAND_START) made.latent = z;
  const double keep = 1 - r.from_time;
  for (std::size_t e = 0; e < kElements; ++e) {
    const double x = made.latent[e];
    if (r.op == WN_CAND_RENOISE)
      made.latent[e] = static_cast<float>(keep * x + std::sqrt(1 - keep * keep) * z[e]);
    if (r.op == WN_CAND_JITTER) made.latent[e] = static_cast<float>(x + r.s * 0.1 * z[e]);
  }
  made.heads[0] = made.heads[1] = 0;
  for (std::size_t e = 0; e < kElements; ++e) {
    const double away = made.latent[e] - target(e);
    made.heads[0] -= away * away;
    made.heads[1] -= std::abs(made.latent[e] - target(e) * static_cast<double>(2 * (e % 3)));
  }
}

wn_status SearchBench::candidate(const wn_candidate& r) {
  check_recipe(r);
  if (in_ask_ == rules_.max_n) return WN_E_RESOURCE_EXHAUSTED;
  Candidate made;
  if (r.op != WN_CAND_START) made = known(r.parent, r.id);
  const bool parent_failed = made.failed;
  const double from = r.op == WN_CAND_START ? 1 : r.op == WN_CAND_RENOISE ? r.from_time : made.time;
  const double nfe = price(r, from);
  if (run_.spent + nfe > rules_.budget) return WN_BUDGET;
  made.told = false;
  made.nfe = nfe;
  if (r.op != WN_CAND_RESCORE) {
    made.original = r.id;
    if (r.noise) made.noise = r.noise;
    made.start = r.op == WN_CAND_START && r.leg_steps == 0 && r.stochasticity <= 0;
    made.time = r.stop_time;
    made.by_parent = parent_failed;
    made.failed = parent_failed || (rules_.fails && rules_.fails(run_.pushed));
    made.scored = r.score != WN_SCORE_NONE;
    make(made, r);
  }
  if (made.noise) noises_.retain(made.noise);
  log(fmt::format("candidate {} op {} of {} noise {} s {} {} > {} in {} steps, score {}, pool {}",
                  r.id, r.op, r.parent, r.noise, r.s, r.from_time, r.stop_time, r.leg_steps,
                  r.score, r.pool));
  candidates_[r.id] = std::move(made);
  round_.push_back(r.id);
  run_.spent += nfe;
  last_id_ = r.id;
  ++run_.pushed;
  ++in_ask_;
  return WN_OK;
}

void SearchBench::forget(std::span<const std::uint64_t> ids) {
  for (const std::uint64_t id : ids) {
    const Candidate& c = known(id, id);
    if (std::ranges::count(round_, id)) wrong("candidate {} is forgotten before it was told", id);
    if (c.noise && noises_.has(c.noise)) noises_.release(c.noise);
    candidates_.erase(id);
  }
}

// Ranked: the mean over the heads of how many of the round it beats; ties count half.
double SearchBench::told_score(std::uint64_t id) const {
  const Candidate& one = candidates_.at(id);
  if (!rules_.ranked) return one.heads[0];
  double sum = 0;
  for (const int head : {0, 1})
    for (const std::uint64_t other : round_) {
      const Candidate& c = candidates_.at(other);
      if (c.failed || !c.scored) continue;
      sum += c.heads[head] < one.heads[head] ? 1 : c.heads[head] == one.heads[head] ? 0.5 : 0;
    }
  return sum / 2;
}

void SearchBench::tell(const wn_search_1& table) {
  std::vector<std::vector<double>> scores;
  for (const std::uint64_t id : round_) {
    const Candidate& c = candidates_.at(id);
    scores.push_back({told_score(id), c.heads[0], c.heads[1]});
  }
  std::vector<wn_result> results;
  std::vector<const wn_result*> pointers;
  for (std::size_t i = 0; i < round_.size(); ++i) {
    Candidate& c = candidates_.at(round_[i]);
    wn_result result{};
    result.struct_size = WN_SIZE(wn_result, seconds);
    result.candidate = round_[i];
    result.status = c.failed ? WN_E_INTERNAL : WN_OK;
    if (!c.failed && c.scored) {
      result.n_scores = problem_.n_scores;
      result.scores = scores[i].data();
    }
    if (c.by_parent) run_.spent -= std::exchange(c.nfe, 0);
    result.nfe = c.nfe;
    c.told = true;
    run_.failed += c.failed;
    if (!c.failed && c.scored && c.time == 0) run_.best_told = std::max(run_.best_told, c.heads[0]);
    results.push_back(result);
    log(fmt::format("told {} status {} score {}", round_[i], result.status, scores[i][0]));
  }
  for (const wn_result& result : results) pointers.push_back(&result);
  instance_.bench().stage("telling {} results", results.size());
  Call call(instance_.bench(), instance_.services(), "tell");
  call.must(table.tell(instance_.get(), call.table(), pointers.data(), pointers.size()));
  round_.clear();
  ++run_.rounds;
}

void SearchBench::name_best(const wn_search_1& table) {
  std::uint64_t ids[2] = {0, ~std::uint64_t{0}}, n = 0;
  instance_.bench().stage("asking for the best");
  if (const wn_status status = table.best(instance_.get(), 1, ids, &n); status != WN_OK)
    fail("best failed with status {}", status);
  if (n > 1 || ids[1] != ~std::uint64_t{0}) fail("best names {} candidates, asked for 1", n);
  if (n == 0) return;
  const auto found = candidates_.find(ids[0]);
  if (found == candidates_.end())
    fail("best names candidate {}, which was never pushed, or forgotten", ids[0]);
  run_.best = ids[0];
  run_.best_failed = found->second.failed;
  run_.best_finished = found->second.time == 0 && found->second.scored;
  run_.best_score = found->second.heads[0];
}

SearchRun SearchBench::run() {
  run_.best_told = run_.best_score = kNone;
  Bench& bench = instance_.bench();
  const auto& table = instance_.table<wn_search_1>(WN_SEARCH_1);
  {
    bench.stage("beginning a search");
    Call call(bench, instance_.services(), "begin");
    if (call.over(table.begin(instance_.get(), call.table(), &problem_)) != WN_OK) {
      run_.gave_up = printable(call.text());
      return run_;
    }
  }
  std::size_t idle = 0;
  while (!run_.done && run_.rounds < rules_.most_rounds) {
    in_ask_ = 0;
    bench.stage("asking in round {}", run_.rounds);
    Call call(bench, instance_.services(), "ask");
    const wn_status status = table.ask(instance_.get(), call.table(), rules_.max_n, &proposals_);
    if (!mistake_.empty()) fail("{}", mistake_);
    if (bench.stop().load() != WN_OK) throw Cancelled{};
    idle = in_ask_ ? 0 : idle + 1;
    if (idle > 1000)
      fail("1000 asks in a row propose nothing and do not end: budget {}, left {}", rules_.budget,
           rules_.budget - run_.spent);
    if (status == WN_OK) continue;
    if (status != WN_WAIT && status != WN_DONE) {
      call.over(status);
      run_.gave_up = printable(call.text());
      return run_;
    }
    run_.done = status == WN_DONE;
    if (!round_.empty() || !run_.done) tell(table);
  }
  if (run_.done) name_best(table);
  return run_;
}

SearchRun run_search(Bench& bench, SearchRules rules) {
  Instance instance(bench);
  return SearchBench(instance, std::move(rules)).run();
}

std::string use_search(Instance& instance) {
  const SearchRun run = SearchBench(instance, {}).run();
  if (!run.gave_up.empty()) fail("the search gave up: {}", run.gave_up);
  return run.log;
}

}  // namespace winnow::validator

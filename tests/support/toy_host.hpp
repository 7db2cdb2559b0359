// toy_host.hpp: a host of one task with a closed-form sampler and verifiers, to drive searches.
//
// Latents are noise(0) of the real noise graph; a sampler that changes nothing; the score is minus
// the squared distance to a fixed point (ranked: the mean rank of that and of minus a distance to
// another point). It is strict: ids that do not grow, parents that were
// forgotten, budgets and max_n that are passed, all end the test by an exception.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "host/noise.hpp"
#include "host/noise_graph.hpp"
#include "winnow/winnow.h"

namespace winnow::test {

using ToyOptions =
    std::map<std::string, std::variant<std::int64_t, double, std::string, std::vector<double>>>;

struct ToyRules {
  std::uint64_t max_n = 16;
  double budget = 200;  // NFE; a full path costs 10, a preview 1
  bool ranked = false;  // mean rank of two verifiers within a pool
  std::uint64_t seed = 7;
  std::function<bool(std::uint64_t ordinal)> fails = {};  // the k-th candidate, from 0
};

class ToyHost {
 public:
  static constexpr std::uint64_t kElements = 8;

  ToyHost(const wn_plugin_1& plugin, ToyOptions options, ToyRules rules);
  ~ToyHost();
  ToyHost(const ToyHost&) = delete;

  // Until DONE, or until the plugin fails (see error()). Returns what best() named, 0 for nothing.
  std::uint64_t run();

  // Everything that was pushed and told, one line each: equal logs are equal searches.
  std::vector<std::string> log;
  std::vector<std::size_t> rounds;                          // their sizes
  std::vector<std::pair<std::uint64_t, double>> last_told;  // the last round: original, scores[0]
  double spent = 0;
  std::size_t most_alive = 0;  // candidates not forgotten, at the worst moment
  std::string error() const { return error_; }
  std::size_t alive() const { return candidates_.size(); }
  std::size_t noises_alive() const { return noises_.size(); }
  std::size_t pushed() const { return n_pushed_; }
  // What the first toy verifier, and both together, give this candidate.
  double quality(std::uint64_t id) const { return candidates_.at(id).quality[0]; }
  double sum(std::uint64_t id) const { return quality(id) + candidates_.at(id).quality[1]; }
  double best_quality = -std::numeric_limits<double>::infinity();  // of finished candidates, ever
  double time_of(std::uint64_t id) const { return candidates_.at(id).time; }

 private:
  struct Latent {
    std::vector<float> x;
    std::uint64_t noise = 0;
    double time = 1;
    bool failed = false, scored = false;
    double quality[2] = {0, 0};
  };
  struct Told {
    std::uint64_t id, original;
    bool ok, scored;
    std::uint64_t pool;
    double quality[2];
    double nfe;
  };

  wn_status push_noise(const wn_noise_recipe& recipe);
  wn_status push_candidate(const wn_candidate& recipe);
  double price(const wn_candidate& recipe, double from) const;
  double start_of(const wn_candidate& recipe) const;
  std::vector<float> noise(std::uint64_t id);
  void judge(Latent& latent) const;
  void tell(wn_search_1 const& table);
  static double mean_rank(const Told& one, const std::vector<Told>& pool);
  void check(wn_status status, const char* what);

  const wn_plugin_1& plugin_;
  ToyRules rules_;
  NoiseGraph noises_{kElements};
  std::map<std::uint64_t, Latent> candidates_;
  std::vector<Told> round_;
  std::uint64_t last_id_ = 0, n_pushed_ = 0, in_ask_ = 0;
  std::string error_;
  std::vector<double> times_, costs_, scales_;
  wn_condition condition_{};
  wn_problem problem_{};
  wn_errors errors_{};
  wn_call call_{};
  wn_host host_{};
  wn_host_noise_1 noise_table_{};
  wn_proposals proposals_{};
  wn_instance* instance_ = nullptr;
};

// ---- implementation (a header, because only a few test files use it) ----------------------------

inline ToyHost::ToyHost(const wn_plugin_1& plugin, ToyOptions options, ToyRules rules)
    : plugin_(plugin), rules_(std::move(rules)) {
  constexpr int kSteps = 10;
  for (int k = 0; k <= kSteps; ++k) times_.push_back(1 - k / double{kSteps});
  costs_.assign(kSteps, 1.0);
  scales_.assign(kSteps, 0.1);

  condition_.struct_size = WN_SIZE(wn_condition, tensors);
  condition_.class_id = -1;
  problem_.struct_size = WN_SIZE(wn_problem, condition);
  problem_.n_scores = rules_.ranked ? 3 : 2;
  problem_.seed = rules_.seed;
  problem_.budget_nfe = rules_.budget;
  problem_.latent_shape[0] = kElements;
  problem_.latent_ndim = 1;
  problem_.selection_flags = rules_.ranked ? WN_F_RANKED : 0;
  problem_.max_n = rules_.max_n;
  for (int p = 0; p < 2; ++p) {
    problem_.n_steps[p] = kSteps;
    problem_.times[p] = times_.data();
    problem_.nfe[p] = costs_.data();
    problem_.noise_scale[p] = scales_.data();
    problem_.preview_nfe[p] = 1;
  }
  problem_.condition = &condition_;

  errors_ = {WN_SIZE(wn_errors, set_item), 0, this,
             [](void* ctx, wn_status, const char* text, std::uint64_t size) {
               static_cast<ToyHost*>(ctx)->error_.assign(text, size);
             },
             nullptr};
  call_.struct_size = WN_SIZE(wn_call, memory_budget);
  call_.errors = &errors_;
  call_.device = {1, 0};
  noise_table_.uniform_u32 = [](const wn_host*, const wn_noise_addr* at, std::uint32_t position,
                                std::uint64_t first, std::uint64_t n, std::uint32_t* out) {
    fill_uniform({at->seed, at->stream, at->domain}, position, first, {out, n});
    return wn_status{WN_OK};
  };
  host_ = {WN_SIZE(wn_host, get_interface), 0, this, [](const wn_host* host, const char* id) {
             const auto* self = static_cast<ToyHost*>(host->ctx);
             return std::string(id) == WN_HOST_NOISE_1
                        ? static_cast<const void*>(&self->noise_table_)
                        : nullptr;
           }};
  proposals_ = {WN_SIZE(wn_proposals, forget),
                0,
                this,
                [](void* ctx, const wn_noise_recipe* recipe) {
                  return static_cast<ToyHost*>(ctx)->push_noise(*recipe);
                },
                [](void* ctx, const wn_candidate* recipe) {
                  return static_cast<ToyHost*>(ctx)->push_candidate(*recipe);
                },
                [](void* ctx, const wn_candidate* const* recipes, std::uint64_t n, double* nfe) {
                  const auto& self = *static_cast<ToyHost*>(ctx);
                  std::map<std::uint64_t, double> stops;
                  *nfe = 0;
                  for (std::uint64_t i = 0; i < n; ++i) {
                    const wn_candidate& r = *recipes[i];
                    const double from = r.op == WN_CAND_START     ? 1
                                        : r.op == WN_CAND_RENOISE ? r.from_time
                                        : stops.contains(r.parent)
                                            ? stops.at(r.parent)
                                            : self.candidates_.at(r.parent).time;
                    *nfe += self.price(r, from);
                    stops[r.id] = r.stop_time;
                  }
                  return wn_status{WN_OK};
                },
                [](void* ctx) {
                  const auto& self = *static_cast<ToyHost*>(ctx);
                  return self.rules_.budget - self.spent;
                },
                [](void* ctx, const std::uint64_t* ids, std::uint64_t n) {
                  auto& self = *static_cast<ToyHost*>(ctx);
                  for (std::uint64_t i = 0; i < n; ++i) {
                    const auto found = self.candidates_.find(ids[i]);
                    if (found == self.candidates_.end()) throw std::logic_error("forgotten twice");
                    for (const Told& told : self.round_)
                      if (told.id == ids[i]) throw std::logic_error("forgotten before it was told");
                    if (found->second.noise != 0) self.noises_.release(found->second.noise);
                    self.candidates_.erase(found);
                  }
                  return wn_status{WN_OK};
                }};

  std::vector<wn_option> values;
  for (const auto& [key, value] : options) {
    wn_option option{};
    option.struct_size = WN_SIZE(wn_option, list_len);
    option.key = {key.c_str(), key.size()};
    if (const auto* i = std::get_if<std::int64_t>(&value)) {
      option.type = WN_OPT_I64;
      option.i = *i;
    } else if (const auto* f = std::get_if<double>(&value)) {
      option.type = WN_OPT_F64;
      option.f = *f;
    } else if (const auto* list = std::get_if<std::vector<double>>(&value)) {
      option.type = WN_OPT_F64_LIST;
      option.list = list->data();
      option.list_len = list->size();
    } else {
      option.type = WN_OPT_STR;
      option.s = {std::get<std::string>(value).c_str(), std::get<std::string>(value).size()};
    }
    values.push_back(option);
  }
  std::vector<const wn_option*> pointers;
  for (const wn_option& value : values) pointers.push_back(&value);
  check(plugin_.create(&host_, pointers.data(), pointers.size(), &call_, &instance_), "create");
}

inline ToyHost::~ToyHost() {
  if (instance_) plugin_.destroy(instance_);
}

inline void ToyHost::check(wn_status status, const char* what) {
  if (status != WN_OK) throw std::runtime_error(std::string(what) + ": " + error_);
}

inline std::uint64_t ToyHost::run() {
  const auto& table = *static_cast<const wn_search_1*>(plugin_.get_interface(WN_SEARCH_1));
  check(table.begin(instance_, &call_, &problem_), "begin");
  for (bool last = false; !last;) {
    in_ask_ = 0;
    const wn_status status = table.ask(instance_, &call_, rules_.max_n, &proposals_);
    if (status == WN_OK) continue;
    if (status != WN_WAIT && status != WN_DONE) return 0;
    last = status == WN_DONE;
    tell(table);
  }
  std::uint64_t id = 0, n = 0;
  check(table.best(instance_, 1, &id, &n), "best");
  return n == 0 ? 0 : id;
}

inline wn_status ToyHost::push_noise(const wn_noise_recipe& recipe) {
  std::string line = "noise " + std::to_string(recipe.id) + " op " + std::to_string(recipe.op) +
                     " at " + std::to_string(recipe.addr.stream) + "/" +
                     std::to_string(recipe.addr.domain) + " of " + std::to_string(recipe.parent);
  for (std::uint64_t i = 0; i < recipe.n_parents; ++i)
    line += " " + std::to_string(recipe.parents[i]);
  log.push_back(line);
  noises_.push(recipe);
  return WN_OK;
}

inline double ToyHost::start_of(const wn_candidate& recipe) const {
  if (recipe.op == WN_CAND_START) return 1;
  return recipe.op == WN_CAND_RENOISE ? recipe.from_time : candidates_.at(recipe.parent).time;
}

inline double ToyHost::price(const wn_candidate& recipe, double from) const {
  if (recipe.op == WN_CAND_RESCORE) return 0;
  const double steps =
      recipe.leg_steps ? recipe.leg_steps : std::ceil((from - recipe.stop_time) * 10 - 1e-9);
  return steps + (recipe.score && recipe.stop_time > 0 ? 1 : 0);
}

inline std::vector<float> ToyHost::noise(std::uint64_t id) {
  std::vector<float> out(kElements);
  noises_.evaluate(id, 0, out);
  return out;
}

inline void ToyHost::judge(Latent& latent) const {
  double distance = 0, spread = 0;
  for (std::size_t e = 0; e < kElements; ++e) {
    const double x = latent.x[e], target = e % 2 ? 0.75 : -0.5;
    distance += (x - target) * (x - target);
    spread += std::abs(x - target * static_cast<double>(2 * (e % 3)));
  }
  latent.quality[0] = -distance;
  latent.quality[1] = -spread;
}

inline wn_status ToyHost::push_candidate(const wn_candidate& r) {
  if (in_ask_ == rules_.max_n) return WN_E_RESOURCE_EXHAUSTED;
  if (r.id <= last_id_) throw std::logic_error("ids must grow");
  if (r.op != WN_CAND_START && !candidates_.contains(r.parent))
    throw std::logic_error("unknown or forgotten parent " + std::to_string(r.parent));
  const double nfe = price(r, start_of(r));
  if (spent + nfe > rules_.budget) return WN_BUDGET;

  Latent latent;
  if (r.op != WN_CAND_START) latent = candidates_.at(r.parent);
  const Latent parent = latent;
  latent.noise = r.noise;
  latent.time = r.stop_time;
  const double keep = 1 - r.from_time;
  if (r.noise && r.op != WN_CAND_CONTINUE) {
    const std::vector<float> z = noise(r.noise);
    if (r.op == WN_CAND_START) latent.x = z;
    for (std::size_t e = 0; e < kElements; ++e) {
      const double x = latent.x[e];
      if (r.op == WN_CAND_RENOISE)
        latent.x[e] = static_cast<float>(keep * x + std::sqrt(1 - keep * keep) * z[e]);
      if (r.op == WN_CAND_JITTER) latent.x[e] = static_cast<float>(x + r.s * 0.1 * z[e]);
    }
  }
  if (r.op == WN_CAND_RESCORE) {
    if (parent.failed || !parent.scored) throw std::logic_error("RESCORE of an unscored candidate");
  } else {
    latent.failed = parent.failed || (rules_.fails && rules_.fails(n_pushed_));
    latent.scored = r.score != WN_SCORE_NONE;
    judge(latent);
    if (!latent.failed && latent.scored && latent.time == 0)
      best_quality = std::max(best_quality, latent.quality[0]);
  }
  if (r.noise) noises_.retain(r.noise);
  log.push_back("candidate " + std::to_string(r.id) + " op " + std::to_string(r.op) + " of " +
                std::to_string(r.parent) + " noise " + std::to_string(r.noise) + " " +
                std::to_string(r.from_time) + " > " + std::to_string(r.stop_time));
  round_.push_back({r.id,
                    r.op == WN_CAND_RESCORE ? r.parent : r.id,
                    !latent.failed,
                    latent.scored,
                    r.pool,
                    {latent.quality[0], latent.quality[1]},
                    parent.failed ? 0 : nfe});
  candidates_[r.id] = std::move(latent);
  most_alive = std::max(most_alive, candidates_.size());
  spent += nfe;
  last_id_ = r.id;
  ++n_pushed_;
  ++in_ask_;
  return WN_OK;
}

// Highest is best; ties share the mean of their ranks.
inline double ToyHost::mean_rank(const Told& one, const std::vector<Told>& pool) {
  double sum = 0;
  for (int v = 0; v < 2; ++v)
    for (const Told& other : pool) {
      if (!other.ok || !other.scored || other.pool != one.pool) continue;
      sum += other.quality[v] < one.quality[v] ? 1 : other.quality[v] == one.quality[v] ? 0.5 : 0;
    }
  return sum / 2;
}

inline void ToyHost::tell(const wn_search_1& table) {
  rounds.push_back(round_.size());
  last_told.clear();
  std::vector<std::vector<double>> scores;
  for (const Told& told : round_)
    scores.push_back({rules_.ranked ? mean_rank(told, round_) : told.quality[0], told.quality[0],
                      told.quality[1]});
  std::vector<wn_result> results;
  for (std::size_t i = 0; i < round_.size(); ++i) {
    wn_result result{};
    result.struct_size = WN_SIZE(wn_result, seconds);
    result.candidate = round_[i].id;
    result.status = round_[i].ok ? WN_OK : WN_E_INTERNAL;
    if (round_[i].ok && round_[i].scored) {
      result.n_scores = problem_.n_scores;
      result.scores = scores[i].data();
    }
    result.nfe = round_[i].nfe;
    last_told.emplace_back(round_[i].original, scores[i][0]);
    results.push_back(result);
  }
  std::vector<const wn_result*> pointers;
  for (const wn_result& result : results) pointers.push_back(&result);
  round_.clear();
  check(table.tell(instance_, &call_, pointers.data(), pointers.size()), "tell");
}

}  // namespace winnow::test

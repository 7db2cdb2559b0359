// stepwise.hpp: what searches share that judge and branch on the way from noise to data.
//
// Stops are steps of the sampler's search schedule: 0 is pure noise, steps() is data. Branches of
// one parent differ by the noise of the steps that follow, so they need a stochastic sampler, or
// the option stochasticity above 0. -1 asks for the deterministic solver on purpose: then a parent
// has one child, however many are wanted, and nothing is paid for copies.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "particles.hpp"
#include "winnow/winnow.hpp"

namespace winnow::searches {

[[noreturn]] inline void refuse(const std::string& why) {
  throw wn::Error(WN_E_INVALID_ARGUMENT, why);
}

// Indices, best score first; equal ones in their order.
inline std::vector<std::size_t> best_first(const std::vector<double>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  return order;
}

// The n best that did not fail, in the order in which they were proposed.
inline std::vector<wn::Candidate> best_of(const std::vector<wn::Candidate>& from,
                                          const std::vector<double>& scores, std::size_t n) {
  std::vector<std::size_t> chosen = best_first(scores);
  std::erase_if(chosen, [&](std::size_t i) { return from[i].failed(); });
  chosen.resize(std::min(n, chosen.size()));
  std::sort(chosen.begin(), chosen.end());
  std::vector<wn::Candidate> out;
  for (const std::size_t i : chosen) out.push_back(from[i]);
  return out;
}

// The largest n whose total(n), which rises with n, fits into `left`; 0: not even 1.
template <class Total>
std::size_t largest(const Total& total, double left) {
  constexpr std::size_t kMost = 1u << 20;
  const auto fits = [&](std::size_t n) { return total(n) <= left + 1e-9; };
  std::size_t low = 0, high = 1;
  while (high < kMost && fits(high)) low = high, high *= 2;
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

class Stepwise : public wn::Search {
 protected:
  explicit Stepwise(double stochasticity = 0) : stochasticity_(stochasticity) {
    if (stochasticity < 0 && stochasticity != -1)
      refuse("stochasticity is " + std::to_string(stochasticity) +
             ", expected 0 or more, or -1 for the deterministic solver");
  }

  // ---- for prepare()

  void need_noise() const {
    const bool draws = (problem().sampler_flags & WN_F_STOCHASTIC) != 0;
    if (!draws && stochasticity_ == 0)
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      "the sampler draws no noise on the way, so branches would be copies; take a "
                      "stochastic solver or search.stochasticity = 1 (-1: copies are wanted)");
  }
  void need_magnitudes(const char* why) const {
    if (ranked())
      throw wn::Error(WN_E_FAILED_PRECONDITION,
                      std::string(why) +
                          " needs scores on a fixed scale, but selection.rule judges within a "
                          "pool; take \"weighted-sum\"");
  }
  void need_budget(const char* option) const {
    if (!std::isfinite(problem().budget_nfe))
      refuse(std::string(option) + " = 0 means as many as the budget allows: give budget.nfe");
  }

  // ---- the way

  std::size_t steps() const { return times().size() - 1; }
  bool deterministic() const {
    return stochasticity_ < 0 ||
           (stochasticity_ == 0 && (problem().sampler_flags & WN_F_STOCHASTIC) == 0);
  }
  wn::Until until(std::size_t stop, bool scored = true) const {
    return {.time = times()[stop], .scored = scored, .stochasticity = stochasticity_};
  }
  // `share` of the steps, but never the first nor the last place.
  std::size_t stop_at(double share) const {
    const double stop = std::round(share * static_cast<double>(steps()));
    return static_cast<std::size_t>(
        std::clamp(stop, 1.0, std::max(1.0, static_cast<double>(steps()) - 1)));
  }
  // The steps at these shares, each once, and the end.
  std::vector<std::size_t> stops_at(const std::vector<double>& shares) const {
    std::vector<std::size_t> stops;
    for (const double share : shares)
      if (stops.empty() || stop_at(share) > stops.back()) stops.push_back(stop_at(share));
    if (stops.empty() || stops.back() < steps()) stops.push_back(steps());
    return stops;
  }
  // Every `every` steps from 0 on, and the end.
  std::vector<std::size_t> every(std::size_t every) const {
    std::vector<std::size_t> stops;
    for (std::size_t stop = every; stop < steps(); stop += every) stops.push_back(stop);
    stops.push_back(steps());
    return stops;
  }

  // How many branches from this stop can differ: the step to data draws no noise, or (EDM's churn)
  // so little that it is not branched.
  std::size_t distinct(std::size_t stop, std::size_t wanted) const {
    return deterministic() || stop + 1 >= steps() ? std::min<std::size_t>(wanted, 1) : wanted;
  }
  // The k-th child: the first goes on with its parent's noise, as if it had not stopped.
  wn::Candidate branch(const wn::Candidate& parent, std::size_t k, const wn::Until& until) {
    return k == 0 ? continue_(parent, until) : continue_(parent, fresh(), until);
  }
  // parents[i] for each i of `lineage`, from `stop` on. Copies that cannot differ are one
  // candidate, also where `parents` names one twice.
  Candidates branches(const Candidates& parents, const std::vector<std::size_t>& lineage,
                      std::size_t stop, const wn::Until& until) {
    Candidates out;
    std::map<std::size_t, std::pair<std::size_t, wn::Candidate>> made;  // of each parent
    for (const std::size_t i : lineage) {
      const auto first = std::find(parents.begin(), parents.end(), parents[i]);
      auto& [n, last] = made[static_cast<std::size_t>(first - parents.begin())];
      if (n == 0 || distinct(stop, 2) > 1) last = branch(parents[i], n++, until);
      out.push_back(last);
    }
    return out;
  }

  // ---- prices, in NFE

  // What one child costs from each stop to the next, the first from pure noise; all are judged,
  // with a look-ahead by what look() makes of them, or (`judged` false) the sample alone.
  std::vector<double> prices(const std::vector<std::size_t>& stops, std::uint32_t look_ahead = 0,
                             bool judged = true) {
    const wn::Noise any = values({});  // never pushed
    std::vector<double> out;
    Candidates all;
    wn::Candidate last;
    double before = 0;
    for (const std::size_t stop : stops) {
      const wn::Until to = until(stop, stop == steps() || (judged && look_ahead == 0));
      last = last ? continue_(last, to) : start(any, to);
      all.push_back(judged && !to.scored ? look(last, look_ahead) : last);
      const double now = cost(all);
      out.push_back(now - before);
      before = now;
    }
    return out;
  }
  // The sample to which the deterministic solver takes it in n steps.
  wn::Candidate look(const wn::Candidate& from, std::uint32_t n) {
    return continue_(from, {.time = 0, .steps = n, .stochasticity = -1});
  }

  // Whether the budget fell since the last call: rounds that cost nothing would never end.
  bool paid() {
    const double before = std::exchange(left_, left());
    return left_ != before || !std::isfinite(left_);
  }

  // ---- choosing

  // The best of scores[first .. first + n), or one drawn with weights exp(score / temperature).
  std::size_t pick(const Scores& scores, std::size_t first, std::size_t n, double temperature) {
    const std::vector<double> mine(scores.begin() + static_cast<std::ptrdiff_t>(first),
                                   scores.begin() + static_cast<std::ptrdiff_t>(first + n));
    if (temperature <= 0 || !(*std::max_element(mine.begin(), mine.end()) > -particles::kInfinity))
      return first + best_first(mine).front();
    std::vector<double> log_weights;
    for (const double score : mine) log_weights.push_back(score / temperature);
    return first + particles::draw(particles::normalised(log_weights), uniform());
  }
  particles::Uniform uniforms() {
    return [this] { return uniform(); };
  }

 private:
  double stochasticity_, left_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace winnow::searches

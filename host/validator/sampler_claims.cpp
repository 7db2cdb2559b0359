// sampler_claims.cpp: what samplers say of themselves, proved or refuted, and the interfaces that
// only some have.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/text.hpp"
#include "host/validator/sampler_bench.hpp"

namespace winnow::validator {
namespace {

// Kernels of networks round differently with the size of the batch, and steps make more of it.
constexpr double kTolerance = 1e-2;

std::size_t differing(std::span<const float> a, std::span<const float> b, double tolerance) {
  for (std::size_t e = 0; e < a.size(); ++e)
    if (!(std::abs(a[e] - b[e]) <= tolerance * (1 + std::abs(a[e])))) return e;
  return a.size();
}

void claims_agree(Bench& bench) {
  Instance instance(bench);
  expect_claims(bench, SamplerBench(instance).info().flags);
}

// Each item alone, and with others in any order.
void neighbours(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  const std::size_t n = sampler.at_most(4), size = sampler.sample_size();
  if (n < 2) skip("it takes one item at a time");
  const double tolerance = sampler.has(WN_F_BATCH_INVARIANT) ? 0 : kTolerance;
  std::vector<std::uint64_t> noises(n);
  std::iota(noises.begin(), noises.end(), 21);
  Items all = sampler.items(noises);
  const auto together = sampler.path(all, 2);
  const auto check = [&](const std::vector<std::size_t>& order, const char* how) {
    std::vector<std::uint64_t> some;
    for (const std::size_t i : order) some.push_back(noises[i]);
    Items items = sampler.items(some);
    const auto samples = sampler.path(items, 2);
    for (std::size_t k = 0; k < order.size(); ++k) {
      const auto here = std::span<const float>(samples).subspan(k * size, size);
      const auto there = std::span<const float>(together).subspan(order[k] * size, size);
      if (const std::size_t e = differing(there, here, tolerance); e < size)
        fail("an item {} has {:.9g} where in the batch it has {:.9g}{}", how, here[e], there[e],
             tolerance > 0 ? "" : "; it claims to be batch invariant");
    }
  };
  for (std::size_t i = 0; i < n; ++i) check({i}, "alone");
  std::vector<std::size_t> order(n);
  std::iota(order.rbegin(), order.rend(), 0);
  check(order, "in another order");
}

void mixed_times(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  if (!sampler.has(WN_F_MIXED_TIMES) || sampler.at_most(2) < 2) skip("it does not mix times");
  const double tolerance = sampler.has(WN_F_BATCH_INVARIANT) ? 0 : kTolerance;
  const Steps leg = sampler.must_leg(1, 0, 0, 3);
  Items both = sampler.items({31, 32});
  sampler.init(both);
  Items ahead = sampler.chosen(both, {1});
  sampler.set_times(ahead, leg.times[0], leg.times[1], 1);
  sampler.step(ahead);
  const std::size_t size = sampler.latent_size();
  std::ranges::copy(ahead.latents, both.latents.begin() + static_cast<std::ptrdiff_t>(size));
  std::ranges::copy(ahead.carry,
                    both.carry.begin() + static_cast<std::ptrdiff_t>(ahead.carry.size()));
  both.has_eval[1] = ahead.has_eval[0];
  for (const std::size_t i : {0, 1}) {
    both.from[i] = leg.times[i];
    both.to[i] = leg.times[i + 1];
    both.position[i] = static_cast<std::uint32_t>(i + 1);
  }
  Items alone[2] = {sampler.chosen(both, {0}), sampler.chosen(both, {1})};
  bench.stage("stepping two items that stand at different times");
  sampler.step(both);
  for (const std::size_t i : {0, 1}) {
    sampler.step(alone[i]);
    const auto mixed = std::span<const float>(both.latents).subspan(i * size, size);
    if (const std::size_t e = differing(alone[i].latents, mixed, tolerance); e < size)
      fail("beside an item at another time one gets {:.9g} where alone it gets {:.9g}", mixed[e],
           alone[i].latents[e]);
  }
}

void renoise(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  if (!bench.provides(WN_SAMPLER_RENOISE_1)) skip("it has no renoise");
  Items items = sampler.items({41});
  sampler.path(items, 3);
  Items one = items, same = items, other = items;
  other.noise[0] = 42;
  sampler.forget_draws();
  bench.stage("noising a sample forward, from time 0 to 0.5");
  for (Items* each : {&one, &same, &other}) {
    sampler.set_times(*each, 0, 0.5, 0);
    sampler.renoise(*each);
    if (each->has_eval[0]) fail("renoise left has_eval set, expected it cleared");
  }
  for (const auto& [noise, position] : sampler.draws())
    if (position != 0) fail("renoise drew the noise of position {}, expected 0", position);
  if (sampler.has(WN_F_DETERMINISTIC) && !same_bits(one.latents, same.latents))
    fail("the same noise gives another latent");
  if (same_bits(one.latents, other.latents)) fail("another noise gives the same latent");
  if (same_bits(one.latents, items.latents)) fail("renoise changed nothing");
  sampler.set_times(one, 0.5, 0, 1);
  sampler.step(one);
}

// Along the gradient itself, by whole paths.
void gradient(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  if (!bench.provides(WN_SAMPLER_VJP_1)) skip("it has no vjp");
  if (sampler.info().n_steps > 100) skip("a path of {} steps is too long", sampler.info().n_steps);
  Items start = sampler.items({51});
  std::ranges::fill(start.stochasticity, -1.0);
  sampler.init(start);
  sampler.set_times(start, 1, 0, 0);
  std::vector<float> weights(sampler.sample_size());
  for (float& weight : weights) weight = static_cast<float>(2 * bench.uniform() - 1);
  bench.stage("taking the gradient through a path");
  Items items = start;
  const auto g = sampler.vjp(items, weights);
  if (!items.failures[0].empty()) fail("vjp failed: {}", items.failures[0]);
  double length = 0;
  for (const float x : g) length += static_cast<double>(x) * x;
  length = std::sqrt(length);
  if (length < 1e-6) skip("the gradient is too small to be compared: {}", length);
  const auto value = [&](double h) {
    Items moved = start;
    for (std::size_t e = 0; e < g.size(); ++e)
      moved.latents[e] += static_cast<float>(h * g[e] / length);
    const Steps leg = sampler.must_leg(1, 0, -1, 0);
    for (std::uint32_t k = 0; k + 1 < leg.times.size(); ++k) {
      sampler.set_times(moved, leg.times[k], leg.times[k + 1], k + 1);
      sampler.step(moved);
    }
    const auto sample = sampler.decode(moved);
    double sum = 0;
    for (std::size_t e = 0; e < sample.size(); ++e) sum += double{sample[e]} * weights[e];
    return sum;
  };
  double best = std::numeric_limits<double>::infinity(), found = 0;
  for (const double h : {0.3, 0.1, 0.03}) {
    const double slope = (value(h) - value(-h)) / (2 * h), error = std::abs(slope / length - 1);
    if (error < best) best = error, found = slope;
    if (best < 0.02) break;
  }
  if (best > 0.1)
    fail("along the gradient the sample's product rises by {:.6g}, the gradient's length is {:.6g}",
         found, length);
}

constexpr Test kTests[] = {
    {"sampler-claims-agree", 3, kSampler, "Claims of the manifest are the flags of info.",
     claims_agree, Needs::kInstance},
    {"sampler-neighbours", 4, kSampler,
     "An item's sample does not depend on its neighbours; to the bit, if that is claimed.",
     neighbours},
    {"sampler-mixed-times", 4, kSampler,
     "Who claims it steps items at different times as it does alone.", mixed_times},
    {"sampler-renoise", 4, kSampler,
     "Forward noising draws position 0, changes the latent, and the way back is finite.", renoise},
    {"sampler-gradient", 6, kSampler, "The gradient through a path agrees with finite differences.",
     gradient},
};

}  // namespace

Tests sampler_claims() { return kTests; }

}  // namespace winnow::validator

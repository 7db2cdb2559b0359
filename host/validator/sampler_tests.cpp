// sampler_tests.cpp: what every sampler owes: a sane description, legs with exact prices, finite
// samples that are functions of their noise.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/validator/sampler_bench.hpp"

namespace winnow::validator {
namespace {

bool is_cost(double number) { return number >= 0 && std::isfinite(number); }

void check_schedule(const wn_sampler_info& info, std::uint32_t profile) {
  const char* name = profile == WN_PROFILE_FINAL ? "final" : "search";
  if (info.times[0] != 1 || info.times[info.n_steps] != 0)
    fail("the {} schedule goes from {} to {}, expected 1 to 0", name, info.times[0],
         info.times[info.n_steps]);
  for (std::uint32_t k = 0; k < info.n_steps; ++k) {
    if (!(info.times[k] > info.times[k + 1]))
      fail("the {} schedule does not fall at step {}: {}, {}", name, k, info.times[k],
           info.times[k + 1]);
    if (info.noise_scale && !is_cost(info.noise_scale[k]))
      fail("the noise scale of step {} is {}", k, info.noise_scale[k]);
  }
  for (const double cost : {info.preview_nfe, info.preview_credit, info.backward_nfe,
                            info.network_passes, info.vjp_forward_nfe, info.flops})
    if (!is_cost(cost)) fail("a cost in info is {}, expected a finite number of at least 0", cost);
}

void info_sane(Bench& bench) {
  Instance instance(bench);
  const SamplerBench sampler(instance);
  for (const std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH})
    check_schedule(sampler.info(profile), profile);
  const wn_sampler_info &final = sampler.info(WN_PROFILE_FINAL), &search = sampler.info();
  if (!std::equal(final.latent_shape, final.latent_shape + 6, search.latent_shape) ||
      !std::equal(final.sample_shape, final.sample_shape + 6, search.sample_shape) ||
      final.carry_elems != search.carry_elems)
    fail("the two profiles differ in shapes");
  constexpr std::uint32_t kFlags = WN_F_STOCHASTIC | WN_F_MIXED_TIMES | WN_F_RENOISE | WN_F_VJP |
                                   WN_F_PREVIEW_VJP | WN_F_BATCH_INVARIANT | WN_F_DETERMINISTIC |
                                   WN_F_REENTRANT;
  if (search.flags & ~kFlags)
    fail("info has the flags {:#x}, of which {:#x} mean nothing for a sampler", search.flags,
         search.flags & ~kFlags);
  const struct {
    std::uint32_t flag;
    const char* interface;
  } pairs[] = {{WN_F_RENOISE, WN_SAMPLER_RENOISE_1}, {WN_F_VJP, WN_SAMPLER_VJP_1}};
  for (const auto& [flag, interface] : pairs)
    if (sampler.has(flag) != (bench.plugin().get_interface(interface) != nullptr))
      fail("the flag for {} is {}, the interface is the other way", interface,
           sampler.has(flag) ? "set" : "not set");
  if (sampler.has(WN_F_PREVIEW_VJP) && !sampler.has(WN_F_VJP))
    fail("info says WN_F_PREVIEW_VJP without WN_F_VJP, of which it is a part");
  const SamplerBench again(instance);
  if (again.info().times != search.times || again.info().flags != search.flags ||
      again.info().n_steps != search.n_steps)
    fail("info differs between two calls, expected a constant");
}

void info_in_bounds(Bench& bench) {
  Instance instance(bench);
  const auto& table = instance.table<wn_sampler_1>(WN_SAMPLER_1);
  bench.stage("asking for info with a canary behind it");
  for (const std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH})
    check_bounds<wn_sampler_info>("info", WN_SIZE(wn_sampler_info, flops),
                                  [&](auto* out) { table.info(instance.get(), profile, out); });
}

void legs(Bench& bench) {
  Instance instance(bench);
  const SamplerBench sampler(instance);
  const wn_sampler_info& info = sampler.info();
  const Steps whole = sampler.must_leg(1, 0, 0, 0);
  if (whole.nfe.size() != info.n_steps ||
      !std::equal(whole.times.begin(), whole.times.end(), info.times))
    fail("the leg from 1 to 0 has {} steps and other times than the schedule, which has {}",
         whole.nfe.size(), info.n_steps);
  const Steps again = sampler.must_leg(1, 0, 0, 0);
  if (again.times != whole.times || again.nfe != whole.nfe) fail("leg differs between two calls");
  if (info.n_steps > 1) {
    const double middle = info.times[info.n_steps / 2];
    const Steps a = sampler.must_leg(1, middle, 0, 0), b = sampler.must_leg(middle, 0, 0, 0);
    if (a.nfe.size() + b.nfe.size() != whole.nfe.size())
      fail("the legs to and from time {} have {} and {} steps, the schedule {}", middle,
           a.nfe.size(), b.nfe.size(), whole.nfe.size());
    Steps part;
    bench.stage("asking for a leg with too little room");
    if (sampler.leg(1, 0, 0, 0, 1, part) != WN_E_RESOURCE_EXHAUSTED)
      fail("a leg of {} steps with room for one: expected status {}", info.n_steps,
           WN_E_RESOURCE_EXHAUSTED);
  }
  for (const std::uint32_t steps : {1, 2, 7})
    if (sampler.must_leg(0.83, 0.21, 0, steps).nfe.size() != steps)
      fail("asked for a leg of {} steps, got another number", steps);
}

void paths(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  for (const std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH}) {
    if (sampler.info(profile).n_steps > 200) continue;
    Items items = sampler.items({1});
    items.profile = profile;
    sampler.init(items);
    must_be_sound(items);
    const wn_sampler_info& info = sampler.info(profile);
    for (std::uint32_t k = 0; k < info.n_steps; ++k) {
      bench.stage("step {} of {}", k + 1, info.n_steps);
      sampler.set_times(items, info.times[k], info.times[k + 1], k + 1);
      sampler.step(items);
    }
    const auto samples = sampler.decode(items);
    must_be_sound(items);
    if (std::ranges::any_of(samples, [](float x) { return x < 0 || x > 1; }))
      bench.warn("samples leave [0, 1]");
  }
}

void same_noise(Bench& bench) {
  Instance instance(bench), other(bench);
  SamplerBench sampler(instance), twin(other);
  Items a = sampler.items({5}), b = a, c = a, d = sampler.items({5 + sampler.kSameClass});
  const auto first = sampler.path(a, 3);
  if (sampler.has(WN_F_DETERMINISTIC)) {
    if (!same_bits(first, sampler.path(b, 3))) fail("the same noise gives another sample");
    if (!same_bits(first, twin.path(c, 3)))
      fail("the same noise gives another sample in another instance");
  }
  if (same_bits(first, sampler.path(d, 3))) fail("another noise gives the same sample");
}

void preview_works(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  Items items = sampler.items({3});
  sampler.init(items);
  sampler.set_times(items, 1, 1, 0);
  bench.stage("taking a preview at time 1");
  const auto first = sampler.preview(items);
  const Steps leg = sampler.must_leg(1, 0, 0, 4);
  sampler.set_times(items, leg.times[0], leg.times[1], 1);
  sampler.step(items);
  sampler.set_times(items, leg.times[1], leg.times[1], 1);
  bench.stage("taking a preview on the way, and decoding it");
  Items clean = items;
  clean.latents = sampler.preview(items);
  sampler.decode(clean);
  if (same_bits(first, clean.latents)) bench.warn("previews at two times are the same");
}

// Same bits whether the evaluation is carried or made again.
void carry(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  Items plain = sampler.items({2});
  sampler.init(plain);
  if (plain.has_eval[0]) fail("init left has_eval set, expected it cleared");
  const Steps leg = sampler.must_leg(1, 0, 0, 3);
  sampler.set_times(plain, leg.times[0], leg.times[1], 1);
  sampler.step(plain);
  Items looked = plain;
  sampler.set_times(looked, leg.times[1], leg.times[1], 1);
  sampler.preview(looked);
  bench.stage("stepping on with and without the evaluation of a preview");
  for (Items* items : {&plain, &looked}) {
    sampler.set_times(*items, leg.times[1], leg.times[2], 2);
    sampler.step(*items);
  }
  if (sampler.has(WN_F_DETERMINISTIC) && !same_bits(plain.latents, looked.latents))
    fail("a step after a preview gives another latent than one without");
}

void noise_draws(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  Items items = sampler.items({7});
  sampler.forget_draws();
  sampler.init(items);
  using Draw = std::pair<std::uint64_t, std::uint32_t>;
  if (sampler.draws() != std::set<Draw>{{7, 0}})
    fail("init drew {} noises, expected position 0 of the item's, and no other",
         sampler.draws().size());
  const Steps leg = sampler.must_leg(1, 0, 0, 3);
  sampler.forget_draws();
  sampler.set_times(items, leg.times[0], leg.times[1], 4);
  sampler.step(items);
  for (const auto& [noise, position] : sampler.draws())
    if (position != 4)
      fail("a step that arrives at position 4 drew the noise of position {}", position);
  if (!sampler.has(WN_F_STOCHASTIC) && !sampler.draws().empty())
    fail("a step drew noise, though info does not say WN_F_STOCHASTIC");
  sampler.forget_draws();
  Items still = sampler.items({7});
  sampler.init(still);
  sampler.forget_draws();
  std::ranges::fill(still.stochasticity, -1.0);
  sampler.set_times(still, leg.times[0], leg.times[1], 1);
  sampler.step(still);
  if (!sampler.draws().empty()) fail("a step with stochasticity -1 drew noise");
}

void odd_conditions(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  if (sampler.at_most(3) < 3) skip("it takes batches of {} at most", sampler.at_most(3));
  Items items = sampler.items({1, 2, 3});
  items.classes[1] = 1'000'000'000;
  Items sound = sampler.items({1, 2, 3});
  bench.stage("starting an item of class 1000000000 between two others");
  sampler.init(items);
  sampler.init(sound);
  for (const std::size_t i : {0, 2}) {
    if (!items.failures[i].empty())
      fail("beside an item of an unknown class one failed: {}", items.failures[i]);
    const auto size = static_cast<std::ptrdiff_t>(sampler.latent_size());
    const auto at = static_cast<std::ptrdiff_t>(i) * size;
    if (!std::equal(items.latents.begin() + at, items.latents.begin() + at + size,
                    sound.latents.begin() + at))
      fail("an item of an unknown class changes its neighbours");
  }
  if (items.failures[1].empty()) bench.remark("takes class 1000000000");
}

void read_only(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  sampler.read_only_inputs(true);
  Items items = sampler.items({4});
  bench.stage("walking a path with times, noises and positions in read-only memory");
  sampler.path(items, 2);
  sampler.set_times(items, 0.5, 0.5, 1);
  bench.stage("taking a preview of latents in read-only memory");
  sampler.preview(items);
}

void empty_batch(Bench& bench) {
  Instance instance(bench);
  SamplerBench sampler(instance);
  Items none = sampler.items({});
  bench.stage("stepping no items at all");
  try {
    sampler.init(none);
    sampler.step(none);
  } catch (const End& end) {
    bench.remark(end.text);  // a status with a text is an answer
  }
  Items items = sampler.items({1});
  sampler.path(items, 1);
}

constexpr Test kTests[] = {
    {"sampler-info", 1, kSampler,
     "Schedules fall from 1 to 0, shapes, costs and flags fit together and stay.", info_sane,
     Needs::kInstance},
    {"sampler-path", 1, kSampler, "Whole paths of both profiles give finite samples.", paths,
     Needs::kInstance},
    {"sampler-legs", 2, kSampler,
     "Legs meet the schedule, add up, are pure, and heed the room they have.", legs},
    {"sampler-same-noise", 2, kSampler,
     "The same noise gives the same sample (if deterministic), another noise another one.",
     same_noise},
    {"sampler-info-in-bounds", 3, kSampler,
     "info leaves struct_size and what lies behind it alone.", info_in_bounds, Needs::kInstance},
    {"sampler-preview", 3, kSampler, "Previews are finite and leave the latents alone.",
     preview_works},
    {"sampler-read-only", 3, kSampler, "No call writes to its inputs (they are mapped read-only).",
     read_only},
    {"sampler-carry", 4, kSampler,
     "A step gives the same bits whether the evaluation is carried or made again.", carry},
    {"sampler-noise", 4, kSampler,
     "init draws position 0, steps theirs, and only if the sampler is stochastic.", noise_draws},
    {"sampler-empty-batch", 4, kSampler, "A batch of no items is no crash.", empty_batch},
    {"sampler-odd-conditions", 4, kSampler,
     "An item of an unknown class fails by itself, or is taken.", odd_conditions},
};

}  // namespace

Tests sampler_tests() { return kTests; }

}  // namespace winnow::validator

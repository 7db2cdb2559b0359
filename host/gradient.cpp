// gradient.cpp: see gradient.hpp.
#include "host/gradient.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "host/batch_noise.hpp"

namespace winnow {
namespace {

double norm(std::span<const float> v) {
  double squares = 0;
  for (float x : v) squares += static_cast<double>(x) * x;
  return std::sqrt(squares);
}

// From pure noise to time 0, or standing where the preview was made.
SamplerBatch batch_of(std::span<PathGradient* const> items, std::size_t rows,
                      BatchNoise::Noises& noises) {
  SamplerBatch batch;
  for (std::size_t i = 0; i < rows; ++i) {
    const PathGradient& item = *items[std::min(i, items.size() - 1)];
    const Candidate& c = item.task->candidate(item.candidate);
    batch.profile = c.profile;
    batch.conditions.push_back(item.task->condition());
    batch.has_eval.push_back(0);
    batch.from_time.push_back(c.stop_time > 0 ? c.stop_time : 1);
    batch.to_time.push_back(c.stop_time);
    batch.stochasticity.push_back(c.stochasticity);
    batch.noise.push_back(i);
    batch.position.push_back(0);
    noises.emplace_back(item.task, c.noise);
  }
  return batch;
}

void one_call(Sampler& sampler, std::span<PathGradient* const> items,
              std::span<const std::span<const float>> d_samples, std::size_t rows) {
  BatchNoise::Noises noises;
  SamplerBatch batch = batch_of(items, rows, noises);
  const SamplerInfo& info = sampler.info(batch.profile);
  const auto memory = sampler.memory();
  Tensor latents(rows, info.latent_shape, memory), carry, d_in(rows, info.sample_shape, memory),
      d_out(rows, info.latent_shape, memory);
  batch.latents = &latents;
  if (info.carry_elements) {
    const std::int64_t shape[] = {static_cast<std::int64_t>(info.carry_elements)};
    carry = Tensor(rows, shape, memory);
    batch.carry = &carry;
  }
  for (std::size_t i = 0; i < rows; ++i)
    std::ranges::copy(d_samples[std::min(i, items.size() - 1)], d_in.item(i).begin());
  BatchNoise noise(noises);
  const bool previews = batch.to_time.front() > 0;
  if (previews)
    for (std::size_t i = 0; i < rows; ++i)
      std::ranges::copy(items[std::min(i, items.size() - 1)]->latent, latents.item(i).begin());
  ItemFailures failures = previews ? ItemFailures(rows) : sampler.init(batch, noise);
  const ItemFailures backward = sampler.vjp(batch, noise, d_in, d_out);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const ItemFailure& failure = failures[i].status != WN_OK ? failures[i] : backward[i];
    items[i]->failure = failure.text;
    if (failure.status == WN_OK)
      items[i]->direction.assign(d_out.item(i).begin(), d_out.item(i).end());
  }
}

}  // namespace

void differentiate(Sampler& sampler, std::span<PathGradient> items, const Tensor& d_samples,
                   std::uint32_t batch, bool fixed_shape) {
  struct Call {
    std::vector<PathGradient*> items;
    std::vector<std::span<const float>> d_samples;
  };
  std::map<std::tuple<std::uint32_t, bool, double>, Call> calls;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (!items[i].failure.empty()) continue;
    const Candidate& c = items[i].task->candidate(items[i].candidate);
    const bool mixed = sampler.info(c.profile).flags & WN_F_MIXED_TIMES;
    Call& call = calls[{c.profile, c.stop_time > 0, mixed ? 0 : c.stop_time}];
    call.items.push_back(&items[i]);
    call.d_samples.push_back(d_samples.item(i));
  }
  for (const auto& [key, call] : calls)
    one_call(sampler, call.items, call.d_samples, fixed_shape ? batch : call.items.size());
}

std::vector<float> shifted_along(std::span<const float> x, std::span<const float> g, double s) {
  std::vector<float> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(x[i] + s * g[i]);
  return y;
}

std::vector<float> moved_along(std::span<const float> x, std::span<const float> g, double s) {
  std::vector<float> y(x.begin(), x.end());
  const double length = norm(x), slope = norm(g);
  if (!(slope > 0)) return y;
  std::vector<double> moved(x.size());
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    moved[i] = x[i] + s * length * (g[i] / slope);
    squares += moved[i] * moved[i];
  }
  const double back = length / std::sqrt(squares);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(back * moved[i]);
  return y;
}

}  // namespace winnow

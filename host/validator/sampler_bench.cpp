// sampler_bench.cpp: see sampler_bench.hpp.
#include "host/validator/sampler_bench.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "host/noise.hpp"
#include "host/text.hpp"

namespace winnow::validator {
namespace {

constexpr std::uint64_t kFirstHandle = 1000;  // handles are no indices
constexpr std::uint32_t kMaxSteps = 100'000;

std::vector<std::int64_t> shape_of(std::size_t n, const std::int64_t* item, std::uint32_t ndim) {
  std::vector<std::int64_t> shape(item, item + ndim);
  shape.insert(shape.begin(), static_cast<std::int64_t>(n));
  return shape;
}

template <class T>
std::vector<T> picked(const std::vector<T>& all, const std::vector<std::size_t>& which,
                      std::size_t each = 1) {
  std::vector<T> out;
  for (const std::size_t i : which)
    for (std::size_t e = 0; e < each && !all.empty(); ++e) out.push_back(all[i * each + e]);
  return out;
}

}  // namespace

SamplerBench::SamplerBench(Instance& instance)
    : instance_(instance), table_(instance.table<wn_sampler_1>(WN_SAMPLER_1)) {
  for (const std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH}) {
    wn_sampler_info& info = info_[profile];
    info.struct_size = WN_SIZE(wn_sampler_info, flops);
    if (const wn_status status = table_.info(instance.get(), profile, &info); status != WN_OK)
      fail("info failed with status {}", status);
    if (info.n_steps == 0 || info.n_steps > kMaxSteps || !info.times)
      fail("info says {} steps, with times {}", info.n_steps, info.times ? "" : "NULL");
    if (info.latent_ndim == 0 || info.latent_ndim > 6 || info.sample_ndim == 0 ||
        info.sample_ndim > 6)
      fail("latents have {} and samples {} dimensions, expected 1 to 6", info.latent_ndim,
           info.sample_ndim);
    if (info.latent_dtype.code != 2 || info.latent_dtype.bits != 32)
      fail("latents are of code {} with {} bits, expected float32", info.latent_dtype.code,
           info.latent_dtype.bits);
  }
  const wn_sampler_info& one = info();
  latent_size_ = elements({one.latent_shape, one.latent_shape + one.latent_ndim});
  sample_size_ = elements({one.sample_shape, one.sample_shape + one.sample_ndim});
  carry_size_ = one.carry_elems;
  find_classes();
}

// Models without classes refuse all, others know a few.
void SamplerBench::find_classes() {
  std::string why_not;
  for (std::int64_t k = 9; k >= -1; --k) {
    if (k == -1 && !classes_.empty()) return;
    classes_.push_back(k);
    Items probe = items({classes_.size() - 1});
    instance_.bench().stage("looking whether it takes class {}", k);
    init(probe);
    if (probe.failures[0].empty()) continue;
    why_not = probe.failures[0];
    classes_.pop_back();
  }
  if (classes_.empty()) fail("init refuses the classes -1 (none) to 9: {}", why_not);
}

Items SamplerBench::items(const std::vector<std::uint64_t>& noises) const {
  const std::size_t n = noises.size();
  Items out;
  out.latents.assign(n * latent_size_, 0);
  out.carry.assign(n * carry_size_, 0);
  out.has_eval.assign(n, 0);
  out.from.assign(n, 1);
  out.to.assign(n, 1);
  out.stochasticity.assign(n, 0);
  out.noise = noises;
  out.position.assign(n, 0);
  out.failures.assign(n, "");
  for (const std::uint64_t noise : noises)
    out.classes.push_back(classes_[noise % kSameClass % classes_.size()]);
  return out;
}

Items SamplerBench::chosen(const Items& from, const std::vector<std::size_t>& which) const {
  Items out;
  out.profile = from.profile;
  out.latents = picked(from.latents, which, latent_size_);
  out.carry = picked(from.carry, which, carry_size_);
  out.has_eval = picked(from.has_eval, which);
  out.from = picked(from.from, which);
  out.to = picked(from.to, which);
  out.stochasticity = picked(from.stochasticity, which);
  out.noise = picked(from.noise, which);
  out.position = picked(from.position, which);
  out.classes = picked(from.classes, which);
  out.failures = picked(from.failures, which);
  return out;
}

void SamplerBench::set_times(Items& items, double from, double to, std::uint32_t position) const {
  std::ranges::fill(items.from, from);
  std::ranges::fill(items.to, to);
  std::ranges::fill(items.position, position);
}

void SamplerBench::normal(std::uint64_t handle, std::uint32_t position, std::span<float> out) {
  if (!drawing_ || handle < kFirstHandle || handle >= kFirstHandle + drawing_->size()) {
    foreign_draw_ = fmt::format("it asked for noise {}, which is none of the batch", handle);
    std::ranges::fill(out, 0.0f);
    return;
  }
  const std::uint64_t noise = drawing_->noise[handle - kFirstHandle];
  draws_.insert({noise, position});
  fill_normal({instance_.bench().subject().seed, noise, 0}, position, 0, out);
}

std::vector<wn_condition> SamplerBench::conditions_of(const Items& items) const {
  std::vector<wn_condition> conditions(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    conditions[i].struct_size = WN_SIZE(wn_condition, tensors);
    conditions[i].class_id = items.classes[i];
    if (const auto& prompt = instance_.bench().subject().prompt)
      conditions[i].prompt = {prompt->c_str(), prompt->size()};
  }
  return conditions;
}

void SamplerBench::call(const char* function, Items& items, bool latents_are_input,
                        const Body& body) {
  const std::size_t n = items.size();
  const wn_sampler_info& info = info_[items.profile];
  const std::vector<wn_condition> conditions = conditions_of(items);
  std::vector<const wn_condition*> pointers;
  for (const wn_condition& condition : conditions) pointers.push_back(&condition);
  std::vector<std::uint64_t> handles(n);
  std::iota(handles.begin(), handles.end(), kFirstHandle);
  GuardedMemory latents = lent(items.latents, kTensorAlignment),
                carry = lent(items.carry, kTensorAlignment), has_eval = lent(items.has_eval),
                from = lent(items.from), to = lent(items.to),
                stochasticity = lent(items.stochasticity), noise = lent(handles),
                position = lent(items.position), status = lent(std::vector<wn_status>(n, WN_OK));
  if (read_only_inputs_)
    for (GuardedMemory* memory : {&from, &to, &stochasticity, &noise, &position})
      memory->forbid_writing();
  if (read_only_inputs_ && latents_are_input) latents.forbid_writing();
  auto latent_shape = shape_of(n, info.latent_shape, info.latent_ndim);
  std::vector<std::int64_t> carry_shape = {static_cast<std::int64_t>(n),
                                           static_cast<std::int64_t>(carry_size_)};
  wn_tensor latent_view = tensor_over(latents.data(), latent_shape),
            carry_view = tensor_over(carry.data(), carry_shape);
  const wn_sampler_batch batch{.struct_size = WN_SIZE(wn_sampler_batch, position),
                               .profile = items.profile,
                               .n = n,
                               .conditions = pointers.data(),
                               .latents = &latent_view,
                               .carry = carry_size_ ? &carry_view : nullptr,
                               .has_eval = static_cast<std::uint8_t*>(has_eval.data()),
                               .from_time = static_cast<const double*>(from.data()),
                               .to_time = static_cast<const double*>(to.data()),
                               .stochasticity = static_cast<const double*>(stochasticity.data()),
                               .noise = static_cast<const std::uint64_t*>(noise.data()),
                               .position = static_cast<const std::uint32_t*>(position.data())};
  Call call(instance_.bench(), instance_.services(), function);
  instance_.services().set_noise_source(this);
  drawing_ = &items;
  const wn_status result = body(call.table(), &batch, static_cast<wn_status*>(status.data()));
  drawing_ = nullptr;
  instance_.services().set_noise_source(nullptr);
  call.must(result);
  if (!foreign_draw_.empty()) fail("{}: {}", function, foreign_draw_);
  for (const GuardedMemory* memory : {&latents, &carry, &has_eval, &status})
    if (!memory->surroundings_untouched()) fail("{} wrote beside what it was lent", function);
  if (latents_are_input &&
      std::memcmp(latents.data(), items.latents.data(), items.latents.size() * sizeof(float)) != 0)
    fail("{} changed the latents, which are read-only for it", function);
  const auto* written = static_cast<const float*>(latents.data());
  items.latents.assign(written, written + items.latents.size());
  const auto* carried = static_cast<const float*>(carry.data());
  items.carry.assign(carried, carried + items.carry.size());
  const auto* evaluated = static_cast<const std::uint8_t*>(has_eval.data());
  items.has_eval.assign(evaluated, evaluated + n);
  look_at_items(function, items, static_cast<const wn_status*>(status.data()), call);
}

void SamplerBench::look_at_items(const char* function, Items& items, const wn_status* statuses,
                                 Call& call) const {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items.has_eval[i] > 1)
      fail("{} set has_eval to {}, expected 0 or 1", function, items.has_eval[i]);
    if (call.item(i, statuses[i]) != WN_OK) {
      items.failures[i] = printable_lines(call.item_text(i));
    } else if (items.failures[i].empty() &&
               !all_finite(
                   std::span<const float>(items.latents).subspan(i * latent_size_, latent_size_))) {
      fail("{}: the latent is not finite", function);
    }
  }
}

std::vector<float> SamplerBench::call_for(
    const char* function, Items& items, bool latents_are_input, std::vector<std::int64_t> shape,
    const std::function<wn_status(const wn_call*, const wn_sampler_batch*, wn_tensor*, wn_status*)>&
        body) {
  const std::size_t size = elements(shape);
  GuardedMemory out(size * sizeof(float), kTensorAlignment);
  auto* numbers = static_cast<float*>(out.data());
  std::fill_n(numbers, size, std::numeric_limits<float>::quiet_NaN());
  wn_tensor tensor = tensor_over(numbers, shape);
  call(function, items, latents_are_input,
       [&](auto* c, auto* batch, auto* status) { return body(c, batch, &tensor, status); });
  if (!out.surroundings_untouched()) fail("{} wrote beside its output", function);
  const std::size_t each = items.size() ? size / items.size() : 0;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (items.failures[i].empty() && !all_finite({numbers + i * each, each}))
      fail("{}: the output of an item is not finite, or was not written", function);
  return {numbers, numbers + size};
}

void must_be_sound(const Items& items) {
  for (std::size_t i = 0; i < items.size(); ++i)
    if (!items.failures[i].empty()) fail("item {} failed: {}", i, items.failures[i]);
}

void SamplerBench::init(Items& items) {
  call("init", items, false, [&](auto* c, auto* batch, auto* status) {
    return table_.init(instance_.get(), c, batch, status);
  });
}

void SamplerBench::step(Items& items) {
  call("step", items, false, [&](auto* c, auto* batch, auto* status) {
    return table_.step(instance_.get(), c, batch, status);
  });
}

std::vector<float> SamplerBench::preview(Items& items) {
  const wn_sampler_info& one = info(items.profile);
  return call_for("preview", items, true, shape_of(items.size(), one.latent_shape, one.latent_ndim),
                  [&](auto* c, auto* batch, auto* clean, auto* status) {
                    return table_.preview(instance_.get(), c, batch, clean, status);
                  });
}

std::vector<float> SamplerBench::decode(const Items& items) {
  Items copy = items;
  const wn_sampler_info& one = info(items.profile);
  return call_for("decode", copy, true, shape_of(items.size(), one.sample_shape, one.sample_ndim),
                  [&](auto* c, auto* batch, auto* samples, auto* status) {
                    return table_.decode(instance_.get(), c, batch, samples, status);
                  });
}

void SamplerBench::renoise(Items& items) {
  const auto& table = instance_.table<wn_sampler_renoise_1>(WN_SAMPLER_RENOISE_1);
  call("renoise", items, false, [&](auto* c, auto* batch, auto* status) {
    return table.renoise(instance_.get(), c, batch, status);
  });
}

std::vector<float> SamplerBench::vjp(Items& items, const std::vector<float>& d_samples) {
  const auto& table = instance_.table<wn_sampler_vjp_1>(WN_SAMPLER_VJP_1);
  const wn_sampler_info& one = info(items.profile);
  GuardedMemory in = lent(d_samples, kTensorAlignment);
  in.forbid_writing();
  auto shape = shape_of(items.size(), one.sample_shape, one.sample_ndim);
  const wn_tensor given = tensor_over(in.data(), shape);
  return call_for("vjp", items, true, shape_of(items.size(), one.latent_shape, one.latent_ndim),
                  [&](auto* c, auto* batch, auto* d_latents, auto* status) {
                    return table.vjp(instance_.get(), c, batch, &given, d_latents, status);
                  });
}

wn_status SamplerBench::leg(double from, double to, double stochasticity, std::uint32_t steps,
                            std::uint32_t room, Steps& out, std::uint32_t profile) const {
  constexpr double kUnwritten = -12345;
  std::vector<double> times(room + 2, kUnwritten), nfe(room + 1, kUnwritten);
  std::uint32_t count = 0;
  const wn_status status = table_.leg(instance_.get(), profile, from, to, stochasticity, steps,
                                      room, times.data(), nfe.data(), &count);
  if (times[room + 1] != kUnwritten || nfe[room] != kUnwritten)
    fail("leg wrote more than the {} steps it had room for", room);
  if (status != WN_OK) return status;
  if (count == 0 || count > room) fail("leg wrote {} steps, with room for {}", count, room);
  out.times.assign(times.begin(), times.begin() + count + 1);
  out.nfe.assign(nfe.begin(), nfe.begin() + count);
  return status;
}

Steps SamplerBench::must_leg(double from, double to, double stochasticity,
                             std::uint32_t steps) const {
  Steps out;
  if (const wn_status status = leg(from, to, stochasticity, steps, steps ? steps : kMaxSteps, out);
      status != WN_OK)
    fail("leg from {} to {} in {} steps failed with status {}", from, to, steps, status);
  if (out.times.front() != from || out.times.back() != to)
    fail("leg goes from {} to {}, asked for {} to {}", out.times.front(), out.times.back(), from,
         to);
  for (std::size_t k = 0; k + 1 < out.times.size(); ++k) {
    if (!(out.times[k] > out.times[k + 1]))
      fail("the times of a leg do not fall: {}, {}", out.times[k], out.times[k + 1]);
    if (!(out.nfe[k] >= 0) || !std::isfinite(out.nfe[k])) fail("a step costs {} NFE", out.nfe[k]);
  }
  return out;
}

std::vector<float> SamplerBench::path(Items& items, std::uint32_t steps) {
  init(items);
  must_be_sound(items);
  const Steps leg = must_leg(1, 0, items.stochasticity[0], steps);
  for (std::uint32_t k = 0; k + 1 < leg.times.size(); ++k) {
    instance_.bench().stage("step {} of {}, of {} items", k + 1, leg.nfe.size(), items.size());
    set_times(items, leg.times[k], leg.times[k + 1], k + 1);
    step(items);
    must_be_sound(items);
  }
  return decode(items);
}

std::string use_sampler(Instance& instance) {
  SamplerBench sampler(instance);
  Items items = sampler.items({11, 12});
  if (sampler.at_most(2) < 2) items = sampler.items({11});
  const std::vector<float> samples = sampler.path(items, 3);
  return {reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(float)};
}

}  // namespace winnow::validator

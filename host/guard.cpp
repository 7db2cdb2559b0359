// guard.cpp: see guard.hpp.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <numeric>

#include "host/guard_call.hpp"
#include "host/option_views.hpp"
#include "host/text.hpp"

namespace winnow {
namespace {

constexpr std::uint32_t kMaxSteps = 100'000;
constexpr std::uint64_t kMaxElements = 1ull << 32;  // of one item

bool is_cost(double number) { return number >= 0 && std::isfinite(number); }

// Of the files that options name and that are not there: what lies beside them under a like name.
std::string names_near(const PluginUse& use) {
  namespace fs = std::filesystem;
  std::string text;
  for (const OptionValue& option : use.options) {
    const auto* path = std::get_if<std::string>(&option.data);
    if (option.type != WN_OPT_PATH || !path || path->empty()) continue;
    std::error_code failed;
    if (fs::exists(*path, failed)) continue;
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(fs::path(*path).parent_path(), failed))
      names.push_back(entry.path().filename().string());
    const std::string near = did_you_mean(fs::path(*path).filename().string(), names);
    if (!near.empty()) text += fmt::format("\n  = help: {}: {}", option.key, near);
  }
  return text;
}

// Not a number falls nowhere.
bool falls(const std::vector<double>& times) {
  return std::ranges::adjacent_find(times, [](double a, double b) { return !(a > b); }) ==
         times.end();
}

// A search that asks for noise which the sampler does not have is a mistake of the config.
[[noreturn]] void refuse_noise(const std::string& id, double stochasticity, wn_status status) {
  throw Error(
      Exit::kUsage,
      fmt::format("the search asks for stochasticity {}, but {} {}; take another sampler or "
                  "another of its solvers, less stochasticity, or -1 where the search needs none",
                  stochasticity, id,
                  status == WN_E_FAILED_PRECONDITION
                      ? "has no noise on the way that could be multiplied as it is configured"
                      : "takes no such amount of noise as it is configured"));
}

}  // namespace

PluginInstance::PluginInstance(std::shared_ptr<PluginCode> code, const PluginUse& use,
                               const std::string& version, HostServices& services)
    : code_(std::move(code)),
      id_(use.id),
      version_(version),
      services_(services),
      host_(services, use.id, code_->minor()) {
  const OptionViews options(use.options);
  CallContext context(services_);
  const wn_status status = code_->create(&host_.table, options.all(), context.table(), &instance_);
  if (status != WN_OK) {
    throw_if_stopped(services_, status);
    // What the options say is a mistake of the config, whoever finds it.
    throw Error(status == WN_E_INVALID_ARGUMENT ? Exit::kUsage : Exit::kPlugin,
                fmt::format("{} {}: create failed: {}{}", id_, version_,
                            blame(status, context.errors().text()), names_near(use)));
  }
  if (!instance_) fail("create", WN_E_INTERNAL, "returned OK but no instance");
}

PluginInstance::~PluginInstance() {
  if (instance_) code_->destroy(instance_);
}

void PluginInstance::fail(const char* function, wn_status status, const std::string& text) const {
  throw_if_stopped(services_, status);
  throw Error(Exit::kPlugin,
              fmt::format("{} {}: {} failed: {}", id_, version_, function, blame(status, text)));
}

double Leg::total() const { return std::accumulate(nfe.begin(), nfe.end(), 0.0); }

void SamplerBatch::clear() {
  conditions.clear();
  has_eval.clear();
  from_time.clear();
  to_time.clear();
  stochasticity.clear();
  noise.clear();
  position.clear();
}

Sampler::Sampler(std::unique_ptr<PluginInstance> instance)
    : instance_(std::move(instance)),
      table_(required_interface<wn_sampler_1>(*instance_, WN_SAMPLER_1)),
      renoise_(
          static_cast<const wn_sampler_renoise_1*>(instance_->interface(WN_SAMPLER_RENOISE_1))),
      vjp_(static_cast<const wn_sampler_vjp_1*>(instance_->interface(WN_SAMPLER_VJP_1))) {
  for (std::uint32_t profile : {WN_PROFILE_FINAL, WN_PROFILE_SEARCH}) {
    wn_sampler_info raw{};
    raw.struct_size = WN_SIZE(wn_sampler_info, flops);
    const wn_status status = table_->info(instance_->get(), profile, &raw);
    if (status != WN_OK) instance_->fail("info", status, "no description of its schedule");
    const auto bad = [&](const std::string& what) { instance_->fail("info", WN_E_INTERNAL, what); };
    if (raw.n_steps == 0 || raw.n_steps > kMaxSteps || !raw.times)
      bad(fmt::format("{} steps; expected 1 to {}", raw.n_steps, kMaxSteps));
    if (raw.latent_ndim == 0 || raw.latent_ndim > 6 || raw.sample_ndim == 0 || raw.sample_ndim > 6)
      bad("latents and samples need 1 to 6 dimensions");
    if (raw.latent_dtype.code != 2 || raw.latent_dtype.bits != 32)
      bad("latents must be float32 in ABI 1.0");
    SamplerInfo& info = info_[profile];
    info.flags = raw.flags;
    info.preferred_batch = std::max(1u, raw.preferred_batch);
    info.max_batch = raw.max_batch;
    info.latent_shape.assign(raw.latent_shape, raw.latent_shape + raw.latent_ndim);
    info.sample_shape.assign(raw.sample_shape, raw.sample_shape + raw.sample_ndim);
    const auto elements = [&](const std::vector<std::int64_t>& shape) {
      std::uint64_t count = 1;
      for (std::int64_t extent : shape) {
        if (extent <= 0 || extent > 1 << 24) bad(fmt::format("an extent of {} in a shape", extent));
        count *= static_cast<std::uint64_t>(extent);
        if (count > kMaxElements) bad("a shape of more than 2^32 elements");
      }
      return count;
    };
    info.latent_elements = elements(info.latent_shape);
    info.sample_elements = elements(info.sample_shape);
    info.carry_elements = raw.carry_elems;
    if (info.carry_elements > kMaxElements)
      bad(fmt::format("a carry of {} elements", info.carry_elements));
    info.times.assign(raw.times, raw.times + raw.n_steps + 1);
    if (info.times.front() != 1.0 || info.times.back() != 0.0 || !falls(info.times))
      bad("the schedule must fall from 1 to 0");
    if (raw.noise_scale) info.noise_scale.assign(raw.noise_scale, raw.noise_scale + raw.n_steps);
    info.preview_nfe = raw.preview_nfe;
    info.preview_credit = raw.preview_credit;
    info.backward_nfe = raw.backward_nfe;
    info.network_passes = raw.network_passes;
    info.vjp_forward_nfe = raw.vjp_forward_nfe;
    info.flops = raw.flops;
    for (double number : {info.preview_nfe, info.preview_credit, info.backward_nfe,
                          info.network_passes, info.vjp_forward_nfe, info.flops})
      if (!is_cost(number)) bad(fmt::format("a cost of {}", number));
    for (double scale : info.noise_scale)
      if (!is_cost(scale)) bad(fmt::format("a noise scale of {}", scale));
    info.nfe = leg(profile, 1.0, 0.0, 0.0, 0).nfe;
    if (info.nfe.size() != raw.n_steps)
      bad(fmt::format("its leg from 1 to 0 has {} steps, its schedule {}", info.nfe.size(),
                      raw.n_steps));
  }
  if (info_[0].latent_shape != info_[1].latent_shape ||
      info_[0].sample_shape != info_[1].sample_shape ||
      info_[0].carry_elements != info_[1].carry_elements)
    instance_->fail("info", WN_E_INTERNAL, "the two profiles differ in shapes");
}

Leg Sampler::leg(std::uint32_t profile, double from, double to, double stochasticity,
                 std::uint32_t steps) const {
  const std::uint32_t capacity = steps ? steps : kMaxSteps;
  std::uint32_t room = std::min<std::uint32_t>(capacity, steps ? steps : 1024);
  for (;;) {
    Leg leg;
    leg.times.resize(room + 1);
    leg.nfe.resize(room);
    std::uint32_t count = 0;
    const wn_status status = table_->leg(instance_->get(), profile, from, to, stochasticity, steps,
                                         room, leg.times.data(), leg.nfe.data(), &count);
    if (status == WN_E_RESOURCE_EXHAUSTED && room < capacity) {
      room = std::min(capacity, room * 8);
      continue;
    }
    if (stochasticity > 0 &&
        (status == WN_E_FAILED_PRECONDITION || status == WN_E_INVALID_ARGUMENT))
      refuse_noise(id(), stochasticity, status);
    if (status != WN_OK)
      instance_->fail("leg", status,
                      fmt::format("from time {} to {} in {} steps", from, to, steps));
    if (count == 0 || count > room)
      instance_->fail("leg", WN_E_INTERNAL,
                      fmt::format("{} steps written, room for {}", count, room));
    leg.times.resize(count + 1);
    leg.nfe.resize(count);
    if (leg.times.front() != from || leg.times.back() != to)
      instance_->fail("leg", WN_E_INTERNAL,
                      fmt::format("asked from {} to {}, got {} to {}", from, to, leg.times.front(),
                                  leg.times.back()));
    if (!std::ranges::all_of(leg.nfe, is_cost) || !falls(leg.times))
      instance_->fail("leg", WN_E_INTERNAL,
                      fmt::format("the leg from {} to {} has a cost below 0 or times that do not "
                                  "fall",
                                  from, to));
    return leg;
  }
}

ItemFailures Sampler::call(
    const char* name, SamplerBatch& batch, NoiseSource* noise,
    const std::function<wn_status(const wn_call*, const wn_sampler_batch*, wn_status*)>& body) {
  const std::size_t n = batch.size();
  wn_tensor latents = batch.latents->view();
  wn_tensor carry{};
  if (batch.carry) carry = batch.carry->view();
  const wn_sampler_batch raw{.struct_size = WN_SIZE(wn_sampler_batch, position),
                             .profile = batch.profile,
                             .n = n,
                             .conditions = batch.conditions.data(),
                             .latents = &latents,
                             .carry = batch.carry ? &carry : nullptr,
                             .has_eval = batch.has_eval.data(),
                             .from_time = batch.from_time.data(),
                             .to_time = batch.to_time.data(),
                             .stochasticity = batch.stochasticity.data(),
                             .noise = batch.noise.data(),
                             .position = batch.position.data()};
  std::vector<wn_status> status(n, WN_OK);
  CallContext context(instance_->services());
  Stopwatch watch(seconds_);
  instance_->services().set_noise_source(noise);
  const wn_status result = body(context.table(), &raw, status.data());
  instance_->services().set_noise_source(nullptr);
  if (result != WN_OK) instance_->fail(name, result, context.errors().text());
  for (wn_status item : status) throw_if_stopped(instance_->services(), item);
  ItemFailures failures = failures_of(status, context.errors());
  for (ItemFailure& failure : failures)
    if (failure.status != WN_OK) failure.text = id() + ": " + failure.text;
  return failures;
}

ItemFailures Sampler::init(SamplerBatch& batch, NoiseSource& noise) {
  return call("init", batch, &noise, [&](auto* c, auto* b, auto* status) {
    return table_->init(instance_->get(), c, b, status);
  });
}

ItemFailures Sampler::step(SamplerBatch& batch, NoiseSource& noise) {
  return call("step", batch, &noise, [&](auto* c, auto* b, auto* status) {
    return table_->step(instance_->get(), c, b, status);
  });
}

ItemFailures Sampler::renoise(SamplerBatch& batch, NoiseSource& noise) {
  return call("renoise", batch, &noise, [&](auto* c, auto* b, auto* status) {
    return renoise_->renoise(instance_->get(), c, b, status);
  });
}

ItemFailures Sampler::preview(SamplerBatch& batch, NoiseSource& noise, Tensor& clean) {
  return call("preview", batch, &noise, [&](auto* c, auto* b, auto* status) {
    wn_tensor out = clean.view();
    return table_->preview(instance_->get(), c, b, &out, status);
  });
}

ItemFailures Sampler::decode(SamplerBatch& batch, Tensor& samples) {
  ItemFailures failures = call("decode", batch, nullptr, [&](auto* c, auto* b, auto* status) {
    wn_tensor out = samples.view();
    return table_->decode(instance_->get(), c, b, &out, status);
  });
  for (std::size_t i = 0; i < failures.size(); ++i)
    if (failures[i].status == WN_OK && !all_finite(samples.item(i)))
      failures[i] = {WN_E_INTERNAL, id() + ": the sample is not finite"};
  return failures;
}

ItemFailures Sampler::vjp(SamplerBatch& batch, NoiseSource& noise, const Tensor& d_samples,
                          Tensor& d_latents) {
  d_latents.fill(std::numeric_limits<float>::quiet_NaN());
  ItemFailures failures = call("vjp", batch, &noise, [&](auto* c, auto* b, auto* status) {
    const wn_tensor in = d_samples.view();
    wn_tensor out = d_latents.view();
    return vjp_->vjp(instance_->get(), c, b, &in, &out, status);
  });
  for (std::size_t i = 0; i < failures.size(); ++i)
    if (failures[i].status == WN_OK && !all_finite(d_latents.item(i)))
      failures[i] = {WN_E_INTERNAL, id() + ": the gradient is not finite"};
  return failures;
}

}  // namespace winnow

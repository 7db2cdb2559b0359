#include "exported_denoiser.hpp"

#include <c10/core/InferenceMode.h>

#include <stdexcept>

#include "in_quotes.hpp"
#include "network_messages.hpp"
#include "torch_runtime.hpp"

namespace winnow {
namespace {

using diffusion::Level;

double guidance_of(const Bundle& bundle, double asked) {
  if (asked < 0) return bundle.guidance_scale;
  if (bundle.guidance != Guidance::kNone) return asked;
  throw std::runtime_error("guidance_scale is " + std::to_string(asked) +
                           ", but the network of this bundle has no guidance");
}

}  // namespace

ExportedDenoiser::ExportedDenoiser(const Bundle& bundle, at::Device device, double guidance_scale,
                                   TextEncoder::Notice notice)
    : bundle_(bundle),
      device_(device),
      precision_(bundle.bf16 ? at::kBFloat16 : at::kFloat),
      guidance_(guidance_of(bundle, guidance_scale)),
      network_(bundle.denoiser, device) {
  if (bundle_.condition == ConditionKind::kPrompt) open_prompts(std::move(notice));
  try_network();
}

void ExportedDenoiser::open_prompts(TextEncoder::Notice notice) {
  prompts_.emplace(bundle_, told(), device_, std::move(notice));
  if (!guided()) return;
  if (const std::string why = prompts_->refusal(bundle_.null_prompt); !why.empty())
    throw std::runtime_error("guidance leads away from the negative prompt, but " + why);
}

void ExportedDenoiser::try_network() {
  const c10::InferenceMode guard;
  std::vector<int64_t> shape = bundle_.latent_shape;
  shape.insert(shape.begin(), 1);
  Condition condition = conditions({Asked{}});
  for (at::Tensor& one : condition) one = one.narrow(0, 0, 1);
  const at::Tensor x = at::zeros(shape, at::device(device_));
  const at::Tensor time = at::full({1}, 500.0, at::device(device_));
  const std::string what =
      bundle_.denoiser.string() + ": the network, given latents " + shape_text(x.sizes());
  std::string found;
  try {
    const at::Tensor out = run(x, time, condition);
    if (out.sizes() == x.sizes()) return;
    found = ", makes " + shape_text(out.sizes()) + ", expected the same shape";
  } catch (const std::exception& error) {
    found = " as bundle.toml has them, fails: " + reason_in(error.what());
  }
  throw std::runtime_error(what + found);
}

bool ExportedDenoiser::guided() const {
  return bundle_.guidance == Guidance::kClassifierFree && guidance_ != 1;
}

std::vector<std::string> ExportedDenoiser::told() const {
  const auto first = bundle_.inputs.begin() + (bundle_.guidance == Guidance::kDistilled ? 3 : 2);
  return {first, bundle_.inputs.end()};
}

at::Tensor ExportedDenoiser::to_network(const at::Tensor& tensor) const {
  return tensor.is_floating_point() ? tensor.to(device_, precision_) : tensor.to(device_);
}

std::string ExportedDenoiser::refusal(const Asked& asked) {
  if (prompts_ && asked.prompt.empty() && asked.class_id >= 0)
    return "class " + std::to_string(asked.class_id) + ", the network of this bundle takes prompts";
  if (bundle_.condition == ConditionKind::kClass && !asked.prompt.empty() && asked.class_id < 0)
    return "the prompt " + in_quotes(asked.prompt) + ", the network of this bundle takes classes";
  if (prompts_) return prompts_->refusal(asked.prompt);
  const bool known = asked.class_id >= -1 && asked.class_id < bundle_.classes;
  if (bundle_.condition != ConditionKind::kClass || known) return "";
  return "class " + std::to_string(asked.class_id) + ", the network knows 0 to " +
         std::to_string(bundle_.classes - 1) + " and -1 for none";
}

ExportedDenoiser::Condition ExportedDenoiser::conditions(const std::vector<Asked>& items) {
  if (bundle_.condition == ConditionKind::kClass) return {labels(items)};
  if (!prompts_) return {};
  std::vector<PromptRows::Rows> rows;
  for (const Asked& item : items)
    rows.push_back(prompts_->refusal(item.prompt).empty() ? prompts_->of(item.prompt)
                                                          : prompts_->any());
  if (guided()) rows.insert(rows.end(), items.size(), prompts_->of(bundle_.null_prompt));
  Condition out;
  for (size_t k = 0; k < told().size(); ++k) {
    std::vector<at::Tensor> column;
    for (const PromptRows::Rows& row : rows) column.push_back(row[k]);
    out.push_back(to_network(at::cat(column)));
  }
  return out;
}

at::Tensor ExportedDenoiser::labels(const std::vector<Asked>& items) const {
  const auto n = static_cast<int64_t>(items.size());
  at::Tensor out = at::full({n * passes()}, bundle_.null_class, at::kLong);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t id = items[static_cast<size_t>(i)].class_id;
    if (id >= 0 && id < bundle_.classes) out.data_ptr<int64_t>()[i] = id;
  }
  return out.to(device_);
}

at::Tensor ExportedDenoiser::run(const at::Tensor& x, const at::Tensor& times,
                                 const Condition& condition) const {
  std::vector<at::Tensor> inputs = {x.to(precision_), times};
  if (bundle_.guidance == Guidance::kDistilled) inputs.push_back(at::full_like(times, guidance_));
  inputs.insert(inputs.end(), condition.begin(), condition.end());
  return network_(std::move(inputs)).to(at::kFloat);
}

at::Tensor ExportedDenoiser::data(const at::Tensor& x, const std::vector<Level>& at,
                                  const Condition& condition) const {
  const at::Tensor times = per_item(at, 1, [](const Level& l) { return l.time; }).to(device_);
  at::Tensor out = guided() ? run(at::cat({x, x}), at::cat({times, times}), condition)
                            : run(x, times, condition);
  if (guided()) {
    const auto halves = out.chunk(2);
    out = halves[1] + guidance_ * (halves[0] - halves[1]);
  }
  const auto factors = [&](const Level& level) {
    return diffusion::to_data(bundle_.prediction, level);
  };
  const at::Tensor of_x = per_item(at, x.dim(), [&](const Level& l) { return factors(l).x; });
  const at::Tensor of_out =
      per_item(at, x.dim(), [&](const Level& l) { return factors(l).output; });
  const at::Tensor d = of_x.to(device_) * x + of_out.to(device_) * out;
  return bundle_.clip ? d.clamp(-*bundle_.clip, *bundle_.clip) : d;
}

}  // namespace winnow

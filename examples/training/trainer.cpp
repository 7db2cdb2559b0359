#include "trainer.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "safetensors_torch.hpp"

namespace winnow::training {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEpsilon = 1e-8, kMaxGradient = 1.0;

uint64_t mix(uint64_t x) {  // the finaliser of splitmix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

constexpr uint64_t kShuffle = 1000;

constexpr double kCheckpointSeconds = 60;
constexpr int64_t kReportSteps = 100;

}  // namespace

Options::Options(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key.rfind("--", 0) != 0) {
      rest_.push_back(key);
      continue;
    }
    const bool has_value = i + 1 < argc && std::string(argv[i + 1]).rfind("--", 0) != 0;
    values_[key.substr(2)] = has_value ? argv[++i] : "";
  }
}

std::string Options::text(const std::string& key, const std::string& fallback) {
  used_[key] = true;
  const auto found = values_.find(key);
  return found == values_.end() ? fallback : found->second;
}

int64_t Options::integer(const std::string& key, int64_t fallback) {
  const std::string value = text(key, std::to_string(fallback));
  try {
    size_t end = 0;
    const int64_t out = std::stoll(value, &end);
    if (end == value.size()) return out;
  } catch (const std::logic_error&) {
  }
  throw std::runtime_error("--" + key + " must be a whole number, not '" + value + "'");
}

double Options::number(const std::string& key, double fallback) {
  const std::string value = text(key, "");
  if (values_.find(key) == values_.end()) return fallback;
  char* end = nullptr;
  const double out = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0') {
    throw std::runtime_error("--" + key + " must be a number, not '" + value + "'");
  }
  return out;
}

bool Options::flag(const std::string& key) {
  used_[key] = true;
  return values_.find(key) != values_.end();
}

const std::vector<std::string>& Options::rest() {
  rest_used_ = true;
  return rest_;
}

void Options::check_all_used() const {
  if (!rest_used_ && !rest_.empty()) {
    throw std::runtime_error("unexpected argument '" + rest_[0] + "'");
  }
  for (const auto& [key, value] : values_) {
    if (used_.find(key) == used_.end()) throw std::runtime_error("unknown option --" + key);
  }
}

at::Generator generator_for(uint64_t seed, uint64_t purpose, uint64_t index) {
  return at::make_generator<at::CPUGeneratorImpl>(mix(mix(mix(seed) ^ purpose) ^ index));
}

Shuffler::Shuffler(int64_t count, int64_t batch, uint64_t seed)
    : count_(count), batch_(batch), seed_(seed) {}

at::Tensor Shuffler::batch(int64_t step) {
  const int64_t per_epoch = count_ / batch_;
  const int64_t epoch = step / per_epoch;
  if (epoch != epoch_) {
    auto generator = generator_for(seed_, kShuffle, static_cast<uint64_t>(epoch));
    order_ = at::randperm(count_, generator, at::kLong);
    epoch_ = epoch;
  }
  return order_.narrow(0, (step % per_epoch) * batch_, batch_);
}

double Schedule::at(int64_t step) const {
  if (step < warmup_steps) {
    return peak_rate * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  }
  const double done = static_cast<double>(step - warmup_steps) /
                      static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
  return 0.5 * peak_rate * (1.0 + std::cos(M_PI * std::min(1.0, done)));
}

Trainer::Trainer(std::map<std::string, at::Tensor> parameters, double weight_decay,
                 double max_average)
    : parameters_(std::move(parameters)),
      step_count_(at::zeros({}, at::kFloat)),
      weight_decay_(weight_decay),
      max_average_(max_average) {
  for (auto& [name, tensor] : parameters_) {
    average_[name] = tensor.detach().clone();
    first_[name] = at::zeros_like(tensor.detach());
    second_[name] = at::zeros_like(tensor.detach());
    tensor.set_requires_grad(true);
  }
}

void Trainer::step(double rate) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> values, gradients, first, second, averages, counts;
  for (auto& [name, tensor] : parameters_) {
    values.push_back(tensor);
    gradients.push_back(tensor.mutable_grad());
    first.push_back(first_[name]);
    second.push_back(second_[name]);
    averages.push_back(average_[name]);
    counts.push_back(step_count_);
  }
  double squares = 0;
  for (const at::Tensor& norm : at::_foreach_norm(gradients, 2)) {
    squares += std::pow(norm.item<double>(), 2);
  }
  if (!std::isfinite(squares)) throw std::runtime_error("the gradient is not finite");
  const double norm = std::sqrt(squares);
  if (norm > kMaxGradient) at::_foreach_mul_(gradients, at::Scalar(kMaxGradient / norm));
  ++steps_;
  step_count_.fill_(static_cast<double>(steps_));
  at::_fused_adamw_(values, gradients, first, second, {}, counts, rate, kBeta1, kBeta2,
                    weight_decay_, kEpsilon, false, false);
  const double keep = std::min(
      max_average_, (1.0 + static_cast<double>(steps_)) / (10.0 + static_cast<double>(steps_)));
  at::_foreach_lerp_(averages, values, at::Scalar(1.0 - keep));
  at::_foreach_zero_(gradients);
}

void Trainer::save(const std::string& path,
                   const std::map<std::string, std::string>& identity) const {
  std::map<std::string, at::Tensor> all;
  const auto add = [&](const char* prefix, const std::map<std::string, at::Tensor>& tensors) {
    for (const auto& [name, tensor] : tensors) all[prefix + name] = tensor;
  };
  add("value.", parameters_);
  add("average.", average_);
  add("first.", first_);
  add("second.", second_);
  auto metadata = identity;
  metadata["step"] = std::to_string(steps_);
  metadata["milliseconds"] = std::to_string(static_cast<int64_t>(seconds * 1000));
  save_tensors(path, all, metadata);
}

bool Trainer::load(const std::string& path, const std::map<std::string, std::string>& identity) {
  if (!std::filesystem::exists(path)) return false;
  const SafetensorsFile file = read_safetensors(path);
  for (const auto& [key, value] : identity) {
    const auto found = file.metadata.find(key);
    const std::string was = found == file.metadata.end() ? "nothing" : found->second;
    if (was != value) {
      throw std::runtime_error(path + ": was written with " + key + " = " + was + ", now it is " +
                               value);
    }
  }
  const at::NoGradGuard no_grad;
  const auto all = to_tensors(file);
  const auto fetch = [&](const char* prefix, std::map<std::string, at::Tensor>& tensors) {
    for (auto& [name, tensor] : tensors) tensor.copy_(all.at(prefix + name));
  };
  fetch("value.", parameters_);
  fetch("average.", average_);
  fetch("first.", first_);
  fetch("second.", second_);
  steps_ = metadata_integer(file, "step", 0, INT64_MAX);
  seconds = static_cast<double>(metadata_integer(file, "milliseconds", 0, INT64_MAX)) / 1000;
  return true;
}

Bfloat16Guard::Bfloat16Guard(bool on) { at::autocast::set_autocast_enabled(at::kCPU, on); }

Bfloat16Guard::~Bfloat16Guard() {
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
}

bool train(Trainer& trainer, const Loop& loop,
           const std::function<at::Tensor(int64_t step)>& loss) {
  if (trainer.load(loop.checkpoint, loop.identity))
    std::printf("resumed at step %lld\n", static_cast<long long>(trainer.steps()));
  Stopwatch clock;
  double since_save = 0, since_report = 0, sum = 0;
  int64_t report_steps = 0;
  while (trainer.steps() < loop.schedule.total_steps) {
    const int64_t step = trainer.steps();
    const at::Tensor value = loss(step);
    value.backward();
    trainer.step(loop.schedule.at(step));

    const double lap = clock.lap();
    trainer.seconds += lap, since_save += lap, since_report += lap;
    sum += value.item<double>();
    if (++report_steps == kReportSteps) {
      std::printf("step %lld  loss %.4f  %.0f images/s  %.1f min\n",
                  static_cast<long long>(trainer.steps()), sum / kReportSteps,
                  static_cast<double>(kReportSteps * loop.batch) / since_report,
                  trainer.seconds / 60);
      std::fflush(stdout);
      report_steps = 0, since_report = 0, sum = 0;
    }
    const bool stop = loop.stop_after_steps > 0 && trainer.steps() >= loop.stop_after_steps;
    if (since_save > kCheckpointSeconds || stop) {
      trainer.save(loop.checkpoint, loop.identity);
      since_save = 0;
    }
    if (stop) return false;
  }
  trainer.save(loop.checkpoint, loop.identity);
  return true;
}

void write_weights(const std::string& file, std::map<std::string, at::Tensor> weights,
                   const Trainer& trainer, const Loop& loop, int64_t images,
                   std::map<std::string, std::string> metadata) {
  for (auto& [name, tensor] : weights) tensor = tensor.to(at::kHalf);
  metadata.insert(loop.identity.begin(), loop.identity.end());
  metadata["images"] = std::to_string(images);
  metadata["minutes"] = std::to_string(static_cast<int64_t>(trainer.seconds / 60 + 0.5));
  metadata.emplace("dataset", "Fashion-MNIST");
  save_tensors(file, weights, metadata);
  std::printf("wrote %s\n", file.c_str());
}

double Stopwatch::lap() {
  const auto now = std::chrono::steady_clock::now();
  const double out = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  return out;
}

}  // namespace winnow::training

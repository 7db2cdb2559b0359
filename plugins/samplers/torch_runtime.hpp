// Where and how a sampler computes with LibTorch: device, precision, threads;
// and the host's noise as tensors.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <vector>

#include "winnow/winnow.hpp"
#include "winnow/winnow_torch.hpp"

namespace winnow {

inline at::Device parse_device(const std::string& name) {
  try {
    const at::Device device(name);
    if (device.is_cpu() || (device.is_cuda() && at::hasCUDA())) return device;
  } catch (const c10::Error&) {
    throw wn::Error(WN_E_INVALID_ARGUMENT,
                    "device is \"" + name + "\", expected cpu, cuda or cuda:N");
  }
  throw wn::Error(WN_E_FAILED_PRECONDITION,
                  "device is \"" + name + "\", but this LibTorch reaches the CPU only");
}

inline at::ScalarType parse_precision(const std::string& name) {
  return name == "bf16" ? at::kBFloat16 : at::kFloat;
}

// LibTorch's number of threads belongs to the process, so it is borrowed for
// the call.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int wanted) : before_(at::get_num_threads()) {
    if (wanted > 0 && wanted != before_) at::set_num_threads(wanted);
  }
  ~ThreadsGuard() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
};

// One number per item, ready to multiply tensors of so many dimensions: float32
// [n, 1, ...] on the CPU.
template <class Items, class Number>
at::Tensor per_item(const Items& items, int64_t dimensions, const Number& number) {
  std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
  shape[0] = static_cast<int64_t>(items.size());
  at::Tensor out = at::empty(shape, at::kFloat);
  std::transform(items.begin(), items.end(), out.data_ptr<float>(),
                 [&](const auto& item) { return static_cast<float>(number(item)); });
  return out;
}

// A compact CPU tensor of ours, for the host to fill.
inline wn_tensor lend(const at::Tensor& tensor) {
  wn_tensor out{};
  out.data = tensor.data_ptr();
  out.device = {1, 0};
  out.ndim = static_cast<int32_t>(tensor.dim());
  out.dtype = wn::dtype_of<float>();
  out.shape = const_cast<int64_t*>(tensor.sizes().data());
  return out;
}

// float32 [n, latent_shape] on the CPU: what init and renoise consume, and what
// a step does.
inline at::Tensor initial_noise_of(const wn::SamplerBatch& batch) {
  const at::Tensor noise = at::empty(wn::torch_view(batch.latents_raw()).sizes(), at::kFloat);
  wn_tensor out = lend(noise);
  batch.initial_noise(out);
  return noise;
}
inline at::Tensor step_noise_of(const wn::SamplerBatch& batch) {
  const at::Tensor noise = at::empty(wn::torch_view(batch.latents_raw()).sizes(), at::kFloat);
  wn_tensor out = lend(noise);
  batch.step_noise(out);
  return noise;
}

}  // namespace winnow

// The host's tensors as at::Tensor, without a copy. A view is valid as long as the call that lent
// the tensor.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "winnow/plugin.hpp"

namespace winnow {

// float32 tensors on the CPU or a CUDA device, with or without strides.
inline at::Tensor torch_view(const wn_tensor& tensor) {
  if (tensor.dtype.code != 2 || tensor.dtype.bits != 32 || tensor.dtype.lanes != 1 ||
      (tensor.device.type != 1 && tensor.device.type != 2)) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, "found a tensor " + wn::describe(tensor) +
                                               ", expected float32 on the CPU or a CUDA device");
  }
  const at::Device device = tensor.device.type == 1
                                ? at::Device(at::kCPU)
                                : at::Device(at::kCUDA, static_cast<int8_t>(tensor.device.id));
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto count = static_cast<size_t>(tensor.ndim);
  void* data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  const at::IntArrayRef shape(tensor.shape, count);
  if (tensor.strides == nullptr) return at::from_blob(data, shape, options);
  return at::from_blob(data, shape, at::IntArrayRef(tensor.strides, count), options);
}

}  // namespace winnow

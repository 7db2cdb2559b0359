// winnow_torch.hpp: the host's tensors as at::Tensor and back, without a copy, on the CPU and CUDA.
//
// Opt-in: winnow.hpp does not include it, because it needs LibTorch (winnow_add_plugin(...
// LIBRARIES winnow::torch)). A view owns nothing: it is valid as long as the tensor it was made
// from, which for a batch means until the call returns. Writing through a view writes in place.
#pragma once

#include <ATen/ATen.h>

#include "winnow/plugin.hpp"

namespace wn::inline v1_0_rc1 {

// at::ScalarType of a DLPack type; throws INVALID_ARGUMENT for one that LibTorch does not have.
inline at::ScalarType torch_type(wn_dtype dtype) {
  struct Row {
    std::uint8_t code, bits;
    at::ScalarType type;
  };
  static constexpr Row kTypes[] = {
      {2, 32, at::kFloat},    {2, 64, at::kDouble}, {2, 16, at::kHalf},
      {4, 16, at::kBFloat16}, {0, 8, at::kChar},    {0, 16, at::kShort},
      {0, 32, at::kInt},      {0, 64, at::kLong},   {1, 8, at::kByte}};
  for (const Row& row : kTypes)
    if (row.code == dtype.code && row.bits == dtype.bits && dtype.lanes == 1) return row.type;
  throw Error(WN_E_INVALID_ARGUMENT, "found the element type " + std::to_string(dtype.code) + "/" +
                                         std::to_string(dtype.bits) +
                                         ", expected one that LibTorch has");
}

inline wn_dtype dtype_of_torch(at::ScalarType type) {
  const auto bits = static_cast<std::uint8_t>(8 * c10::elementSize(type));
  if (type == at::kBFloat16) return {4, bits, 1};
  if (at::isFloatingType(type)) return {2, bits, 1};
  if (type == at::kByte) return {1, bits, 1};
  if (at::isIntegralType(type, false)) return {0, bits, 1};
  throw Error(WN_E_INVALID_ARGUMENT, std::string("found the element type ") + c10::toString(type) +
                                         ", expected one that a wn_tensor has");
}

inline at::Device torch_device(wn_device device) {
  if (device.type == 1) return at::Device(at::kCPU);
  if (device.type == 2) return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(device.id));
  throw Error(WN_E_INVALID_ARGUMENT, "found device type " + std::to_string(device.type) +
                                         ", expected 1 (CPU) or 2 (CUDA)");
}

// A view of a tensor that the host lent, strides included.
inline at::Tensor torch_view(const wn_tensor& tensor) {
  const auto n = static_cast<std::size_t>(tensor.ndim);
  const at::Device device = torch_device(tensor.device);
  auto maker = at::for_blob(static_cast<char*>(tensor.data) + tensor.byte_offset,
                            at::IntArrayRef(tensor.shape, n));
  if (tensor.strides) maker.strides(at::IntArrayRef(tensor.strides, n));
  return maker.options(at::device(device).dtype(torch_type(tensor.dtype)))
      .target_device(device)
      .make_tensor();
}

// The way back: a wn_tensor over an at::Tensor, which it keeps alive. Neither copied nor moved,
// because raw() points into it.
class TorchTensor {
 public:
  explicit TorchTensor(at::Tensor tensor)
      : tensor_(std::move(tensor)),
        shape_(tensor_.sizes().vec()),
        strides_(tensor_.strides().vec()),
        raw_{tensor_.data_ptr(),
             {tensor_.is_cuda() ? 2 : 1, tensor_.is_cuda() ? tensor_.device().index() : 0},
             static_cast<std::int32_t>(shape_.size()),
             dtype_of_torch(tensor_.scalar_type()),
             shape_.data(),
             tensor_.is_contiguous() ? nullptr : strides_.data(),
             0} {
    if (!tensor_.is_cuda() && !tensor_.is_cpu())
      throw Error(WN_E_INVALID_ARGUMENT, "found a tensor on " + tensor_.device().str() +
                                             ", expected the CPU or a CUDA device");
  }
  TorchTensor(const TorchTensor&) = delete;
  TorchTensor& operator=(const TorchTensor&) = delete;
  wn_tensor& raw() { return raw_; }
  const at::Tensor& tensor() const { return tensor_; }

 private:
  at::Tensor tensor_;
  std::vector<std::int64_t> shape_, strides_;
  wn_tensor raw_;
};

}  // namespace wn::inline v1_0_rc1

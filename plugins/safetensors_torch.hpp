// Tensors of a safetensors file as at::Tensor, and back.
#pragma once

#include <ATen/ATen.h>

#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "safetensors.hpp"

namespace winnow {

inline const std::map<std::string, at::ScalarType>& safetensors_dtypes() {
  static const std::map<std::string, at::ScalarType> types = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
      {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
      {"U8", at::kByte},    {"BOOL", at::kBool}};
  return types;
}

// Copies every tensor, so that neither alignment nor the life of the mapping matters. Floating
// tensors arrive as `floating`.
inline std::map<std::string, at::Tensor> to_tensors(const SafetensorsFile& file,
                                                    at::ScalarType floating = at::kFloat) {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, view] : file.tensors) {
    const auto type = safetensors_dtypes().find(view.dtype);
    if (type == safetensors_dtypes().end()) {
      throw std::runtime_error(file.path + ": tensor '" + name + "' has the dtype " + view.dtype +
                               ", which LibTorch code here does not read");
    }
    at::Tensor tensor = at::empty(view.shape, type->second);
    if (view.bytes > 0) std::memcpy(tensor.data_ptr(), view.data, view.bytes);
    out[name] = tensor.is_floating_point() ? tensor.to(floating) : tensor;
  }
  return out;
}

// Writes CPU copies of `tensors`.
inline void save_tensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  std::map<std::string, at::Tensor> held;
  std::map<std::string, SafetensorsView> views;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    std::string dtype;
    for (const auto& [text, type] : safetensors_dtypes()) {
      if (type == flat.scalar_type()) dtype = text;
    }
    if (dtype.empty())
      throw std::runtime_error(path + ": tensor '" + name + "' has a dtype safetensors lacks");
    views[name] = {dtype, flat.sizes().vec(), static_cast<const std::byte*>(flat.const_data_ptr()),
                   flat.nbytes()};
    held[name] = flat;
  }
  write_safetensors(path, views, metadata);
}

}  // namespace winnow

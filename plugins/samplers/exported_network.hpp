// A network that PyTorch exported: an unpacked AOTInductor package (a folder .pt2) or TorchScript
// (a file .pt). Both are programs: whoever loads one runs it.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <vector>

namespace winnow {

class ExportedNetwork {
 public:
  // Throws std::runtime_error naming the file and LibTorch's reason.
  ExportedNetwork(const std::filesystem::path& file, at::Device device);
  ~ExportedNetwork();
  ExportedNetwork(ExportedNetwork&&) noexcept;
  ExportedNetwork& operator=(ExportedNetwork&&) noexcept;

  // Its one output. Throws std::runtime_error when there is none or another number of them, and
  // with LibTorch's reason, one line, when it fails.
  at::Tensor operator()(std::vector<at::Tensor> inputs) const;
  std::vector<at::Tensor> all(std::vector<at::Tensor> inputs) const;  // its outputs

 private:
  class Program;
  std::unique_ptr<Program> program_;
};

}  // namespace winnow

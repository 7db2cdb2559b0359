#include "exported_network.hpp"

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <optional>
#include <stdexcept>
#include <string>

namespace winnow {

class ExportedNetwork::Program {
 public:
  Program(const std::filesystem::path& file, at::Device device) {
    if (file.extension() == ".pt2") {
      const c10::DeviceIndex index = device.is_cuda() ? device.index() : c10::DeviceIndex{-1};
      package_.emplace(file.string(), "model", false, 1, index);
    } else {
      script_ = torch::jit::load(file.string(), device);
      script_->eval();
    }
  }

  at::Tensor run(std::vector<at::Tensor> inputs) {
    if (script_) {
      const c10::IValue out = script_->forward({inputs.begin(), inputs.end()});
      if (out.isTensor()) return out.toTensor();
      throw std::runtime_error("the network returns a " + out.tagKind() + ", expected one tensor");
    }
    const std::vector<at::Tensor> out = package_->boxed_run(std::move(inputs));
    if (out.size() == 1) return out[0];
    throw std::runtime_error("the network returns " + std::to_string(out.size()) +
                             " tensors, expected one");
  }

 private:
  std::optional<torch::inductor::AOTIModelPackageLoader> package_;
  std::optional<torch::jit::Module> script_;
};

ExportedNetwork::ExportedNetwork(const std::filesystem::path& file, at::Device device) try
    : program_(std::make_unique<Program>(file, device)) {
} catch (const std::exception& error) {
  const std::string why = error.what();
  throw std::runtime_error(file.string() + " cannot be loaded: " + why.substr(0, why.find('\n')));
}

ExportedNetwork::~ExportedNetwork() = default;
ExportedNetwork::ExportedNetwork(ExportedNetwork&&) noexcept = default;
ExportedNetwork& ExportedNetwork::operator=(ExportedNetwork&&) noexcept = default;

at::Tensor ExportedNetwork::operator()(std::vector<at::Tensor> inputs) const {
  return program_->run(std::move(inputs));
}

}  // namespace winnow

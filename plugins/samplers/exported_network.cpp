#include "exported_network.hpp"

#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "network_messages.hpp"

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

  std::vector<at::Tensor> run(std::vector<at::Tensor> inputs) {
    if (!script_) return package_->boxed_run(std::move(inputs));
    const c10::IValue found = script_->forward({inputs.begin(), inputs.end()});
    if (found.isTensor()) return {found.toTensor()};
    std::vector<at::Tensor> out;
    if (found.isTuple())
      for (const c10::IValue& one : found.toTupleRef().elements())
        if (one.isTensor()) out.push_back(one.toTensor());
    if (!out.empty()) return out;
    throw std::runtime_error("the network returns a " + found.tagKind() + ", expected tensors");
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
  const std::vector<at::Tensor> out = all(std::move(inputs));
  if (out.size() == 1) return out[0];
  throw std::runtime_error("the network returns " + std::to_string(out.size()) +
                           " tensors, expected one");
}

std::vector<at::Tensor> ExportedNetwork::all(std::vector<at::Tensor> inputs) const try {
  return program_->run(std::move(inputs));
} catch (const std::bad_alloc&) {
  throw;
} catch (const std::exception& error) {
  throw std::runtime_error(reason_in(error.what()));
}

}  // namespace winnow

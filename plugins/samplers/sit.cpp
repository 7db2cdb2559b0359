// winnow.sit: class-conditional SiT in pixel space (Ma et al., 2024, arXiv:2401.08740; the sampler
// of the ImageNet experiments of arXiv:2501.09732).
//
//   [sampler]
//   plugin = "winnow.sit"
//   weights = "examples/models/fashion-sit-b.safetensors"
//   solver = "heun"          # 2 NFE a step, the last 1: 13 steps are 25 NFE
//   steps = 13
//
// The network predicts v = dx/ds on the authors' clock s = 1 - t; the velocity on winnow's clock is
// u = dx/dt = -v. Guidance: v = v_null + cfg_scale (v_class - v_null). The solvers' formulas stand
// in flow_solvers.hpp, what a sampler does with them in flow_sampler.hpp. A candidate that
// asks for stochasticity s > 0 gets the SDE with s * noise_strength, whatever the solver; -1 turns
// the SDE into Euler. precision = "bf16" runs the network, not the solver, in bfloat16: faster
// where the CPU has AVX512-BF16 or AMX, or on a GPU.
#include <ATen/ATen.h>

#include <stdexcept>

#include "flow_sampler.hpp"
#include "safetensors_torch.hpp"
#include "samplers/sit_network.hpp"

namespace {

using namespace winnow;

constexpr int64_t kMaxHeads = 1024;

sit::Network load(const std::string& path, at::Device device, at::ScalarType precision) {
  try {
    const SafetensorsFile file = read_safetensors(path);
    sit::Network net =
        sit::network_from_tensors(to_tensors(file), metadata_integer(file, "heads", 1, kMaxHeads));
    if (net.config.channels != 1 && net.config.channels != 3) {
      throw std::runtime_error(path + ": the network works on " +
                               std::to_string(net.config.channels) +
                               " channels, expected pixels (1 or 3)");
    }
    sit::for_each_tensor(net, [&](const std::string&, at::Tensor& tensor) {
      tensor = tensor.to(device, precision);
    });
    return net;
  } catch (const std::runtime_error& error) {
    throw wn::Error(WN_E_INVALID_ARGUMENT, error.what());
  }
}

class Sit : public flow::FlowSampler<Sit, at::Tensor> {
 public:
  static constexpr const char* kId = "winnow.sit";
  static constexpr const char* kOptions = WINNOW_OPTIONS_WINNOW_SIT;

  Sit(const wn::Host&, const wn::Options& options)
      : FlowSampler(options), net_(load(options.path("weights").string(), device(), precision())) {}

  flow::FlowShape shape() const { return {net_.config.channels, net_.config.size}; }
  double flops() const { return sit::velocity_flops(net_.config); }

  // int64 [n]. An item whose class the network does not know fails; the others go on beside it.
  at::Tensor conditions(const wn::SamplerBatch& batch) const {
    const int64_t classes = net_.config.classes;
    at::Tensor out = at::empty({static_cast<int64_t>(batch.size())}, at::kLong);
    auto* label = out.data_ptr<int64_t>();
    for (size_t i = 0; i < batch.size(); ++i) {
      const int64_t id = batch.class_id(i);
      const bool known = id >= 0 && id < classes;
      label[i] = known ? id : classes;
      if (known || id == -1) continue;
      batch.fail(i, WN_E_INVALID_ARGUMENT,
                 "class " + std::to_string(id) + ", the model knows 0 to " +
                     std::to_string(classes - 1) + " and -1 for none");
    }
    return out.to(device());
  }

  at::Tensor with_null(const at::Tensor& label) const {
    return at::cat({label, at::full_like(label, net_.config.classes)});
  }

  at::Tensor network(const at::Tensor& x, const at::Tensor& s, const at::Tensor& label) const {
    return sit::velocity(net_, x, s, label);
  }

 private:
  sit::Network net_;
};

}  // namespace

WN_EXPORT_PLUGINS(Sit)

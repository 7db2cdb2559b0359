// The text-conditional SiT against the values that text_sit.py got from numpy in float64.
#include "samplers/text_sit_network.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <fstream>

#include "safetensors_torch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

const std::vector<std::vector<int64_t>> kTexts = {{0, 4, 3, 1, 0, 2, 5}, {}, {3}};
const std::vector<double> kTimes = {0.0, 0.35, 0.9};

at::Tensor waves(double step, double start, at::IntArrayRef shape) {
  const at::Tensor out = at::empty(shape, at::kDouble);
  double* values = out.data_ptr<double>();
  for (int64_t k = 0; k < out.numel(); ++k)
    values[k] = std::sin(step * static_cast<double>(k) + start);
  return out;
}

// The network of text_sit.py, which went through a file.
text_sit::Network network() {
  const text_sit::Config shape{.depth = 2,
                               .width = 16,
                               .heads = 2,
                               .patch = 4,
                               .channels = 3,
                               .size = 16,
                               .words = 0,
                               .length = 8,
                               .text_depth = 1};
  text_sit::Network net =
      text_sit::make_network(shape, Vocabulary({"a", "b", "c", "d", "e", "f"}), at::Generator());
  std::map<std::string, at::Tensor> tensors;
  text_sit::for_each_tensor(
      net, [&](const std::string& name, at::Tensor& tensor) { tensors[name] = tensor; });
  double j = 0;
  for (auto& [name, tensor] : tensors) {
    if (name == "pos_embed") continue;
    const bool norm = name.find("norm") != std::string::npos;
    const bool one = norm && name.find("weight") != std::string::npos;
    tensor = (0.2 * waves(0.7, j++, tensor.sizes()) + (one ? 1.0 : 0.0)).to(at::kFloat);
  }
  const test::TemporaryFolder folder;
  const std::string file = (folder / "formula.safetensors").string();
  save_tensors(file, tensors, text_sit::network_metadata(net));
  return text_sit::load_network(file);
}

TEST_CASE("the text-conditional SiT equals numpy's, text by text and in one batch", "[text]") {
  const at::NoGradGuard no_grad;
  const text_sit::Network net = network();
  constexpr double kQuarter = 1.5707963267948966;  // cos x = sin(x + pi / 2)
  std::vector<at::Tensor> pictures;
  for (int i = 0; i < 3; ++i) pictures.push_back(waves(0.11, i + kQuarter, {3, 16, 16}));
  const at::Tensor x = at::stack(pictures).to(at::kFloat);
  const at::Tensor s = at::tensor(kTimes).to(at::kFloat);
  const at::Tensor together = text_sit::velocity(net, x, s, text_sit::encode(net, kTexts));
  std::ifstream in(GOLDEN);
  int checked = 0;
  int64_t i = 0, at = 0;
  for (double value; in >> i >> at >> value; ++checked) {
    INFO(i << " " << at);
    CHECK(together[i].flatten()[at].item<double>() == Approx(value).epsilon(1e-4).margin(1e-4));
  }
  CHECK(checked == 63);
  for (int64_t item = 0; item < 3; ++item) {
    const auto texts = text_sit::encode(net, {kTexts[static_cast<size_t>(item)]});
    const at::Tensor alone =
        text_sit::velocity(net, x.narrow(0, item, 1), s.narrow(0, item, 1), texts);
    CHECK((alone[0] - together[item]).abs().max().item<double>() < 1e-5);
  }
}

}  // namespace
}  // namespace winnow

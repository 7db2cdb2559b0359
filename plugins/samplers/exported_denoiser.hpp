// The network of a bundle with all that it is told beside the latents: time,
// class or prompt, guidance. It answers with the data that it predicts.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "bundle.hpp"
#include "exported_network.hpp"
#include "prompt_rows.hpp"

namespace winnow {

// What an item asks for; class -1: none.
struct Asked {
  int64_t class_id = -1;
  std::string prompt;
};

class ExportedDenoiser {
 public:
  // What the network is told beside latents and time, in its order, each [n,
  // ...], or, with classifier-free guidance, those of no condition behind them.
  using Condition = std::vector<at::Tensor>;

  // guidance_scale below 0: that of the bundle. Runs the network once, so that
  // one of other shapes than the bundle says is found out beforehand. notice: of text encoders.
  // Throws std::runtime_error.
  ExportedDenoiser(const Bundle& bundle, at::Device device, double guidance_scale,
                   TextEncoder::Notice notice);

  int64_t passes() const { return guided() ? 2 : 1; }  // of the network per item

  // Why an item cannot be made; empty: it can. Encodes its prompt.
  std::string refusal(const Asked& asked);
  // Items that cannot be made get any condition.
  Condition conditions(const std::vector<Asked>& items);
  // d [n, latent_shape] float32 at x and the levels of the items: one NFE each.
  at::Tensor data(const at::Tensor& x, const std::vector<diffusion::Level>& at,
                  const Condition& condition) const;

 private:
  bool guided() const;
  std::vector<std::string> told() const;  // inputs behind latents, time and guidance
  at::Tensor to_network(const at::Tensor& tensor) const;
  at::Tensor labels(const std::vector<Asked>& items) const;
  at::Tensor run(const at::Tensor& x, const at::Tensor& times, const Condition& condition) const;
  void open_prompts(TextEncoder::Notice notice);
  void try_network();

  Bundle bundle_;
  at::Device device_;
  at::ScalarType precision_;
  double guidance_;
  ExportedNetwork network_;
  std::optional<PromptRows> prompts_;
};

}  // namespace winnow

// What travels with the latents of winnow.exported from step to step, item by item:
//
//   [the data predicted here, what was predicted at the steps before (the newest first), their
//   times]
//
// each prediction as long as a latent. A slot whose time is 0 holds nothing.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "winnow/winnow.hpp"
#include "winnow/winnow_torch.hpp"

namespace winnow {

class ExportedCarry {
 public:
  static int64_t size(int64_t elements, int64_t slots) { return elements * (1 + slots) + slots; }

  ExportedCarry(const wn::SamplerBatch& batch, int64_t elements, int64_t slots)
      : batch_(batch),
        all_(wn::torch_view(*batch.carry_raw())),
        elements_(elements),
        slots_(slots) {}

  at::Tensor here() const { return all_.narrow(1, 0, elements_); }  // [n, elements]; has_eval
  at::Tensor before(int64_t slot) const {
    return all_.narrow(1, (1 + slot) * elements_, elements_);
  }
  // Where item i looked, `from` first, then the steps before it as far back as they are known.
  std::vector<double> times(size_t i, double from) const {
    std::vector<double> out = {from};
    const at::Tensor kept = this->kept()[static_cast<int64_t>(i)];
    for (int64_t slot = 0; slot < slots_; ++slot) {
      const double time = kept[slot].item<float>();
      if (!(time > out.back())) break;
      out.push_back(time);
    }
    return out;
  }

  void clear() {
    all_.zero_();
    std::fill(batch_.has_eval().begin(), batch_.has_eval().end(), uint8_t{0});
  }
  // Behind a step: the newest prediction [n, elements], at the times where the step began. What was
  // predicted here is of the past.
  void push(const at::Tensor& predicted) {
    for (int64_t slot = slots_ - 1; slot > 0; --slot) {
      before(slot).copy_(before(slot - 1));
      kept().select(1, slot).copy_(kept().select(1, slot - 1));
    }
    if (slots_ > 0) before(0).copy_(predicted);
    for (size_t i = 0; slots_ > 0 && i < batch_.size(); ++i)
      kept()[static_cast<int64_t>(i)][0] = batch_.from_time()[i];
    here().zero_();  // last: `predicted` may be this very memory
    std::fill(batch_.has_eval().begin(), batch_.has_eval().end(), uint8_t{0});
  }

 private:
  at::Tensor kept() const { return all_.narrow(1, (1 + slots_) * elements_, slots_); }

  const wn::SamplerBatch& batch_;
  at::Tensor all_;
  int64_t elements_, slots_;
};

}  // namespace winnow

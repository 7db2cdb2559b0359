// fine_detail: prefers pictures with strong fine detail, seen in the frequency domain.
//   score = log10(E(|f| >= cutoff) / E(f != 0)),  E: energy of the picture's Fourier transform,
//   f in cycles per pixel (at most 0.5 along an axis); at most 0, floored at -8
// Source: De and Masilamani, "Image sharpness measure for blurred images in frequency domain",
// Procedia Engineering 64, 2013, for the idea; their threshold is relative to the largest value.
//   [[verifier]]
//   plugin = "org.example.fine_detail"
//   cutoff = 0.25
#include <c10/core/InferenceMode.h>

#include "winnow/winnow.hpp"
#include "winnow/winnow_torch.hpp"

namespace {

class FineDetailVerifier {
 public:
  static constexpr const char* kId = "org.example.fine_detail";
  static constexpr const char* kOptions = WINNOW_OPTIONS_ORG_EXAMPLE_FINE_DETAIL;

  explicit FineDetailVerifier(const wn::Options& options) : cutoff_(options.f64("cutoff")) {}

  wn::VerifierInfo info() const { return {.flags = WN_F_DETERMINISTIC}; }

  void score(const wn::VerifierBatch& batch, std::span<float> scores) {
    const c10::InferenceMode no_gradients;
    const at::Tensor samples = wn::torch_view(batch.samples_raw());  // [n, C, H, W] in [0, 1]
    const at::Tensor down = at::fft_fftfreq(samples.size(2), 1.0, samples.options());
    const at::Tensor across = at::fft_fftfreq(samples.size(3), 1.0, samples.options());
    const at::Tensor frequency = (down.unsqueeze(1).square() + across.square()).sqrt();  // [H, W]

    const at::Tensor energy = at::fft_fft2(samples).abs().square().sum(1);  // [n, H, W]
    const at::Tensor high = (energy * (frequency >= cutoff_)).sum({1, 2});
    const at::Tensor all = (energy * (frequency > 0)).sum({1, 2});
    // A picture of one colour has no detail at all.
    const at::Tensor share = at::where(all > 0, high / all, at::zeros_like(all));
    wn::TorchTensor out(share.clamp_min(1e-8).log10().to(at::kCPU, at::kFloat).contiguous());
    std::ranges::copy(wn::Tensor<float>(out.raw()).values(), scores.begin());
  }

 private:
  double cutoff_;
};

}  // namespace

WN_EXPORT_PLUGINS(FineDetailVerifier)

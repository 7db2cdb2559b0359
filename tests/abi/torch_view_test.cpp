// torch_view_test.cpp: winnow_torch.hpp views memory in place, both ways. Its CUDA half runs where
// there is a GPU.
#include "winnow/winnow_torch.hpp"
// LibTorch and Catch2 both call a macro CHECK; the one of Catch2 is meant below.
#undef CHECK
#include "tests/support/catch.hpp"

namespace {

std::vector<at::Device> devices() {
  std::vector<at::Device> out{at::kCPU};
  if (at::hasCUDA()) out.emplace_back(at::kCUDA, 0);
  return out;
}

}  // namespace

TEST_CASE("a view is the same memory, with type, shape and device", "[torch]") {
  for (const at::Device device : devices())
    for (const auto type : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                            at::kShort, at::kChar, at::kByte}) {
      wn::TorchTensor lent(at::arange(24, at::device(device).dtype(type)).reshape({2, 3, 4}));
      at::Tensor view = wn::torch_view(lent.raw());
      CHECK(view.data_ptr() == lent.tensor().data_ptr());
      CHECK(view.device() == device);
      CHECK(view.scalar_type() == type);
      CHECK(at::equal(view, lent.tensor()));
      view[1][2][3] = 100;
      CHECK(lent.tensor()[1][2][3].item<double>() == 100);
    }
}

TEST_CASE("strides and offsets survive the way there and back", "[torch]") {
  for (const at::Device device : devices()) {
    const at::Tensor whole =
        at::arange(60, at::device(device).dtype(at::kFloat)).reshape({3, 4, 5});
    wn::TorchTensor lent(whole.slice(1, 1, 3).transpose(0, 2));
    REQUIRE(lent.raw().strides != nullptr);
    const at::Tensor view = wn::torch_view(lent.raw());
    CHECK(view.strides() == lent.tensor().strides());
    CHECK(at::equal(view, lent.tensor()));

    wn_tensor shifted = lent.raw();
    shifted.byte_offset = 5 * sizeof(float);
    CHECK(at::equal(wn::torch_view(shifted), whole.slice(1, 2, 4).transpose(0, 2)));
  }
}

TEST_CASE("an empty tensor and a scalar have views", "[torch]") {
  wn::TorchTensor empty(at::empty({0, 3})), scalar(at::scalar_tensor(2.5));
  CHECK(wn::torch_view(empty.raw()).sizes() == at::IntArrayRef({0, 3}));
  CHECK(wn::torch_view(scalar.raw()).item<double>() == 2.5);
}

TEST_CASE("what has no view is refused with what was found", "[torch]") {
  wn::TorchTensor lent(at::zeros({2}));
  wn_tensor raw = lent.raw();
  raw.dtype = {2, 80, 1};
  CHECK_THROWS_WITH(wn::torch_view(raw), Catch::Contains("element type 2/80"));
  raw = lent.raw();
  raw.device.type = 4;
  CHECK_THROWS_WITH(wn::torch_view(raw), Catch::Contains("device type 4"));
  CHECK_THROWS_AS(wn::TorchTensor(at::zeros({2}, at::kComplexFloat)), wn::Error);
}

// The published architectures against the values of their references: SiT S, B, L and XL by
// sit_reference.py, the decoder of AutoencoderKL by vae_reference.py. All weights are hashed.
#include <c10/core/InferenceMode.h>

#include <map>

#include "plugins/samplers/sit_network.hpp"
#include "plugins/samplers/vae_network.hpp"
#include "tests/golden/golden_values.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/published_weights.hpp"

namespace winnow {
namespace {

using namespace winnow::test;

void check_forward(const std::string& size) {
  const c10::InferenceMode guard;
  const sit::Network net = published_sit(size, 32);
  const at::Tensor x = hashed("x", {2, 4, 32, 32}, 1.7);
  const at::Tensor s = at::tensor({0.25f, 0.75f}), label = at::tensor({7, 1000}, at::kLong);
  check_golden("sit_reference.txt", "forward." + size, sit::velocity(net, x, s, label), 1e-5);
}

}  // namespace

TEST_CASE("the networks of SiT-S/2 and SiT-B/2 equal their reference", "[golden][sit]") {
  check_forward("S");
  check_forward("B");
}

TEST_CASE("the networks of SiT-L/2 and SiT-XL/2 equal their reference", "[golden][sit][slow]") {
  check_forward("L");
  check_forward("XL");
}

TEST_CASE("Stable Diffusion's decoder equals diffusers'", "[golden][vae]") {
  const c10::InferenceMode guard;
  const auto decoder = vae::decoder_from_tensors(published_vae({128, 256, 512, 512}, 2, 4));
  CHECK(decoder.factor == 8);
  const at::Tensor picture = vae::decode(decoder, hashed("z", {1, 4, 8, 8}, 1.7));
  check_golden("vae_reference.txt", "stable_diffusion", picture, 1e-4);
}

TEST_CASE("a decoder of sixteen channels equals diffusers'", "[golden][vae]") {
  const c10::InferenceMode guard;
  const auto decoder = vae::decoder_from_tensors(published_vae({32, 64}, 1, 16, false));
  const at::Tensor z = hashed("z", {2, 16, 6, 10}, 1.7);
  check_golden("vae_reference.txt", "sixteen_channels", vae::decode(decoder, z), 1e-4);
}

TEST_CASE("a picture decoded in tiles equals diffusers'", "[golden][vae]") {
  const c10::InferenceMode guard;
  const auto decoder = vae::decoder_from_tensors(published_vae({32, 64}, 1, 4));
  const at::Tensor z = hashed("z", {2, 4, 20, 13}, 1.7);
  check_golden("vae_reference.txt", "small", vae::decode(decoder, z), 1e-4);
  check_golden("vae_reference.txt", "small", vae::decode_tiled(decoder, z, 20), 1e-4);
  check_golden("vae_reference.txt", "tiled", vae::decode_tiled(decoder, z, 8), 1e-4);
}

TEST_CASE("the older names of a decoder's attention are read, and an encoder is left alone",
          "[golden][vae]") {
  const c10::InferenceMode guard;
  auto tensors = published_vae({32, 64}, 1, 4);
  const at::Tensor z = hashed("z", {1, 4, 4, 4}, 1.7);
  const at::Tensor expected = vae::decode(vae::decoder_from_tensors(tensors), z);
  const std::string attention = "decoder.mid_block.attentions.0.";
  for (const auto& [now, older] : std::map<std::string, std::string>{
           {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}}) {
    for (const char* part : {".weight", ".bias"}) {
      const auto node = tensors.extract(attention + now + part);
      const at::Tensor& old = node.mapped();
      tensors[attention + older + part] = old.dim() == 2 ? old.unsqueeze(2).unsqueeze(3) : old;
    }
  }
  tensors["encoder.conv_in.weight"] = at::zeros({32, 3, 3, 3});
  CHECK(at::equal(vae::decode(vae::decoder_from_tensors(tensors), z), expected));
}

TEST_CASE("a decoder with a tensor missing, left over or of the wrong shape is refused",
          "[golden][vae]") {
  auto tensors = published_vae({32, 64}, 1, 4);
  const auto refused = [&] { return vae::decoder_from_tensors(tensors); };
  SECTION("missing") {
    tensors.erase("decoder.mid_block.resnets.1.conv2.bias");
    CHECK_THROWS_WITH(refused(),
                      Catch::Contains("'decoder.mid_block.resnets.1.conv2.bias' is missing"));
  }
  SECTION("left over") {
    tensors["decoder.up_blocks.7.resnets.0.conv1.weight"] = at::zeros({1});
    CHECK_THROWS_WITH(refused(), Catch::Contains("up_blocks.7") && Catch::Contains("no part"));
  }
  SECTION("of the wrong shape") {
    tensors["decoder.conv_norm_out.weight"] = at::zeros({33});
    CHECK_THROWS_WITH(refused(), Catch::Contains("has the shape [33], expected [32]"));
  }
  SECTION("no groups of channels") {
    tensors["decoder.conv_in.weight"] = at::zeros({48, 4, 3, 3});
    tensors["decoder.conv_in.bias"] = at::zeros({48});
    CHECK_THROWS_WITH(refused(), Catch::Contains("48 channels, a multiple of 32"));
  }
}

}  // namespace winnow

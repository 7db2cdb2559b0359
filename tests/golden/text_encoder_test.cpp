// Text encoders of bundles against what their pipelines make of the same prompts (exported.py).
#include "plugins/samplers/text_encoder.hpp"

#include <ATen/ATen.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/samplers/encoded_prompts.hpp"
#include "plugins/samplers/network_messages.hpp"
#include "plugins/samplers/tokenizer/lower_strip.hpp"
#include "tests/support/catch.hpp"

namespace winnow {
namespace {

namespace fs = std::filesystem;

fs::path bundles() {
  const char* other = std::getenv("WINNOW_TEST_BUNDLES");
  return other ? other : BUNDLES;
}

// A bundle with its text encoder, and what this has to say.
struct Desk {
  explicit Desk(const std::string& name, size_t kept_bytes = TextEncoder::kKeptBytes)
      : bundle(read_bundle(bundles() / name, TORCH_VERSION, at::get_cpu_capability())),
        encoder(
            bundle, names(), at::kCPU, [this](const std::string& text) { notices.push_back(text); },
            kept_bytes) {}

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const std::string& input : bundle.inputs)
      if (bundle.rows.count(input)) out.push_back(input);
    return out;
  }

  Bundle bundle;
  std::vector<std::string> notices;
  TextEncoder encoder;
};

// As a share of the root mean square; equal ones, as zeros and masks are, do not differ.
double difference(const at::Tensor& found, const at::Tensor& expected) {
  REQUIRE(found.sizes() == expected.sizes());
  if (at::equal(found.to(expected.scalar_type()), expected)) return 0;
  const at::Tensor worst = (found - expected).abs().max();
  return (worst / expected.to(at::kFloat).square().mean().sqrt()).item<double>();
}

}  // namespace

TEST_CASE("text encoders make of every prompt what their pipelines do", "[golden][exported]") {
  size_t checked = 0;
  for (const auto& entry : fs::directory_iterator(bundles())) {
    const std::string name = entry.path().filename().string();
    const fs::path texts = bundles() / (name + ".texts.safetensors");
    if (!entry.is_directory() || !fs::exists(texts)) continue;
    Desk desk(name);
    const EncodedPrompts expected(texts.string(), desk.bundle.rows);
    std::ifstream in(bundles() / (name + ".json"));
    const nlohmann::json golden = nlohmann::json::parse(in);
    for (const std::string text : golden["texts"]) {
      const TextEncoder::Rows rows = desk.encoder.encode(text);
      for (size_t k = 0; k < rows.size(); ++k) {
        INFO(name << ": " << desk.names()[k] << " of '" << text << "'");
        CHECK(difference(rows[k], expected.row(desk.names()[k], text)) < 1e-5);
        CHECK((rows[k].scalar_type() == at::kFloat || rows[k].scalar_type() == at::kLong));
        ++checked;
      }
    }
  }
  CHECK(checked > 0);
}

TEST_CASE("prompts are encoded once, and again where there is no room to keep them", "[exported]") {
  Desk desk("flux"), narrow("flux", 1);
  const auto first = desk.encoder.encode("a red circle");
  desk.encoder.encode("a blue square");
  CHECK(desk.encoder.encode("a red circle")[0].data_ptr() == first[0].data_ptr());
  narrow.encoder.encode("a red circle");
  narrow.encoder.encode("a blue square");
  const auto again = narrow.encoder.encode("a red circle");
  CHECK(at::equal(again[0], first[0]));
  CHECK(at::equal(again[1], first[1]));
}

TEST_CASE("of a prompt that is too long the part is named that is not seen, once", "[exported]") {
  Desk desk("flux", 1);
  std::string prompt = "a photo of a cat, \u00e9t\u00e9, 8k, ";
  prompt.append(300, 'x');
  for (int i = 0; i < 2; ++i) {
    desk.encoder.encode(prompt);
    desk.encoder.encode("a cat");
  }
  REQUIRE(desk.notices.size() == 2);  // one for each tokenizer
  for (const std::string& notice : desk.notices) {
    CHECK_THAT(notice, Catch::Contains("the prompt 'a photo of a cat") &&
                           Catch::Contains("is longer than the 16 tokens of tokenizer") &&
                           Catch::Contains("so this part is not seen: '") &&
                           Catch::Contains("xxx…'"));
    CHECK_THAT(notice, !Catch::Contains("not seen: 'a photo"));
  }
}

TEST_CASE("a prompt that is not UTF-8 is refused", "[exported]") {
  Desk desk("flux");
  CHECK_THROWS_WITH(desk.encoder.encode("a \xc3"), Catch::Contains("UTF-8"));
}

TEST_CASE("of what LibTorch says the reason is shown, not where it was noticed", "[exported]") {
  CHECK(reason_in("CUDA error: misaligned address\nCompile with TORCH_USE_CUDA_DSA\n"
                  "Exception raised from f at g (most recent call first):\nframe #0: h\n") ==
        "CUDA error: misaligned address");
  CHECK(reason_in("The following operation failed in the TorchScript interpreter.\n"
                  "Traceback of TorchScript (most recent call last):\n  at f\nRuntimeError: b\n") ==
        "RuntimeError: b");
}

TEST_CASE("lower_strip does what Python's lower and strip do", "[exported]") {
  using tokenizer::lower_strip;
  CHECK(lower_strip("") == "");
  CHECK(lower_strip(" \t\x1f\u00a0\u3000 \x1c") == "");
  CHECK(lower_strip("\u2003A  B\u200b ") == "a  b\u200b");
  CHECK(lower_strip("\u038c\u03a3\u039f\u03a3. \u03a3") == "\u03cc\u03c3\u03bf\u03c2. \u03c3");
  CHECK(lower_strip("\u0130\u1e9e") == "i\u0307\u00df");
  CHECK_THROWS_WITH(lower_strip("\xff"), Catch::Contains("UTF-8"));
}

}  // namespace winnow

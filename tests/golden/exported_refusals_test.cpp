// What winnow.exported refuses before anything is spent, each with one sentence: copies of the
// committed bundles, each with one thing wrong.
#include <fstream>

#include "host/sha256.hpp"
#include "tests/golden/exported_bench.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace winnow {
namespace {

using namespace winnow::test;
namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A copy of a bundle that can be changed.
class Copy {
 public:
  explicit Copy(const std::string& name = "sd15") {
    fs::copy(bundles() / name, path(), fs::copy_options::recursive);
  }
  fs::path path() const { return folder_ / "bundle"; }

  // In bundle.toml, once.
  Copy& replace(const std::string& before, const std::string& after) {
    std::string text = read(path() / "bundle.toml");
    const size_t at = text.find(before);
    REQUIRE(at != text.npos);
    write_bytes(path() / "bundle.toml", text.replace(at, before.size(), after));
    return *this;
  }
  // The file's bytes, and its hash in bundle.toml.
  Copy& put(const std::string& file, const std::string& bytes) {
    const std::string before = sha256_hex(read(path() / file));
    write_bytes(path() / file, bytes);
    return replace(before, sha256_hex(bytes));
  }
  // As if it had been exported without prompts.
  Copy& drop_prompts() {
    const std::string hash = sha256_hex(read(path() / "prompts.safetensors"));
    fs::remove(path() / "prompts.safetensors");
    return replace("file = \"prompts.safetensors\"\n", "")
        .replace("\"prompts.safetensors\" = \"" + hash + "\"\n", "");
  }
  std::string refusal(const ExportedSettings& settings = {}) const {
    try {
      ExportedBench bench(path(), settings);
    } catch (const Error& error) {
      return error.what();
    }
    return "it was taken";
  }

 private:
  TemporaryFolder folder_;
};

using Catch::Contains;

}  // namespace

TEST_CASE("a folder that is no bundle, and a bundle that cannot be read", "[exported]") {
  Copy copy;
  fs::remove(copy.path() / "bundle.toml");
  CHECK_THAT(copy.refusal(), Contains("is no bundle: it has no bundle.toml"));
  CHECK_THAT(Copy().replace("[latents]", "[latents").refusal(), Contains("bundle.toml:"));
  CHECK_THAT(Copy().replace("format = 1", "format = 2").refusal(),
             Contains("format is 2, this winnow reads 1: export the pipeline again"));
  CHECK_THAT(Copy().replace("format = 1", "format = 1\nnew = 2").refusal(),
             Contains("new is not known"));
}

TEST_CASE("a program compiled by another torch, or for more of a CPU", "[exported]") {
  const auto compiled = [](Copy& copy) -> Copy& {
    fs::rename(copy.path() / "denoiser.pt", copy.path() / "denoiser.pt2");
    return copy.replace("denoiser.pt", "denoiser.pt2")
        .replace("\"denoiser.pt\"", "\"denoiser.pt2\"");
  };
  Copy old, other;
  CHECK_THAT(compiled(old).replace("torch = \"", "torch = \"1.").refusal(),
             Contains("compiled by torch 1.") && Contains("this winnow runs LibTorch") &&
                 Contains("--format torchscript"));
  CHECK_THAT(compiled(other).replace("cpu = \"", "cpu = \"X").refusal(),
             Contains("compiled for a CPU with X"));
  Copy script;  // TorchScript is not compiled
  CHECK(script.replace("torch = \"", "torch = \"1.").refusal() == "it was taken");
}

TEST_CASE("files that differ from their hash, are missing, or are not named", "[exported]") {
  Copy changed, missing, further, escape;
  write_bytes(changed.path() / "denoiser.pt", read(changed.path() / "denoiser.pt") + " ");
  CHECK_THAT(changed.refusal(),
             Contains("denoiser.pt is not the file that was exported: its sha256"));
  fs::remove(missing.path() / "prompts.safetensors");
  CHECK_THAT(missing.refusal(),
             Contains("condition.file is \"prompts.safetensors\", which is missing"));
  write_bytes(further.path() / "plan.txt", "x");
  CHECK_THAT(further.refusal(), Contains("does not name the file 'plan.txt' beside it"));
  CHECK_THAT(escape.replace("file = \"denoiser.pt\"", "file = \"../denoiser.pt\"").refusal(),
             Contains("expected a file within the bundle"));
  CHECK_THAT(Copy().put("denoiser.pt", "PK no archive").refusal(),
             Contains("denoiser.pt cannot be loaded"));
}

TEST_CASE("a schedule, prediction or guidance that is not known", "[exported]") {
  CHECK_THAT(Copy().replace("solver = \"ddim\"", "solver = \"unipc\"").refusal(),
             Contains("schedule.solver") && Contains("\"unipc\", expected one of euler, heun"));
  CHECK_THAT(Copy().replace("kind = \"discrete\"", "kind = \"cosmic\"").refusal(),
             Contains("schedule.kind is \"cosmic\", expected one of discrete, flow"));
  CHECK_THAT(
      Copy().replace("\"epsilon\"", "\"score\"").refusal(),
      Contains("denoiser.prediction is \"score\", expected one of epsilon, v, sample, flow"));
  CHECK_THAT(Copy().replace("\"epsilon\"", "\"flow\"").refusal(),
             Contains("schedule.kind does not fit denoiser.prediction"));
  CHECK_THAT(Copy().replace("\"classifier-free\"", "\"distilled\"").refusal(),
             Contains("third input of the denoiser is not \"guidance\""));
  CHECK_THAT(Copy().replace("beta_start = 0.00085", "beta_start = -1").refusal(),
             Contains("schedule.beta_start is -1, expected 0 to 1"));
}

TEST_CASE("latents and prompts of other shapes", "[exported]") {
  CHECK_THAT(Copy().replace("shape = [4, 8, 8]", "shape = [5, 8, 8]").refusal(),
             Contains("latents [1, 5, 8, 8]"));
  CHECK_THAT(Copy("flux").replace("shape = [4, 8, 8]", "shape = [16, 8, 8]").refusal(),
             Contains("the decoder takes latents of 4 channels and two sides, those of the bundle "
                      "have 16 channels"));
  CHECK_THAT(Copy("ddpm").replace("shape = [3, 8, 8]", "shape = [4, 8, 8]").refusal(),
             Contains("decoder is missing, and the latents have 4 channels"));
  CHECK_THAT(Copy().replace("states = [16, 16]", "states = [77, 768]").refusal(),
             Contains("tensor 'states' is [3, 16, 16], expected [3, 77, 768]"));
  CHECK_THAT(Copy("ltx").replace("picture = [3, 5, 32", "picture = [3, 5, 1048576").refusal(),
             Contains("5 frames side by side are a picture of 160 x 1048576 pixels") &&
                 Contains("show fewer with the option frames"));
  Copy other;
  CHECK_THAT(other.refusal({.prompts = (bundles() / "flux" / "prompts.safetensors").string()}),
             Contains("it was taken"));  // the same shapes, though of another text encoder
  CHECK_THAT(
      Copy("flux").refusal({.prompts = (bundles() / "sd15" / "prompts.safetensors").string()}),
      Contains("tensor 'pooled' is missing"));
  CHECK_THAT(Copy("flux").refusal({.negative_prompt = "blurry"}),
             Contains("negative_prompt is 'blurry'") && Contains("no classifier-free guidance"));
  CHECK_THAT(Copy("ddpm").refusal({.prompts = (bundles() / "sd15/prompts.safetensors").string()}),
             Contains("takes no prompts"));
  CHECK_THAT(Copy("flux")
                 .put("decoder.safetensors", read(bundles() / "flux/prompts.safetensors"))
                 .refusal(),
             Contains("'decoder.conv_in.weight' is missing"));
}

TEST_CASE("a decoder that is another program than bundle.toml says", "[exported]") {
  const auto with = [](const fs::path& decoder) {
    return Copy().put("decoder.pt", read(bundles() / decoder)).refusal();
  };
  const std::string video = with("ltx/decoder.pt"), no_decoder = with("sd15/denoiser.pt");
  CHECK_THAT(video,
             Contains("decoder.pt: the decoder, given latents [1, 4, 8, 8], makes [1, 3, 13, "
                      "32, 32], expected [1, 3, 16, 16]"));
  CHECK_THAT(no_decoder, Contains("decoder.pt: the decoder, given latents [1, 4, 8, 8], fails: "));
  CHECK(no_decoder.find('\n') == std::string::npos);
  CHECK(no_decoder.find("frame #") == std::string::npos);
}

TEST_CASE("text encoders and tokenizers that do not fit together", "[exported]") {
  const auto flux = [] { return std::make_unique<Copy>("flux"); };
  CHECK(flux()->drop_prompts().refusal() == "it was taken");
  auto missing = flux();
  fs::remove(missing->path() / "tokenizer.json");
  CHECK_THAT(missing->refusal(), Contains("text_encoder.tokenizer.file is \"tokenizer.json\", "
                                          "which is missing in the bundle"));
  CHECK_THAT(flux()->put("tokenizer.json", "{").refusal(), Contains("tokenizer.json: "));
  auto other = flux();
  CHECK_THAT(other->put("tokenizer.json", read(other->path() / "tokenizer_2.json")).refusal(),
             Contains("tokenizer.json: 'a photo of an astronaut riding a horse' has the ids [") &&
                 Contains("this is not the tokenizer that the bundle was exported with"));
  CHECK_THAT(flux()->replace("rows = 896", "rows = 895").refusal(),
             Contains("ids go up to 895, but the text encoder has 895 embeddings"));
  CHECK_THAT(flux()->replace("length = 16", "length = 77").refusal(),
             Contains("a prompt has 16 ids, bundle.toml says 77"));
  CHECK_THAT(flux()->replace("prepare = \"none\"", "prepare = \"upper\"").refusal(),
             Contains("text_encoder.prepare is \"upper\", expected one of none, lower_strip"));
  CHECK_THAT(flux()->replace("samples = [", "samples = [\"more\", ").refusal(),
             Contains("samples has 5 texts and ids has 4 lists"));
  CHECK_THAT(flux()->drop_prompts().replace("pooled = [16]", "pooled = [768]").refusal(),
             Contains("the text encoder makes 'pooled' [1, 16], expected [1, 768]"));
  auto program = flux();
  CHECK_THAT(program->put("text_encoder.pt", read(program->path() / "denoiser.pt")).refusal(),
             Contains("text_encoder.pt: the text encoder, given ids and masks [1, 16]"));
  CHECK_THAT(Copy("sd15").replace("file = \"prompts.safetensors\"\n", "").refusal(),
             Contains("condition.file is missing"));
}

}  // namespace winnow

// What searching bought, measured on the samples of finished run directories:
//
//   quickstart_metrics --classifier fashion-classifier.safetensors --judge
//   fashion-judge.safetensors RUN...
//
// One Markdown row per run, one for the first candidates of the first run (no search), one for as
// many real images.
#include <spng.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "fashion_mnist.hpp"
#include "sample_quality.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow::training;
namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Samples {
  at::Tensor images;  // [n, 1, 28, 28] in [0, 1]
  at::Tensor labels;  // int64 [n]
};

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error(path.string() + ": cannot be opened");
  return {std::istreambuf_iterator<char>(in), {}};
}

// Grey pixels [28, 28].
std::vector<uint8_t> read_png(const fs::path& path) {
  const std::string bytes = read_file(path);
  const std::unique_ptr<spng_ctx, void (*)(spng_ctx*)> png(spng_ctx_new(0), spng_ctx_free);
  spng_ihdr header{};
  int error = spng_set_png_buffer(png.get(), bytes.data(), bytes.size());
  if (error == 0) error = spng_get_ihdr(png.get(), &header);
  if (error == 0 && (header.width != kSide || header.height != kSide)) {
    throw std::runtime_error(path.string() + ": is " + std::to_string(header.width) + "x" +
                             std::to_string(header.height) + ", expected 28x28");
  }
  std::vector<uint8_t> pixels(kSide * kSide);
  if (error == 0)
    error = spng_decode_image(png.get(), pixels.data(), pixels.size(), SPNG_FMT_G8, 0);
  if (error != 0) throw std::runtime_error(path.string() + ": " + spng_strerror(error));
  return pixels;
}

// The winners of a run, or, with `first`, the first candidate of each task.
Samples read_run(const fs::path& run, bool first) {
  const fs::path file = run / "summary.json";
  const Json summary = Json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!summary.is_object() || !summary.contains("tasks")) {
    throw std::runtime_error(file.string() + ": is not the summary of a finished run");
  }
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  for (const Json& task : summary.at("tasks")) {
    const Json found = first ? task.value("first", Json::object()) : task;
    if (!found.contains("sample") || !task.at("condition").contains("class")) continue;
    const auto image = read_png(run / found.at("sample").get<std::string>());
    pixels.insert(pixels.end(), image.begin(), image.end());
    labels.push_back(task.at("condition").at("class"));
  }
  const auto n = static_cast<int64_t>(labels.size());
  if (n < 2)
    throw std::runtime_error(file.string() + ": names fewer than two samples with a class");
  return {at::tensor(pixels, at::kByte).view({n, 1, kSide, kSide}).to(at::kFloat) / 255.0,
          at::tensor(labels, at::kLong)};
}

int run(Options& options) {
  const Ruler ruler(options.text("classifier", "examples/models/fashion-classifier.safetensors"),
                    options.text("judge", "examples/models/fashion-judge.safetensors"),
                    options.text("data", kDefaultData));
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  const std::vector<std::string>& runs = options.rest();
  options.check_all_used();
  if (runs.empty()) throw std::runtime_error("name at least one run directory");

  std::fputs(table_header().c_str(), stdout);
  std::set<int64_t> sizes;
  const auto print = [&](const std::string& name, const Samples& samples) {
    sizes.insert(samples.images.size(0));
    std::fputs(table_row(name, ruler.measure(samples.images, samples.labels)).c_str(), stdout);
  };
  print("first candidates of " + runs[0], read_run(runs[0], true));
  for (const std::string& name : runs) print(name, read_run(name, false));
  for (const int64_t n : sizes) {
    std::fputs(table_row("real test images", ruler.measure_real(n, seed)).c_str(), stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "quickstart_metrics: %s\n", e.what());
    return 1;
  }
}

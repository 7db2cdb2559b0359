// What searching bought, measured on the samples of finished run directories:
//
//   quickstart_metrics [--classifier FILE] [--judge FILE] RUN...
//   quickstart_metrics --of 1,2,4,8,16 [--score class_probability] RUN...
//
// The first form gives one Markdown row per run, one for the first candidates of the first run (no
// search), one for as many real images. The second takes runs of one config with different seeds
// that kept every candidate (output.keep = "all"): for each N it takes the best of the first N
// candidates of each task, which is what a run with N candidates would have handed out, and gives
// the mean over the runs with a 95 % interval (Student's t).
#include <spng.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
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

// Grey pixels [28, 28]; `recipe` receives the text that winnow puts into its pictures.
std::vector<uint8_t> read_png(const fs::path& path, Json* recipe = nullptr) {
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
  if (!recipe) return pixels;
  uint32_t count = 0;
  if (spng_get_text(png.get(), nullptr, &count) != 0 || count == 0)
    throw std::runtime_error(path.string() + ": holds no recipe");
  std::vector<spng_text> texts(count);
  spng_get_text(png.get(), texts.data(), &count);
  *recipe = Json::parse(texts[0].text);
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

// Every candidate of every task of a run that kept them all.
struct Kept {
  struct One {
    double score = 0;
    std::vector<uint8_t> pixels;
  };
  std::vector<int64_t> labels;                      // by task
  std::vector<std::map<uint64_t, One>> candidates;  // by task, then id: the order of proposal
};

Kept read_kept(const fs::path& run, const std::string& score) {
  const Json summary = Json::parse(read_file(run / "summary.json"));
  Kept kept;
  for (const Json& task : summary.at("tasks"))
    kept.labels.push_back(task.at("condition").at("class"));
  kept.candidates.resize(kept.labels.size());
  for (const auto& entry : fs::directory_iterator(run / "samples")) {
    if (entry.path().filename().string().find("-c") == std::string::npos) continue;
    Json recipe;
    Kept::One one;
    one.pixels = read_png(entry.path(), &recipe);
    one.score = recipe.at("scores").at(score);
    kept.candidates.at(recipe.at("task")).emplace(recipe.at("candidate"), std::move(one));
  }
  return kept;
}

Samples best_of_first(const Kept& kept, std::size_t n, const fs::path& run) {
  std::vector<uint8_t> pixels;
  for (std::size_t task = 0; task < kept.labels.size(); ++task) {
    if (kept.candidates[task].size() < n)
      throw std::runtime_error(run.string() + ": task " + std::to_string(task) + " kept " +
                               std::to_string(kept.candidates[task].size()) + " candidates, " +
                               std::to_string(n) + " are wanted (output.keep = \"all\"?)");
    const Kept::One* best = nullptr;
    std::size_t seen = 0;
    for (const auto& [id, one] : kept.candidates[task]) {
      if (seen++ == n) break;
      if (!best || one.score > best->score) best = &one;
    }
    pixels.insert(pixels.end(), best->pixels.begin(), best->pixels.end());
  }
  const auto tasks = static_cast<int64_t>(kept.labels.size());
  return {at::tensor(pixels, at::kByte).view({tasks, 1, kSide, kSide}).to(at::kFloat) / 255.0,
          at::tensor(kept.labels, at::kLong)};
}

// Mean and half-width of the 95 % interval by Student's t; few runs, so the quantiles are a table.
std::string mean_text(const std::vector<double>& values) {
  constexpr double kT[] = {0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
  const auto n = static_cast<double>(values.size());
  double mean = 0, squares = 0;
  for (double v : values) mean += v / n;
  for (double v : values) squares += (v - mean) * (v - mean);
  char text[64];
  if (values.size() < 2) {
    std::snprintf(text, sizeof text, "%.3f", mean);
  } else {
    const double t = values.size() <= 10 ? kT[values.size() - 1] : 1.96;
    std::snprintf(text, sizeof text, "%.3f ± %.3f", mean, t * std::sqrt(squares / (n - 1) / n));
  }
  return text;
}

struct Column {
  std::vector<double> inception, frechet, judge;
  void add(const SampleQuality& q) {
    inception.push_back(q.inception_score);
    frechet.push_back(q.frechet);
    judge.push_back(q.judge_accuracy);
  }
  void print(const std::string& name) const {
    std::printf("| %s | %s | %s | %s |\n", name.c_str(), mean_text(inception).c_str(),
                mean_text(frechet).c_str(), mean_text(judge).c_str());
  }
};

std::vector<std::size_t> parse_counts(const std::string& text) {
  std::vector<std::size_t> counts;
  std::istringstream in(text);
  for (std::string word; std::getline(in, word, ',');) counts.push_back(std::stoul(word));
  return counts;
}

void print_curve(const Ruler& ruler, const std::vector<std::string>& runs,
                 const std::vector<std::size_t>& counts, const std::string& score) {
  std::map<std::size_t, Column> by_count;
  Column real;
  std::puts(
      "| run | N | Inception Score | Fréchet distance | judge's accuracy |\n|---|---|---|---|---|");
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const Kept kept = read_kept(runs[r], score);
    for (std::size_t n : counts) {
      const Samples samples = best_of_first(kept, n, runs[r]);
      const SampleQuality q = ruler.measure(samples.images, samples.labels);
      by_count[n].add(q);
      std::printf("| %s | %zu | %.3f | %.3f | %.3f |\n", runs[r].c_str(), n, q.inception_score,
                  q.frechet, q.judge_accuracy);
    }
    real.add(ruler.measure_real(static_cast<int64_t>(kept.labels.size()), r + 1));
  }
  std::printf(
      "\nMean over %zu runs:\n\n| N | Inception Score | Fréchet distance | judge's accuracy "
      "|\n|---|---|---|---|\n",
      runs.size());
  for (const auto& [n, column] : by_count) column.print(std::to_string(n));
  real.print("real test images");
}

int run(Options& options) {
  const Ruler ruler(options.text("classifier", "examples/models/fashion-classifier.safetensors"),
                    options.text("judge", "examples/models/fashion-judge.safetensors"),
                    options.text("data", kDefaultData));
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  const std::vector<std::size_t> counts = parse_counts(options.text("of", ""));
  const std::string score = options.text("score", "class_probability");
  const std::vector<std::string>& runs = options.rest();
  options.check_all_used();
  if (runs.empty()) throw std::runtime_error("name at least one run directory");
  if (!counts.empty()) {
    print_curve(ruler, runs, counts, score);
    return 0;
  }

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

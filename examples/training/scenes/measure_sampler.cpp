// How often a text-conditional SiT shows exactly what a prompt asks for, without search.
//
//   measure_scene_sampler --weights work/scenes-s/weights.safetensors --count 100 --steps 12
//
// One picture for each of the first --count prompts of each category, by Euler steps of equal
// length. The intervals are Wilson's, 95 %.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "contrastive.hpp"
#include "samplers/flow_solvers.hpp"
#include "samplers/text_sit_network.hpp"
#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/match.hpp"
#include "scenes/read_picture.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow;
using namespace winnow::training;

constexpr uint64_t kSample = 3;
constexpr int64_t kBatch = 50;

std::vector<std::string> prompts_of(const std::string& file, int64_t count) {
  std::ifstream in(file);
  std::vector<std::string> out;
  for (std::string line; static_cast<int64_t>(out.size()) < count && std::getline(in, line);) {
    out.push_back(nlohmann::json::parse(line).at("prompt"));
  }
  if (out.empty()) throw std::runtime_error("no prompts in " + file);
  return out;
}

// In [0, 1].
at::Tensor sample(const text_sit::Network& net, const std::vector<std::string>& prompts,
                  uint32_t steps, double guidance, at::Generator generator) {
  const at::NoGradGuard no_grad;
  const text_sit::Config& c = net.config;
  std::vector<std::vector<int64_t>> words;
  for (const std::string& prompt : prompts) words.push_back(text_sit::words_of(net, prompt));
  words.resize(2 * prompts.size());  // the second half without a prompt
  const text_sit::Texts texts = text_sit::encode(net, words);
  const auto n = static_cast<int64_t>(prompts.size());
  at::Tensor x = at::randn({n, c.channels, c.size, c.size}, generator);
  const std::vector<double> times = flow::uniform_times(1, 0, steps);
  for (size_t k = 0; k + 1 < times.size(); ++k) {
    const at::Tensor s = at::full({2 * n}, 1 - times[k], at::kFloat);
    const auto halves = text_sit::velocity(net, at::cat({x, x}), s, texts).chunk(2);
    x = x + (times[k] - times[k + 1]) * (halves[1] + guidance * (halves[0] - halves[1]));
  }
  return ((x + 1) / 2).clamp(0, 1);
}

struct Result {
  int64_t exact = 0, count = 0;
  double facts = 0;
};

int run(Options& options) {
  const text_sit::Network net = text_sit::load_network(options.text("weights", ""));
  const std::string folder = options.text("prompts", "configs/prompts/compbench-like");
  const int64_t count = options.integer("count", 100);
  const auto steps = static_cast<uint32_t>(options.integer("steps", 12));
  const double guidance = options.number("guidance", 2);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  at::set_num_threads(static_cast<int>(options.integer("threads", 1)));
  options.check_all_used();
  std::printf("| category | prompts | exact (95 %%) | facts |\n|---|---|---|---|\n");
  for (int c = 0; c < scenes::kCategories; ++c) {
    const std::string category = scenes::name_of(static_cast<scenes::Category>(c));
    const auto prompts = prompts_of(folder + "/" + category + ".jsonl", count);
    Result result;
    for (size_t at = 0; at < prompts.size(); at += kBatch) {
      const auto end = std::min<size_t>(prompts.size(), at + kBatch);
      const std::vector<std::string> part(prompts.begin() + static_cast<int64_t>(at),
                                          prompts.begin() + static_cast<int64_t>(end));
      const auto generator = generator_for(seed, kSample, static_cast<uint64_t>(c) * 1000000 + at);
      const at::Tensor pictures = sample(net, part, steps, guidance, generator).contiguous();
      for (size_t i = 0; i < part.size(); ++i) {
        const at::Tensor picture = pictures[static_cast<int64_t>(i)];
        const scenes::Scene found = scenes::read_picture(
            {picture.const_data_ptr<float>(), static_cast<size_t>(picture.numel())});
        const scenes::Match match = scenes::match(scenes::understand(part[i]), found);
        ++result.count;
        result.exact += match.exact() ? 1 : 0;
        result.facts += match.score();
      }
    }
    std::printf("| %s | %lld | %s | %.3f |\n", category.c_str(),
                static_cast<long long>(result.count),
                accuracy_text(result.exact, result.count).c_str(),
                result.facts / static_cast<double>(result.count));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "measure_scene_sampler: %s\n", e.what());
    return 1;
  }
}

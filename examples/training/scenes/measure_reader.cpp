// How well read_picture reads scenes that were drawn, clean and under normal noise.
//
//   measure_scene_reader --scenes 5000 --seed 1
//
// "Exact": match() finds everything that the caption asks for. "Read": every object of the scene
// is found with its colour, shape and texture, none beside them, and the background. The intervals
// are Wilson's, 95 %.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include "contrastive.hpp"
#include "scenes/draw.hpp"
#include "scenes/faults.hpp"
#include "scenes/match.hpp"
#include "scenes/read_picture.hpp"
#include "scenes/render.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow::scenes;

void add_noise(std::vector<float>& picture, double deviation, RandomStream& random) {
  for (float& value : picture) {
    value = static_cast<float>(
        std::clamp(value + deviation * winnow::training::normal(random), 0.0, 1.0));
  }
}

int run(winnow::training::Options& options) {
  const int64_t scenes = options.integer("scenes", 5000);
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1));
  options.check_all_used();
  std::printf("| noise (standard deviation) | scenes | exact (95 %%) | read (95 %%) |\n");
  std::printf("|---|---|---|---|\n");
  std::vector<float> picture(kChannels * kPixels);
  for (const double deviation : {0.0, 0.02, 0.04, 0.06, 0.08, 0.10}) {
    int64_t exact = 0, read = 0;
    for (int64_t i = 0; i < scenes; ++i) {
      RandomStream random(seed, static_cast<uint64_t>(i));
      const Request request =
          draw_request(static_cast<Category>(random.below(kCategories)), random);
      const Scene scene = draw_scene(request, random);
      render(scene, picture);
      add_noise(picture, deviation, random);
      const Scene found = read_picture(picture);
      exact += match(request, found).exact() ? 1 : 0;
      read += match(winnow::training::all_of(scene), found).exact() ? 1 : 0;
    }
    std::printf("| %.2f | %lld | %s | %s |\n", deviation, static_cast<long long>(scenes),
                winnow::training::accuracy_text(exact, scenes).c_str(),
                winnow::training::accuracy_text(read, scenes).c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    winnow::training::Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "measure_scene_reader: %s\n", e.what());
    return 1;
  }
}

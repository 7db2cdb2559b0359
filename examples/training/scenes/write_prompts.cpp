// Writes the prompt files of the scenes: 200 of every kind and 300 of each category, none twice.
//
//   write_scene_prompts --seed 1 --out configs/prompts
//
// makes drawbench-like.txt, a prompt a line, and compbench-like/CATEGORY.jsonl, whose lines are
//   {"prompt": "a red circle left of a blue square", "category": "spatial", "scene": {"objects":
//   [{"count": 1, "colour": "red", "shape": "circle"}, {"count": 1, "colour": "blue", "shape":
//   "square"}], "relations": [{"first": 0, "relation": "left of", "second": 1}]}}
// where "scene" says what the prompt asks for; what it leaves open is not there. Training draws
// from the same laws with another seed: prompts are new to a model, their words are not.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "trainer.hpp"

namespace {

using namespace winnow::scenes;
using Json = nlohmann::ordered_json;

constexpr int kOfAll = 200, kOfCategory = 300;
constexpr uint64_t kStreams = 1'000'000;  // of one file, at most

// What the streams of `seed` bring, without those whose prompt was there before.
struct Prompt {
  std::string text;
  Request request;
};
std::vector<Prompt> draw(uint64_t seed, uint64_t file, int count,
                         const std::function<Request(RandomStream&)>& request) {
  std::vector<Prompt> out;
  std::set<std::string> seen;
  for (uint64_t i = 0; out.size() < static_cast<size_t>(count); ++i) {
    RandomStream random(seed, file * kStreams + i);
    Prompt prompt;
    prompt.request = request(random);
    prompt.text = describe(prompt.request, random);
    if (seen.insert(prompt.text).second) out.push_back(std::move(prompt));
  }
  return out;
}

// As hard as the samplers in examples/models can just do: two objects to tell apart by colour, one
// or two by shape or texture. Three of them are left to `complex`.
Request draw_for(Category category, RandomStream& random) {
  Request request = draw_request(category, random);
  size_t most = request.groups.size();
  if (category == Category::kColour) most = 2;
  if (category == Category::kShape || category == Category::kTexture)
    most = random.chance(0.5) ? 1 : 2;
  if (request.groups.size() > most) request.groups.resize(most);
  return request;
}

Json json_of(const Request& request) {
  Json scene;
  for (const Group& group : request.groups) {
    Json object = {{"count", group.count}};
    if (group.colour) object["colour"] = name_of(*group.colour);
    if (group.shape) object["shape"] = name_of(*group.shape);
    if (group.texture) object["texture"] = name_of(*group.texture);
    scene["objects"].push_back(object);
  }
  for (const Link& link : request.links) {
    scene["relations"].push_back(
        {{"first", link.first}, {"relation", name_of(link.relation)}, {"second", link.second}});
  }
  if (request.background) scene["background"] = name_of(*request.background);
  return scene;
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + file.string());
  std::printf("wrote %s\n", file.c_str());
}

int run(winnow::training::Options& options) {
  const auto seed = static_cast<uint64_t>(options.integer("seed", 1)) << 32;
  const std::filesystem::path folder = options.text("out", "configs/prompts");
  options.check_all_used();
  std::filesystem::create_directories(folder / "compbench-like");

  std::string text;
  for (const Prompt& prompt : draw(seed, kCategories, kOfAll, [](RandomStream& random) {
         const size_t kind = random.below(kCategories + 1);
         return kind == kCategories ? draw_single(random)
                                    : draw_request(static_cast<Category>(kind), random);
       })) {
    text += prompt.text + "\n";
  }
  write(folder / "drawbench-like.txt", text);

  for (int c = 0; c < kCategories; ++c) {
    const auto category = static_cast<Category>(c);
    const auto request = [&](RandomStream& random) { return draw_for(category, random); };
    std::string lines;
    for (const Prompt& prompt : draw(seed, static_cast<uint64_t>(c), kOfCategory, request)) {
      const Json line = {{"prompt", prompt.text},
                         {"category", name_of(category)},
                         {"scene", json_of(prompt.request)}};
      lines += line.dump() + "\n";
    }
    write(folder / "compbench-like" / (name_of(category) + ".jsonl"), lines);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    winnow::training::Options options(argc, argv);
    return run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "write_scene_prompts: %s\n", e.what());
    return 1;
  }
}

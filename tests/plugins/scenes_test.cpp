// scenes_test.cpp: the world of scenes: what is drawn, said, read and matched.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "scenes/draw.hpp"
#include "scenes/language.hpp"
#include "scenes/match.hpp"
#include "scenes/read_picture.hpp"
#include "scenes/render.hpp"
#include "tests/support/catch.hpp"

using namespace winnow::scenes;

namespace {

constexpr uint64_t kSeed = 2026;

Request any_request(RandomStream& random) {
  const size_t kind = random.below(kCategories + 1);
  if (kind == kCategories) return draw_single(random);
  return draw_request(static_cast<Category>(kind), random);
}

std::vector<float> picture_of(const Scene& scene) {
  std::vector<float> out(kChannels * kPixels);
  render(scene, out);
  return out;
}

// The lower end of Wilson's 95 % interval.
double at_least(int64_t hits, int64_t of) {
  const double n = static_cast<double>(of), p = static_cast<double>(hits) / n, z = 1.96;
  const double centre = p + z * z / (2 * n);
  return (centre - z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n);
}

Object object(Colour colour, Shape shape, double x, double y, Texture texture = Texture::kSolid) {
  return {.colour = colour, .shape = shape, .texture = texture, .x = x, .y = y, .radius = 5};
}

Scene two_objects() {
  return {Background::kBlack,
          {object(Colour::kRed, Shape::kCircle, 8, 10),
           object(Colour::kBlue, Shape::kSquare, 23, 20, Texture::kStriped)}};
}

std::string refusal(const std::string& text) {
  try {
    understand(text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a random stream has the values of splitmix64 on every machine", "[scenes]") {
  // state_0 = mix(mix(1) ^ 2), value = mix(state_0 + 0x9E3779B97F4A7C15), computed with integers of
  // any size in Python.
  RandomStream random(1, 2);
  CHECK(random.bits() == 0x65844C5D623DB2DAull);
  RandomStream same(1, 2), other(1, 3);
  random = RandomStream(1, 2);
  const uint64_t first = random.bits();
  CHECK(same.bits() == first);
  CHECK(other.bits() != first);
  for (int i = 0; i < 1000; ++i) CHECK(random.below(3) < 3);
}

TEST_CASE("a text that was made for a request is understood as that request", "[scenes]") {
  const std::vector<std::string> words = vocabulary();
  const std::set<std::string> known(words.begin(), words.end());
  for (uint64_t i = 0; i < 20'000; ++i) {
    RandomStream random(kSeed, i);
    const Request request = any_request(random);
    const std::string text = describe(request, random);
    INFO(text);
    REQUIRE(understand(text) == request);
    std::string word;
    for (const char c : text + " ") {
      if (c != ' ' && c != ',') {
        word += c;
      } else if (!word.empty()) {
        REQUIRE(known.count(word) == 1);
        word.clear();
      }
    }
  }
}

TEST_CASE("a scene shows what was asked for, apart and inside the picture", "[scenes]") {
  for (uint64_t i = 0; i < 5000; ++i) {
    RandomStream random(kSeed, i);
    const Request request = any_request(random);
    const Scene scene = draw_scene(request, random, i % 2 ? Layout::kGrid : Layout::kFree);
    REQUIRE(match(request, scene).exact());
    for (const Object& a : scene.objects) {
      REQUIRE(std::min({a.x, a.y, kSide - a.x, kSide - a.y}) >= a.radius);
      for (const Object& b : scene.objects) {
        const double apart = std::max(std::abs(a.x - b.x), std::abs(a.y - b.y));
        REQUIRE((&a == &b || apart > a.radius + b.radius));
      }
    }
  }
}

TEST_CASE("more than 99 % of clean pictures are read without any mistake", "[scenes]") {
  // Seed 2026, 3000 scenes of every category; the lower end of Wilson's 95 % interval counts.
  constexpr int64_t kScenes = 3000;
  int64_t exact = 0, read = 0;
  for (uint64_t i = 0; i < kScenes; ++i) {
    RandomStream random(kSeed, i);
    const Request request = any_request(random);
    const Scene scene = draw_scene(request, random, i % 2 ? Layout::kGrid : Layout::kFree);
    const Scene found = read_picture(picture_of(scene));
    Request all;
    all.background = scene.background;
    for (const Object& o : scene.objects) all.groups.push_back({1, o.colour, o.shape, o.texture});
    exact += match(request, found).exact() ? 1 : 0;
    read += match(all, found).exact() ? 1 : 0;
  }
  CAPTURE(exact, read);
  CHECK(at_least(exact, kScenes) > 0.99);
  CHECK(at_least(read, kScenes) > 0.99);
}

TEST_CASE("an object is found where it stands", "[scenes]") {
  const Scene scene = two_objects();
  const Scene found = read_picture(picture_of(scene));
  REQUIRE(found.objects.size() == 2);
  CHECK(found.background == Background::kBlack);
  for (const Object& expected : scene.objects) {
    const Object& o = found.objects[found.objects[0].colour == expected.colour ? 0 : 1];
    CHECK(o.colour == expected.colour);
    CHECK(o.shape == expected.shape);
    CHECK(o.texture == expected.texture);
    CHECK(std::abs(o.x - expected.x) < 0.5);
    CHECK(std::abs(o.y - expected.y) < 0.5);
    CHECK(std::abs(o.radius - expected.radius) < 0.5);
  }
}

TEST_CASE("a picture without objects is read as its background", "[scenes]") {
  for (const auto background : {Background::kBlack, Background::kGray, Background::kWhite}) {
    const Scene found = read_picture(picture_of({background, {}}));
    CHECK(found.objects.empty());
    CHECK(found.background == background);
  }
}

TEST_CASE("two objects that touch are told apart by their colours", "[scenes]") {
  const Scene scene = {Background::kWhite,
                       {object(Colour::kGreen, Shape::kSquare, 10, 16),
                        object(Colour::kPurple, Shape::kSquare, 18.8, 16)}};
  const Scene found = read_picture(picture_of(scene));
  REQUIRE(found.objects.size() == 2);
  CHECK(match(understand("a green square left of a purple square"), found).exact());
}

TEST_CASE("each wrong fact costs its share of the score", "[scenes]") {
  const Scene scene = two_objects();  // a red circle, and a striped blue square to the right of it
  const auto score = [&](const char* text) { return match(understand(text), scene).score(); };
  CHECK(score("a red circle and a blue square") == 1);
  CHECK(score("a striped blue square right of a red circle on a black background") == 1);
  CHECK(score("two objects") == 1);
  // Of 2 objects, 2 colours, 2 shapes and "no other" one is wrong.
  CHECK(score("a green circle and a blue square") == Approx(6.0 / 7));
  CHECK(score("a circle and a solid square") == Approx(5.0 / 6));
  CHECK(score("a red circle right of a blue square") == Approx(7.0 / 8));
  CHECK(score("a red circle on a white background") == Approx(3.0 / 5));     // and one too many
  CHECK(score("three objects") == Approx(3.0 / 4));                          // one is missing
  CHECK(score("a red square and a blue circle") == Approx(5.0 / 7));         // swapped looks
  CHECK(match(understand("a circle"), Scene{}).score() == Approx(1.0 / 3));  // nothing beside
}

TEST_CASE("relations are between centres and need the larger part of the distance", "[scenes]") {
  const Object a = object(Colour::kRed, Shape::kCircle, 10, 10);
  const Object right = object(Colour::kRed, Shape::kCircle, 20, 15);
  CHECK(holds(Relation::kLeftOf, a, right));
  CHECK(holds(Relation::kRightOf, right, a));
  CHECK_FALSE(holds(Relation::kAbove, a, right));
  CHECK(holds(Relation::kAbove, a, object(Colour::kRed, Shape::kCircle, 13, 20)));
  CHECK_FALSE(holds(Relation::kLeftOf, a, object(Colour::kRed, Shape::kCircle, 20, 20)));
}

TEST_CASE("a text that makes no request is refused with the word that does not fit", "[scenes]") {
  CHECK(refusal(" ") == "the text has no words");
  CHECK(refusal("a red circle left") ==
        "'a red circle left': found 'left' where 'a' or a number from one to four was expected");
  CHECK(refusal("a red") == "'a red': it ends where a colour, a texture or a shape was expected");
  CHECK(refusal("two circle") ==
        "'two circle': found 'circle' where a colour, a texture or the plural of a shape was "
        "expected");
  CHECK(refusal("a red blue circle") ==
        "'a red blue circle': 'blue' is the second colour of one object");
  CHECK(refusal("three circles and two squares") ==
        "'three circles and two squares' asks for 5 objects, at most 4 fit in a picture");
  CHECK(refusal("a circle on a red background") ==
        "'a circle on a red background': found 'red' where black, gray or white was expected");
}

TEST_CASE("every prompt of the files asks for the scene that stands beside it", "[scenes]") {
  const auto value = [](const nlohmann::json& object, const char* key) {
    return object.value(key, "");
  };
  std::set<std::string> all;
  for (int c = 0; c < kCategories; ++c) {
    const std::string category = name_of(static_cast<Category>(c));
    std::ifstream in(std::string(PROMPTS) + "/compbench-like/" + category + ".jsonl");
    int lines = 0;
    for (std::string line; std::getline(in, line); ++lines) {
      const auto json = nlohmann::json::parse(line);
      const std::string prompt = json.at("prompt");
      INFO(prompt);
      REQUIRE(json.at("category") == category);
      REQUIRE(all.insert(prompt).second);
      const Request request = understand(prompt);
      const auto& scene = json.at("scene");
      REQUIRE(scene.at("objects").size() == request.groups.size());
      for (size_t i = 0; i < request.groups.size(); ++i) {
        const Group& group = request.groups[i];
        const auto& object = scene.at("objects")[i];
        REQUIRE(object.at("count") == group.count);
        REQUIRE(value(object, "colour") == (group.colour ? name_of(*group.colour) : ""));
        REQUIRE(value(object, "shape") == (group.shape ? name_of(*group.shape) : ""));
        REQUIRE(value(object, "texture") == (group.texture ? name_of(*group.texture) : ""));
      }
      REQUIRE(scene.value("relations", nlohmann::json::array()).size() == request.links.size());
      for (size_t i = 0; i < request.links.size(); ++i) {
        const auto& relation = scene.at("relations")[i];
        REQUIRE(relation.at("first") == request.links[i].first);
        REQUIRE(relation.at("relation") == name_of(request.links[i].relation));
        REQUIRE(relation.at("second") == request.links[i].second);
      }
      REQUIRE(value(scene, "background") ==
              (request.background ? name_of(*request.background) : ""));
    }
    CHECK(lines == 300);
  }
  std::ifstream in(std::string(PROMPTS) + "/drawbench-like.txt");
  std::set<std::string> drawbench;
  for (std::string line; std::getline(in, line);) {
    REQUIRE(understand(line).objects() > 0);
    REQUIRE(drawbench.insert(line).second);
  }
  CHECK(drawbench.size() == 200);
}

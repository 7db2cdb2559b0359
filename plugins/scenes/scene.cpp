#include "scenes/scene.hpp"

#include <cmath>

namespace winnow::scenes {
namespace {

using Words = std::vector<std::string>;

template <class Value, size_t N>
const Words& entry(const std::array<Words, N>& table, Value value) {
  return table.at(static_cast<size_t>(value));
}

}  // namespace

const Words& words_of(Colour value) {
  static const std::array<Words, kColours> table = {
      {{"red"}, {"orange"}, {"yellow"}, {"green"}, {"cyan"}, {"blue"}, {"purple"}, {"pink"}}};
  return entry(table, value);
}

const Words& words_of(Shape value) {
  static const std::array<Words, kShapes> table = {{{"circle", "disc"},
                                                    {"square", "box"},
                                                    {"triangle"},
                                                    {"diamond"},
                                                    {"cross", "plus"},
                                                    {"ring"}}};
  return entry(table, value);
}

const Words& words_of(Texture value) {
  static const std::array<Words, kTextures> table = {
      {{"solid", "plain"}, {"striped"}, {"checkered", "checked"}}};
  return entry(table, value);
}

const Words& words_of(Background value) {
  static const std::array<Words, kBackgrounds> table = {{{"black"}, {"gray", "grey"}, {"white"}}};
  return entry(table, value);
}

const Words& words_of(Relation value) {
  static const std::array<Words, kRelations> table = {
      {{"left of", "to the left of", "on the left of"},
       {"right of", "to the right of", "on the right of"},
       {"above", "over"},
       {"below", "under"}}};
  return entry(table, value);
}

std::string plural(const std::string& noun) {
  const bool hisses = noun.back() == 's' || noun.back() == 'x';
  return noun + (hisses ? "es" : "s");
}

Rgb rgb_of(Colour colour) {
  static constexpr std::array<Rgb, kColours> table = {{{0.90, 0.10, 0.10},
                                                       {1.00, 0.55, 0.05},
                                                       {0.95, 0.92, 0.10},
                                                       {0.10, 0.72, 0.20},
                                                       {0.10, 0.85, 0.90},
                                                       {0.12, 0.22, 0.95},
                                                       {0.58, 0.12, 0.92},
                                                       {1.00, 0.20, 0.68}}};
  return table.at(static_cast<size_t>(colour));
}

Rgb rgb_of(Background background) {
  static constexpr std::array<double, kBackgrounds> table = {0.05, 0.50, 0.95};
  const double level = table.at(static_cast<size_t>(background));
  return {level, level, level};
}

bool holds(Relation relation, const Object& first, const Object& second) {
  const double right = second.x - first.x, down = second.y - first.y;
  switch (relation) {
    case Relation::kLeftOf:
      return right > std::abs(down);
    case Relation::kRightOf:
      return -right > std::abs(down);
    case Relation::kAbove:
      return down > std::abs(right);
    case Relation::kBelow:
      return -down > std::abs(right);
  }
  return false;
}

int Request::objects() const {
  int count = 0;
  for (const Group& group : groups) count += group.count;
  return count;
}

}  // namespace winnow::scenes

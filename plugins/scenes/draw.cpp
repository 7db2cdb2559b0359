#include "scenes/draw.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>

namespace winnow::scenes {
namespace {

constexpr double kGap = 2;       // pixels between two objects, at least
constexpr double kMargin = 0.5;  // pixels to the border
constexpr double kClear = 2;     // by how much a relation holds
constexpr int kTries = 400;      // placements before the objects are made smaller
constexpr int kMostTries = 1'000'000;
constexpr double kPlain = 0.8;   // how often an object is solid when nothing is said
constexpr double kSmallest = 4;  // radius
constexpr std::array<double, 3> kGrid = {6, 16, 26};

template <class Value>
Value any(int count, RandomStream& random) {
  return static_cast<Value>(random.below(static_cast<size_t>(count)));
}

// `count` different values.
template <class Value>
std::vector<Value> some(int of, size_t count, RandomStream& random) {
  std::vector<int> all(static_cast<size_t>(of));
  std::iota(all.begin(), all.end(), 0);
  random.shuffle(all);
  std::vector<Value> out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<Value>(all[i]));
  return out;
}

Request objects_with_shapes(size_t count, RandomStream& random) {
  Request request;
  for (const Shape shape : some<Shape>(kShapes, count, random)) {
    request.groups.emplace_back().shape = shape;
  }
  return request;
}

void give_colours(Request& request, RandomStream& random) {
  const auto colours = some<Colour>(kColours, request.groups.size(), random);
  for (size_t i = 0; i < colours.size(); ++i) request.groups[i].colour = colours[i];
}

Request colour_request(RandomStream& random) {
  Request request = objects_with_shapes(random.chance(0.3) ? 3 : 2, random);
  give_colours(request, random);
  return request;
}

Request shape_request(RandomStream& random) {
  Request request = objects_with_shapes(random.chance(0.4) ? 3 : 2, random);
  if (random.chance(0.5)) {
    const auto colour = any<Colour>(kColours, random);
    for (Group& group : request.groups) group.colour = colour;
  }
  return request;
}

Request texture_request(RandomStream& random) {
  Request request = objects_with_shapes(2, random);
  const auto textures = some<Texture>(kTextures, 2, random);
  for (size_t i = 0; i < 2; ++i) request.groups[i].texture = textures[i];
  if (random.chance(0.5)) give_colours(request, random);
  return request;
}

Request spatial_request(RandomStream& random) {
  Request request = objects_with_shapes(2, random);
  give_colours(request, random);
  request.links.push_back({0, any<Relation>(kRelations, random), 1});
  return request;
}

Request numeracy_request(RandomStream& random) {
  const size_t groups = random.chance(0.4) ? 2 : 1;
  Request request = objects_with_shapes(groups, random);
  if (groups == 1) {
    request.groups[0].count = 2 + static_cast<int>(random.below(3));
  } else {
    static const std::vector<std::array<int, 2>> counts = {{1, 2}, {2, 1}, {1, 3}, {3, 1}, {2, 2}};
    const auto& drawn = random.pick(counts);
    request.groups[0].count = drawn[0], request.groups[1].count = drawn[1];
  }
  if (random.chance(0.6)) give_colours(request, random);
  return request;
}

Request complex_request(RandomStream& random) {
  Request request = objects_with_shapes(random.chance(0.5) ? 3 : 2, random);
  give_colours(request, random);
  for (Group& group : request.groups) {
    if (random.chance(0.4)) group.texture = any<Texture>(kTextures, random);
  }
  // With three objects one relation would leave the third hanging in the sentence: two or none.
  if (random.chance(0.6)) {
    auto relations = some<Relation>(kRelations, 2, random);
    for (size_t i = 1; i < request.groups.size(); ++i) {
      request.links.push_back({0, relations[i - 1], i});
    }
  }
  if (random.chance(0.5)) request.background = any<Background>(kBackgrounds, random);
  return request;
}

struct Placed {
  Object object;
  size_t group;
};

bool apart(const Object& a, const Object& b) {
  return std::max(std::abs(a.x - b.x), std::abs(a.y - b.y)) >= a.radius + b.radius + kGap;
}

// With room to spare, so that the reader's fraction of a pixel decides nothing.
bool clearly_holds(Relation relation, Object first, const Object& second) {
  const bool across = relation == Relation::kLeftOf || relation == Relation::kRightOf;
  const double sign = relation == Relation::kLeftOf || relation == Relation::kAbove ? 1 : -1;
  (across ? first.x : first.y) += sign * kClear;
  return holds(relation, first, second);
}

bool fits(const std::vector<Placed>& placed, const Placed& next, const Request& request) {
  for (const Placed& other : placed) {
    if (!apart(other.object, next.object)) return false;
    for (const Link& link : request.links) {
      const bool forward = link.first == other.group && link.second == next.group;
      const bool backward = link.first == next.group && link.second == other.group;
      if (forward && !clearly_holds(link.relation, other.object, next.object)) return false;
      if (backward && !clearly_holds(link.relation, next.object, other.object)) return false;
    }
  }
  return true;
}

double largest_radius(int objects) {
  static constexpr std::array<double, kMaxObjects> table = {8, 6.5, 5.5, 5};
  return table[static_cast<size_t>(objects - 1)];
}

void stand_anywhere(Object& object, double largest, RandomStream& random) {
  object.radius = random.uniform(kSmallest, largest);
  const double edge = 1.05 * object.radius + kMargin;
  object.x = random.uniform(edge, kSide - edge);
  object.y = random.uniform(edge, kSide - edge);
}

void stand_on_grid(Object& object, RandomStream& random) {
  object.radius = kSmallest;
  object.x = kGrid.at(random.below(kGrid.size()));
  object.y = kGrid.at(random.below(kGrid.size()));
}

bool place(std::vector<Placed>& objects, double largest, const Request& request, Layout layout,
           RandomStream& random) {
  std::vector<Placed> placed;
  for (Placed next : objects) {
    if (layout == Layout::kGrid) {
      stand_on_grid(next.object, random);
    } else {
      stand_anywhere(next.object, largest, random);
    }
    if (!fits(placed, next, request)) return false;
    placed.push_back(next);
  }
  objects = std::move(placed);
  return true;
}

}  // namespace

const std::string& name_of(Category category) {
  static const std::array<std::string, kCategories> table = {"colour",  "shape",    "texture",
                                                             "spatial", "numeracy", "complex"};
  return table.at(static_cast<size_t>(category));
}

Request draw_request(Category category, RandomStream& random) {
  switch (category) {
    case Category::kColour:
      return colour_request(random);
    case Category::kShape:
      return shape_request(random);
    case Category::kTexture:
      return texture_request(random);
    case Category::kSpatial:
      return spatial_request(random);
    case Category::kNumeracy:
      return numeracy_request(random);
    case Category::kComplex:
      return complex_request(random);
  }
  return {};
}

Request draw_single(RandomStream& random) {
  Group group;
  if (random.chance(0.9)) group.shape = any<Shape>(kShapes, random);
  if (random.chance(0.8)) group.colour = any<Colour>(kColours, random);
  if (random.chance(0.4)) group.texture = any<Texture>(kTextures, random);
  Request request;
  request.groups = {group};
  if (random.chance(0.3)) request.background = any<Background>(kBackgrounds, random);
  return request;
}

Scene draw_scene(const Request& request, RandomStream& random, Layout layout) {
  std::vector<Placed> objects;
  for (size_t g = 0; g < request.groups.size(); ++g) {
    const Group& group = request.groups[g];
    for (int i = 0; i < group.count; ++i) {
      Object object;
      object.colour = group.colour ? *group.colour : any<Colour>(kColours, random);
      object.shape = group.shape ? *group.shape : any<Shape>(kShapes, random);
      object.texture = random.chance(kPlain) ? Texture::kSolid : any<Texture>(kTextures, random);
      if (group.texture) object.texture = *group.texture;
      objects.push_back({object, g});
    }
  }
  double largest = largest_radius(request.objects());
  for (int tries = 1; !place(objects, largest, request, layout, random); ++tries) {
    if (tries % kTries == 0) largest = std::max(kSmallest, 0.95 * largest);
    if (tries == kMostTries) throw std::runtime_error("no scene was found for a request");
  }
  Scene scene;
  const auto background = any<Background>(kBackgrounds, random);
  scene.background = request.background.value_or(background);
  for (const Placed& placed : objects) scene.objects.push_back(placed.object);
  return scene;
}

}  // namespace winnow::scenes

// The world of scenes: pictures of 32 x 32 pixels with 1 to 4 objects of 8 colours, 6 shapes and 3
// textures before a black, grey or white background, and what a text can ask of such a picture.
//
// Everything in plugins/scenes needs nothing but the standard library.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace winnow::scenes {

inline constexpr int kSide = 32;  // pixels
inline constexpr int kChannels = 3;
inline constexpr int kPixels = kSide * kSide;
inline constexpr int kMaxObjects = 4;

enum class Colour : uint8_t { kRed, kOrange, kYellow, kGreen, kCyan, kBlue, kPurple, kPink };
enum class Shape : uint8_t { kCircle, kSquare, kTriangle, kDiamond, kCross, kRing };
enum class Texture : uint8_t { kSolid, kStriped, kCheckered };
enum class Background : uint8_t { kBlack, kGray, kWhite };
enum class Relation : uint8_t { kLeftOf, kRightOf, kAbove, kBelow };

inline constexpr int kColours = 8, kShapes = 6, kTextures = 3, kBackgrounds = 3, kRelations = 4;

// The words for each value, the first of them its name.
const std::vector<std::string>& words_of(Colour value);
const std::vector<std::string>& words_of(Shape value);  // of one; plurals in plural()
const std::vector<std::string>& words_of(Texture value);
const std::vector<std::string>& words_of(Background value);
const std::vector<std::string>& words_of(Relation value);
std::string plural(const std::string& noun);
template <class Value>
const std::string& name_of(Value value) {
  return words_of(value).front();
}

using Rgb = std::array<double, kChannels>;  // in [0, 1]
// Of full saturation, so that neither shade nor mixing with a background changes the hue.
Rgb rgb_of(Colour colour);
Rgb rgb_of(Background background);

struct Object {
  Colour colour{};
  Shape shape{};
  Texture texture{};
  double x = 0, y = 0;  // centre, in pixels from the upper left corner
  double radius = 0;    // in pixels
};

struct Scene {
  Background background{};
  std::vector<Object> objects;
};

// Does `relation` hold between the centres of two objects? Left of: the first centre lies further
// left, and further left than up or down. The others alike.
bool holds(Relation relation, const Object& first, const Object& second);

// `count` objects that look the same as far as they are described.
struct Group {
  int count = 1;
  std::optional<Colour> colour;
  std::optional<Shape> shape;
  std::optional<Texture> texture;
  bool operator==(const Group&) const = default;
};

// Every object of the group `first` stands in `relation` to every object of the group `second`.
struct Link {
  size_t first = 0;
  Relation relation{};
  size_t second = 0;
  bool operator==(const Link&) const = default;
};

// What a text asks for: these objects and no others. What is not said is free.
struct Request {
  std::optional<Background> background;
  std::vector<Group> groups;
  std::vector<Link> links;
  int objects() const;
  bool operator==(const Request&) const = default;
};

}  // namespace winnow::scenes

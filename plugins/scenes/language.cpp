#include "scenes/language.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <sstream>
#include <stdexcept>

#include "in_quotes.hpp"

namespace winnow::scenes {
namespace {

using Words = std::vector<std::string>;

const Words& numbers() {  // from 1 on
  static const Words all = {"one", "two", "three", "four"};
  return all;
}
const Words& general_nouns() {
  static const Words all = {"object", "shape"};
  return all;
}
const Words& pictures() {
  static const Words all = {"picture", "image", "drawing", "scene"};
  return all;
}

// "a" or "an", before `next`.
std::string article(const std::string& next) {
  return std::string("aeiou").find(next.front()) == std::string::npos ? "a " : "an ";
}

std::string joined(const Words& words, const std::string& between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// The usual word most of the time, so that the others are known but rare.
template <class Value>
std::string word_for(Value value, RandomStream& random) {
  const Words& words = words_of(value);
  return random.chance(0.75) ? words.front() : random.pick(words);
}

std::string things(const Group& group, RandomStream& random) {
  Words looks;
  if (group.texture) looks.push_back(word_for(*group.texture, random));
  if (group.colour) looks.push_back(word_for(*group.colour, random));
  random.shuffle(looks);
  std::string noun = group.shape ? word_for(*group.shape, random) : random.pick(general_nouns());
  const bool many = group.count > 1;
  if (many) noun = plural(noun);
  std::string tail;
  if (!looks.empty() && random.chance(0.15)) {
    const size_t kept = random.below(looks.size());  // the others follow the noun
    tail =
        (many ? " that are " : " that is ") + joined({looks.begin() + kept, looks.end()}, " and ");
    looks.resize(kept);
  }
  looks.push_back(noun);
  const std::string phrase = joined(looks, " ");
  if (many) return numbers()[static_cast<size_t>(group.count - 1)] + " " + phrase + tail;
  return (random.chance(0.1) ? "one " : article(phrase)) + phrase + tail;
}

std::string list(const Words& parts) {
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    out += (i + 1 == parts.size() ? " and " : ", ") + parts[i];
  }
  return out;
}

std::string related(const Request& request, const Words& parts, bool verb, RandomStream& random) {
  std::string out = parts[request.links.front().first];
  if (verb) out += request.groups[request.links.front().first].count > 1 ? " are" : " is";
  for (size_t i = 0; i < request.links.size(); ++i) {
    const Link& link = request.links[i];
    out += (i > 0 ? " and " : " ") + word_for(link.relation, random) + " " + parts[link.second];
  }
  return out;
}

std::string intro(const Request& request, RandomStream& random) {
  if (random.chance(0.6)) return "";
  switch (random.below(3)) {
    case 0:
      return request.groups.front().count > 1 ? "there are " : "there is ";
    case 1:
      return "we see ";
    default: {
      const std::string& picture = random.pick(pictures());
      return article(picture) + picture + (random.chance(0.7) ? " of " : " with ");
    }
  }
}

Words split(std::string_view text) {
  Words words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) != 0 || c == ',' || c == '.') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(byte));
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

template <class Value>
std::optional<Value> value_of(const std::string& word, int count) {
  for (int i = 0; i < count; ++i) {
    const Words& words = words_of(static_cast<Value>(i));
    if (std::find(words.begin(), words.end(), word) != words.end()) return static_cast<Value>(i);
  }
  return std::nullopt;
}

bool is_one_of(const std::string& word, const Words& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// The grammar of the header by recursive descent.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text), words_(split(text)) {}

  Request read() {
    if (words_.empty()) throw std::runtime_error("the text has no words");
    read_background();
    read_intro();
    read_clause();
    read_background();
    if (at_ < words_.size()) expected("the end of the text");
    if (request_.objects() > kMaxObjects) {
      throw std::runtime_error(in_quotes(text_) + " asks for " +
                               std::to_string(request_.objects()) + " objects, at most " +
                               std::to_string(kMaxObjects) + " fit in a picture");
    }
    return request_;
  }

 private:
  std::string word(size_t ahead = 0) const {
    return at_ + ahead < words_.size() ? words_[at_ + ahead] : "";
  }
  bool take(const std::string& wanted) {
    if (word() != wanted) return false;
    ++at_;
    return true;
  }
  bool take_one_of(const Words& wanted) {
    if (!is_one_of(word(), wanted)) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void expected(const std::string& what) const {
    throw std::runtime_error(in_quotes(text_) + ": " +
                             (word().empty() ? "it ends" : "found " + in_quotes(word())) +
                             " where " + what + " was expected");
  }

  void read_background() {
    if (!(word() == "against" || (word() == "on" && word(1) == "a"))) return;
    ++at_;
    if (!take_one_of({"a", "the"})) expected("'a'");
    const auto background = value_of<Background>(word(), kBackgrounds);
    if (!background) expected("black, gray or white");
    ++at_;
    if (!take("background")) expected("'background'");
    if (request_.background) throw std::runtime_error(in_quotes(text_) + " has two backgrounds");
    request_.background = background;
  }

  void read_intro() {
    const bool picture = (word() == "a" || word() == "an") && is_one_of(word(1), pictures());
    if (picture) {
      at_ += 2;
      if (!take_one_of({"of", "with"})) expected("'of' or 'with'");
    } else if (take("there")) {
      if (!take_one_of({"is", "are"})) expected("'is' or 'are'");
    } else if (take("we")) {
      if (!take("see")) expected("'see'");
    }
  }

  void read_clause() {
    read_things();
    if (const auto relation = read_relation()) {
      read_links(*relation);
      return;
    }
    while (at_ < words_.size() && word() != "against" && word() != "on") {
      take("and");
      read_things();
    }
  }

  void read_links(Relation relation) {
    for (;;) {
      const size_t place = request_.groups.size();
      read_things();
      request_.links.push_back({0, relation, place});
      if (!take("and")) return;
      const auto next = read_relation();
      if (!next) expected("a relation such as 'left of'");
      relation = *next;
    }
  }

  // Nothing is taken when there is none.
  std::optional<Relation> read_relation() {
    const size_t start = at_;
    const bool verb = take("is") || take("are");
    for (int i = 0; i < kRelations; ++i) {
      for (const std::string& phrase : words_of(static_cast<Relation>(i))) {
        const Words wanted = split(phrase);
        if (at_ + wanted.size() > words_.size()) continue;
        const auto here = words_.begin() + static_cast<std::ptrdiff_t>(at_);
        if (!std::equal(wanted.begin(), wanted.end(), here)) continue;
        at_ += wanted.size();
        return static_cast<Relation>(i);
      }
    }
    if (verb) expected("a relation such as 'left of'");
    at_ = start;
    return std::nullopt;
  }

  void read_things() {
    Group group;
    group.count = read_number();
    while (read_look(group)) take("and");
    read_noun(group);
    if (take("that")) {
      if (!take_one_of({"is", "are"})) expected("'is' or 'are'");
      do {
        if (!read_look(group)) expected("a colour or a texture");
      } while (word() == "and" && is_look(word(1)) && take("and"));
    }
    request_.groups.push_back(group);
  }

  int read_number() {
    if (take_one_of({"a", "an", "the"})) return 1;
    for (size_t i = 0; i < numbers().size(); ++i) {
      if (take(numbers()[i])) return static_cast<int>(i) + 1;
    }
    expected("'a' or a number from one to four");
  }

  static bool is_look(const std::string& word) {
    return value_of<Colour>(word, kColours) || value_of<Texture>(word, kTextures);
  }

  bool read_look(Group& group) {
    const auto colour = value_of<Colour>(word(), kColours);
    const auto texture = value_of<Texture>(word(), kTextures);
    if (!colour && !texture) return false;
    if ((colour && group.colour) || (texture && group.texture)) {
      throw std::runtime_error(in_quotes(text_) + ": " + in_quotes(word()) + " is the second " +
                               (colour ? "colour" : "texture") + " of one object");
    }
    if (colour) group.colour = colour;
    if (texture) group.texture = texture;
    ++at_;
    return true;
  }

  void read_noun(Group& group) {
    const std::string found = word();
    const auto names = [&](const std::string& noun) {
      return found == (group.count > 1 ? plural(noun) : noun);
    };
    for (int i = 0; i < kShapes && !group.shape; ++i) {
      const auto shape = static_cast<Shape>(i);
      for (const std::string& noun : words_of(shape)) {
        if (names(noun)) group.shape = shape;
      }
    }
    const bool general = std::any_of(general_nouns().begin(), general_nouns().end(), names);
    if (!group.shape && !general) {
      expected(group.count > 1 ? "a colour, a texture or the plural of a shape"
                               : "a colour, a texture or a shape");
    }
    ++at_;
  }

  std::string text_;
  Words words_;
  size_t at_ = 0;
  Request request_;
};

}  // namespace

std::string describe(const Request& request, RandomStream& random) {
  Words parts;
  for (const Group& group : request.groups) parts.push_back(things(group, random));
  const bool sentence = !request.links.empty() && random.chance(0.3);
  std::string out = sentence ? "" : intro(request, random);
  out += request.links.empty() ? list(parts) : related(request, parts, sentence, random);
  if (request.background) {
    const std::string where = std::string(random.chance(0.8) ? "on" : "against") + " a " +
                              word_for(*request.background, random) + " background";
    out = random.chance(0.8) ? out + " " + where : where + ", " + out;
  }
  return out;
}

Request understand(std::string_view text) { return Reader(text).read(); }

std::vector<std::string> vocabulary() {
  std::set<std::string> all = {"a",    "an", "the", "that", "is",      "are",   "and",       "of",
                               "with", "on", "we",  "see",  "against", "there", "background"};
  const auto add = [&](const Words& phrases) {
    for (const std::string& phrase : phrases) {
      for (const std::string& word : split(phrase)) all.insert(word);
    }
  };
  for (const Words* words : {&numbers(), &pictures(), &general_nouns()}) add(*words);
  for (int i = 0; i < kColours; ++i) add(words_of(static_cast<Colour>(i)));
  for (int i = 0; i < kTextures; ++i) add(words_of(static_cast<Texture>(i)));
  for (int i = 0; i < kBackgrounds; ++i) add(words_of(static_cast<Background>(i)));
  for (int i = 0; i < kRelations; ++i) add(words_of(static_cast<Relation>(i)));
  for (int i = 0; i < kShapes; ++i) {
    add(words_of(static_cast<Shape>(i)));
    for (const std::string& noun : words_of(static_cast<Shape>(i))) all.insert(plural(noun));
  }
  for (const std::string& noun : general_nouns()) all.insert(plural(noun));
  return {all.begin(), all.end()};
}

}  // namespace winnow::scenes

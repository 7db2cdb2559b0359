#include "scenes/match.hpp"

#include <algorithm>

namespace winnow::scenes {
namespace {

constexpr size_t kMostObjects = 8;  // of a picture that are tried; the largest come first

// Fills the places that a request has with objects of a scene, in every way.
class Assignment {
 public:
  Assignment(const Request& request, const Scene& scene) : request_(request), scene_(scene) {
    for (size_t g = 0; g < request.groups.size(); ++g) {
      places_.insert(places_.end(), static_cast<size_t>(request.groups[g].count), g);
    }
    chosen_.resize(places_.size(), nullptr);
    used_.resize(std::min(scene.objects.size(), kMostObjects), false);
  }

  int facts() const {
    int count = 0;
    for (const size_t g : places_) count += 1 + looks(request_.groups[g]);
    for (const Link& link : request_.links) {
      count += request_.groups[link.first].count * request_.groups[link.second].count;
    }
    return count;
  }

  int best() {
    fill(0, 0);
    return best_;
  }

 private:
  static int looks(const Group& group) {
    return (group.colour ? 1 : 0) + (group.shape ? 1 : 0) + (group.texture ? 1 : 0);
  }

  static int fulfilled(const Group& group, const Object& object) {
    return 1 + (group.colour == object.colour ? 1 : 0) + (group.shape == object.shape ? 1 : 0) +
           (group.texture == object.texture ? 1 : 0);
  }

  int links() const {
    int count = 0;
    for (const Link& link : request_.links) {
      for (size_t a = 0; a < places_.size(); ++a) {
        for (size_t b = 0; b < places_.size(); ++b) {
          if (places_[a] != link.first || places_[b] != link.second) continue;
          if (chosen_[a] && chosen_[b] && holds(link.relation, *chosen_[a], *chosen_[b])) ++count;
        }
      }
    }
    return count;
  }

  void fill(size_t place, int so_far) {
    if (place == places_.size()) {
      best_ = std::max(best_, so_far + links());
      return;
    }
    for (size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      used_[i] = true;
      chosen_[place] = &scene_.objects[i];
      fill(place + 1, so_far + fulfilled(request_.groups[places_[place]], scene_.objects[i]));
      used_[i] = false;
    }
    chosen_[place] = nullptr;
    fill(place + 1, so_far);
  }

  const Request& request_;
  const Scene& scene_;
  std::vector<size_t> places_;  // the group of each
  std::vector<const Object*> chosen_;
  std::vector<bool> used_;
  int best_ = 0;
};

}  // namespace

Match match(const Request& request, const Scene& scene) {
  Assignment assignment(request, scene);
  Match out;
  out.facts = assignment.facts() + 1;
  out.fulfilled = assignment.best();
  if (scene.objects.size() <= static_cast<size_t>(request.objects())) ++out.fulfilled;
  if (request.background) {
    ++out.facts;
    if (*request.background == scene.background) ++out.fulfilled;
  }
  return out;
}

}  // namespace winnow::scenes

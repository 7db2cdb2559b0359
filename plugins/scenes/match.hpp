// How well a scene fulfils a request.
#pragma once

#include "scenes/scene.hpp"

namespace winnow::scenes {

struct Match {
  int facts = 0;      // that the request states
  int fulfilled = 0;  // of them, in the best assignment of objects to what is asked for
  // In [0, 1]; 1 exactly when the scene shows what was asked for.
  double score() const { return static_cast<double>(fulfilled) / facts; }
  bool exact() const { return fulfilled == facts; }
};

// The facts: of each object that it is there, and each look that is asked of it; of each link that
// it holds, once for each pair of objects; the background, when it is asked for; and that there is
// no object beyond those asked for.
Match match(const Request& request, const Scene& scene);

}  // namespace winnow::scenes

// gallery.hpp: one picture that shows what the search gained.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "host/png.hpp"

namespace winnow {

// A picture as small as a gallery shows it: averaged down to at most 256 pixels; of one that is
// more than eight times as wide as high, a strip of frames, the left part.
Image gallery_tile(const Image& image);

// For each of the first `max_tasks` tasks the first candidate and, right of it in a green frame,
// the best one; several tasks beside each other, so that the whole is about 4:3. Small pictures are
// enlarged to about 84 pixels, large ones averaged down to at most 256. All pictures have one size;
// an empty one (no candidate succeeded) becomes a grey tile. RGB. No task, or empty pictures only:
// Error(Exit::kInternal).
Image make_gallery(std::span<const std::pair<Image, Image>> first_and_best,
                   std::uint32_t max_tasks = 48);

}  // namespace winnow

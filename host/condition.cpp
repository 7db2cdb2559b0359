// condition.cpp: see condition.hpp.
#include "host/condition.hpp"

#include <algorithm>

#include "host/png.hpp"

namespace winnow {

Condition::Condition(const TaskSpec& spec, std::uint64_t task) : prompt(spec.prompt) {
  table.struct_size = WN_SIZE(wn_condition, tensors);
  table.task = task;
  table.prompt = {prompt.c_str(), prompt.size()};
  table.class_id = spec.class_id;
  if (spec.image.empty()) return;
  const Image picture = read_png(spec.image);
  const std::int64_t shape[] = {picture.channels, picture.height, picture.width};
  image = Tensor(1, shape);
  std::ranges::copy(sample_of_image(picture), image.item(0).begin());
  image_view = image.view();
  image_view.ndim -= 1;  // one picture, not a batch
  image_view.shape += 1;
  named = {{"image", 5}, &image_view};
  table.n_tensors = 1;
  table.tensors = &named;
}

}  // namespace winnow

// What the two contrastive trainers share: the data as tensors, random views of pictures, the loss,
// and an interval for an accuracy.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

namespace winnow::training {

struct LabelledImages {
  at::Tensor pixels;  // uint8 [count, 1, 28, 28]
  at::Tensor labels;  // int64 [count]
};
LabelledImages load_labelled(const std::string& folder, const std::string& part);

// How far a view may be from the picture.
struct Views {
  double zoom = 1;      // the largest magnification; the smallest is its root's inverse; 1: none
  double aspect = 1;    // the largest change of width against height; 1: none
  double shift = 0;     // pixels
  double rotation = 0;  // radians
  double contrast =
      0;             // exponent of the pixels: exp(+-contrast); and a factor of 1 to 1 - contrast
  double erase = 0;  // the probability that a rectangle is blanked
};

// One random view of each picture, mirrored half the time. images [n, 1, side, side] in [0, 1].
at::Tensor random_views(const at::Tensor& images, const Views& views, at::Generator generator);

// The mean over both directions of the cross entropy of finding row i of `b` among all rows by row
// i of `a` (InfoNCE, van den Oord et al., 2018; symmetric as in CLIP, Radford et al., 2021). a and
// b are [n, width], of any length; scale multiplies their cosines.
at::Tensor contrastive_loss(const at::Tensor& a, const at::Tensor& b, const at::Tensor& scale);

// "88.1 % (87.5 to 88.7)": Wilson's 95 % interval.
std::string accuracy_text(int64_t right, int64_t count);

}  // namespace winnow::training
